"""`a2l check`, `a2l fmt`, `a2l show`: what can be said about files without computing anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, render_all, unknown

Losses = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Loss files, or shipped losses by name.")
]
Checked = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="Loss files and grammars, or shipped losses by name."),
]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Loss files and grammars.")]
Allow = Annotated[
    list[str] | None, typer.Option(metavar="CODE", help="Don't show warnings of this code (repeatable).")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print errors and warnings to stdout, as one JSON object per line.")
]
OnlyCheck = Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")]
Timeline = Annotated[bool, typer.Option("--timeline", help="Draw the window as a grid.")]
Written = Annotated[bool, typer.Option("--source", help="Print the file as it is, with its comments.")]
Latex = Annotated[bool, typer.Option("--latex", help="Print the formula as a paper would, for amsmath.")]
Ir = Annotated[bool, typer.Option("--ir", help="Print the compiled program.")]
Passes = Annotated[bool, typer.Option("--passes", help="Print the program as lowered and after each pass.")]


@app.command()
def check(files: Checked, allow: Allow = None, json: Json = False) -> None:
    """Check loss files and grammars: errors and warnings go to stderr, what is fine to stdout."""
    allowed = frozenset(_warning(code) for code in allow or ())
    _for_each(files, lambda file: _check(file, allowed, json), _report_json if json else _report)


@app.command()
def fmt(files: Files, check: OnlyCheck = False) -> None:
    """Bring loss files and grammars into the one layout, in place. Comments stay."""
    changed: list[str] = []
    _for_each(files, lambda file: _format(file, check, changed))
    if check and changed:
        raise typer.Exit(1)


@app.command()
def show(
    files: Losses,
    timeline: Timeline = False,
    latex: Latex = False,
    ir: Ir = False,
    passes: Passes = False,
    source: Written = False,
) -> None:
    """Print losses in canonical form, with key and horizon; or their files as they are."""
    if source:
        others = {"--timeline": timeline, "--latex": latex, "--ir": ir, "--passes": passes}
        if given := next((name for name, chosen in others.items() if chosen), None):
            raise A2lError(f"--source prints a file as it is, without {given}", "leave out one of the two")
        _for_each(files, _print_source)
    else:
        _for_each(files, lambda file: _show(file, timeline, latex, ir or passes, passes))


def _report(error: A2lError) -> None:
    print(error.render(), file=sys.stderr)


def _report_json(error: A2lError) -> None:
    """Print findings as JSON; an error without a place in a file goes to stderr as text."""
    if isinstance(error, LanguageError):
        _print_json(error.diagnostics)
    else:
        _report(error)


def _for_each(
    files: Iterable[str], action: Callable[[str], None], report: Callable[[A2lError], None] = _report
) -> None:
    """Apply `action` to every file, even after an error; exit with the status of the gravest error."""
    status = 0
    for file in files:
        try:
            action(file)
        except A2lError as error:
            report(error)
            status = max(status, error.exit_code)
    if status:
        raise typer.Exit(status)


def _check(file: str, allowed: Collection[str], json: bool) -> None:
    try:
        summary, warnings = _checked(file)
    except LanguageError as error:
        # The diagnostics include warnings. Errors can't be allowed, so something is left to show.
        raise LanguageError(finding for finding in error.diagnostics if finding.code not in allowed) from None
    shown = [warning for warning in warnings if warning.code not in allowed]
    if json:
        _print_json(shown)
        return
    if shown:
        print(render_all(shown), file=sys.stderr)
    print(f"ok {summary}")


def _checked(file: str) -> tuple[str, Sequence[Diagnostic]]:
    """What a file without errors holds, and its warnings. Raises `LanguageError`."""
    from a2ls_dsl.lang.files import read
    from a2ls_dsl.lang.load import analyse, locate

    if _is_grammar(file):
        from a2ls_dsl.lang.grammar import load_grammar

        grammar = load_grammar(file)
        return f"{file}: grammar {grammar.name}", grammar.warnings
    path = locate(file)
    source = read(path)
    losses, warnings = analyse(source, path)
    named = ", ".join(f"{name} (horizon {loss.horizon})" for name, loss in losses.items())
    return f"{source.name}: {named}", warnings


def _print_json(findings: Iterable[Diagnostic]) -> None:
    import json

    for finding in sorted(findings, key=lambda finding: finding.span.start):
        print(json.dumps(finding.data(), ensure_ascii=False))


def _is_grammar(file: str) -> bool:
    from a2ls_dsl.lang.files import GRAMMAR_SUFFIX

    return file.endswith(GRAMMAR_SUFFIX)


def _warning(code: str) -> str:
    """The code of a warning as a user may write it. Raises `A2lError` for errors and unknown codes."""
    from a2ls_dsl.lang.messages.codes import RULES, WARNINGS

    name = code.upper()
    if name in WARNINGS:
        return name
    if name in RULES:
        raise A2lError(
            f"{name} is an error; only warnings can be allowed", f"`a2l explain {name}` says what to write"
        )
    raise unknown("warning", code, WARNINGS)


def _format(file: str, only_check: bool, changed: list[str]) -> None:
    """Format one file, or note in `changed` that it isn't formatted."""
    from a2ls_dsl.lang.files import read, write
    from a2ls_dsl.lang.syntax.layout import format_file

    source = read(file)
    if _is_grammar(file):
        from a2ls_dsl.lang.grammar.layout import format_grammar

        text = format_grammar(source)
    else:
        text = format_file(source)
    if text == source.text:
        return
    changed.append(file)
    if only_check:
        print(f"would change {source.name}")
    else:
        write(file, text)
        print(f"formatted {source.name}")


def _print_source(file: str) -> None:
    from a2ls_dsl.lang.files import read
    from a2ls_dsl.lang.load import locate

    print(read(locate(file)).text, end="")


def _show(file: str, timeline: bool, latex: bool, ir: bool, passes: bool) -> None:
    from a2ls_dsl.lang import load
    from a2ls_dsl.lang.rules.canonical import key
    from a2ls_dsl.lang.syntax.printer import print_loss
    from a2ls_dsl.lang.views.latex import latex as typeset
    from a2ls_dsl.lang.views.timeline import timeline as draw

    for name, loss in load.load(file).items():
        blocks = [f"{name} = {print_loss(loss)}\n  key {key(loss)}   horizon {loss.horizon}"]
        if latex:
            blocks = ["\n".join(f"% {line.strip()}" for line in blocks[0].splitlines())]
        if timeline:
            blocks.append(draw(loss))
        if latex:
            blocks.append(typeset(name, loss))
        if ir:
            from a2ls_dsl.ir.show import show_ir

            blocks.append(show_ir(name, loss, passes))
        print("\n\n".join(blocks) + "\n")
