"""`a2l explain`: the rule behind every code of a diagnostic, and how to keep it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.diagnostics import A2lError

WIDTH = 88

_NEAR = 9
"""How far the number of a suggested code may be from the one asked for."""


@app.command()
def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="As in `error[A2L021]`; all codes if left out.")
    ] = None,
) -> None:
    """Explain a code of an error or a warning, with a wrong and a right example."""
    from a2ls_dsl.lang.messages.codes import GRAMMAR_RULES, RULES

    if code is None:
        for title, table in (("Loss files (.a2l)", RULES), ("Loss grammars (.a2g)", GRAMMAR_RULES)):
            lines = [f"  {name}  {_kind(name):<7}  {rule}" for name, rule in table.items()]
            print("\n".join([title, *lines]) + "\n")
        print("a2l explain CODE says more.")
        return
    rules, name = RULES | GRAMMAR_RULES, code.upper()
    if name not in rules:
        guess = _near_code(name, rules)
        fix = f"did you mean `{guess}`?" if guess else "`a2l explain` lists all codes"
        raise A2lError(f"there is no code `{code}`", fix)
    print(_page(name, rules[name]))


def _kind(code: str) -> str:
    from a2ls_dsl.lang.messages.codes import is_warning

    return "warning" if is_warning(code) else "error"


def _near_code(code: str, codes: Iterable[str]) -> str | None:
    """The code with the nearest number; similar spelling means nothing in codes."""
    number = re.search(r"\d{1,6}$", code)
    if number is None:
        return None
    distance = {other: abs(int(other.removeprefix("A2L")) - int(number[0])) for other in codes}
    nearest = min(distance, key=lambda other: distance[other])
    return nearest if distance[nearest] <= _NEAR else None


def _page(code: str, rule: str) -> str:
    """Everything about one code."""
    from a2ls_dsl.lang.messages.codes import explanations

    explanation = explanations()[code]
    blocks = [f"{_kind(code)}[{code}]: {rule}", textwrap.fill(explanation.why, WIDTH)]
    for title, example in (("wrong", explanation.wrong), ("right", explanation.right)):
        if example is not None:
            blocks.append(f"{title}:\n" + textwrap.indent(example, "    "))
    return "\n\n".join(blocks)
