"""`a2l check`, `a2l fmt`, `a2l show`: what can be said about loss files without computing anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from typing import Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.diagnostics import A2lError, LanguageError, render_all, unknown

Losses = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Loss files, or shipped losses by name.")
]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Loss files.")]
Allow = Annotated[
    list[str] | None, typer.Option(metavar="CODE", help="Don't show warnings of this code (repeatable).")
]
OnlyCheck = Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")]
Timeline = Annotated[bool, typer.Option("--timeline", help="Draw the window as a grid.")]
Latex = Annotated[bool, typer.Option("--latex", help="Print the formula as a paper would, for amsmath.")]
Ir = Annotated[bool, typer.Option("--ir", help="Print the compiled program.")]
Passes = Annotated[bool, typer.Option("--passes", help="Print the program as lowered and after each pass.")]


@app.command()
def check(files: Losses, allow: Allow = None) -> None:
    """Check loss files: errors and warnings go to stderr, what is fine to stdout."""
    allowed = frozenset(_warning(code) for code in allow or ())
    _each(files, lambda file: _check(file, allowed))


@app.command()
def fmt(files: Files, check: OnlyCheck = False) -> None:
    """Bring loss files into the one layout, in place. Comments stay."""
    changed: list[str] = []
    _each(files, lambda file: _format(file, check, changed))
    if check and changed:
        raise typer.Exit(1)


@app.command()
def show(
    files: Losses,
    timeline: Timeline = False,
    latex: Latex = False,
    ir: Ir = False,
    passes: Passes = False,
) -> None:
    """Print losses in canonical form, with key and horizon."""
    _each(files, lambda file: _show(file, timeline, latex, ir or passes, passes))


def _each(files: Iterable[str], action: Callable[[str], None]) -> None:
    """Apply `action` to every file, also after an error; exit with the gravest error's status."""
    status = 0
    for file in files:
        try:
            action(file)
        except A2lError as error:
            print(error.render(), file=sys.stderr)
            status = max(status, error.exit_code)
    if status:
        raise typer.Exit(status)


def _check(file: str, allowed: Collection[str]) -> None:
    from a2ls_dsl.lang.files import read
    from a2ls_dsl.lang.load import analyse, locate

    path = locate(file)
    source = read(path)
    try:
        losses, warnings = analyse(source, path)
    except LanguageError as error:
        # Warnings stand among the errors; an error itself is never allowed, so something is left to show.
        raise LanguageError(
            diagnostic for diagnostic in error.diagnostics if diagnostic.code not in allowed
        ) from None
    if shown := [warning for warning in warnings if warning.code not in allowed]:
        print(render_all(shown), file=sys.stderr)
    named = ", ".join(f"{name} (horizon {loss.horizon})" for name, loss in losses.items())
    print(f"ok {source.name}: {named}")


def _warning(code: str) -> str:
    """The code of a warning as a user may write it. Raises `A2lError` for errors and unknown codes."""
    from a2ls_dsl.lang.messages.codes import RULES, WARNINGS

    known = code.upper()
    if known in WARNINGS:
        return known
    if known in RULES:
        raise A2lError(
            f"{known} is an error; only warnings can be allowed", f"`a2l explain {known}` says what to write"
        )
    raise unknown("warning", code, WARNINGS)


def _format(file: str, only_check: bool, changed: list[str]) -> None:
    """Format one file, or note in `changed` that it isn't formatted."""
    from a2ls_dsl.lang.files import read, write
    from a2ls_dsl.lang.syntax.layout import format_file

    source = read(file)
    text = format_file(source)
    if text == source.text:
        return
    changed.append(file)
    if only_check:
        print(f"would change {source.name}")
    else:
        write(file, text)
        print(f"formatted {source.name}")


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
