"""Slips that the place tells: options in a wrong place, arithmetic in a set, half a run.

Each function looks at one kind of slip, and gives None where it is another.
"""

from __future__ import annotations

import re

from a2ls_dsl.lang.registry import functions
from a2ls_dsl.lang.trouble import Finding, Trouble

_OPTIONS = "e.g. with head = mlp(256), temperature = 0.1"


def slip(trouble: Trouble) -> Finding | None:
    """The first kind of slip that fits."""
    return next((found for each in _KINDS if (found := each(trouble))), None)


def _import(trouble: Trouble) -> Finding | None:
    """More than one file behind an import, or a name for it."""
    if not re.fullmatch(r"\s*import\s+\"[^\"]*\"\s*", trouble.before):
        return None
    if trouble.found == "_AS":
        message = "an import brings losses under their own names"
        return trouble.says("A2L019", message, "leave out `as` and what follows")
    message = f"an import names one file, on a line of its own; found {trouble.shown}"
    return trouble.says("A2L019", message, 'e.g. import "curl.a2l"')


def _of_reference(trouble: Trouble) -> Finding | None:
    """Options or negatives behind the name of a loss."""
    if trouble.found not in ("_WITH", "_AGAINST") or not {"PLUS", "_LPAR"} <= trouble.expected:
        return None
    what = "options" if trouble.found == "_WITH" else "negatives"
    message = f"{what} belong to comparisons; this is the name of a loss"
    return trouble.says(
        "A2L020" if what == "options" else "A2L017", message, "write them where it is defined"
    )


def _negatives_late(trouble: Trouble) -> Finding | None:
    """`against batch` behind the options."""
    if trouble.found != "_AGAINST" or not _behind_with(trouble):
        return None
    message = "`against batch` stands before the options"
    return trouble.says("A2L017", message, "write against batch with ...")


def _without_with(trouble: Trouble) -> Finding | None:
    """`) head = linear`, and options inside the parentheses."""
    if trouble.found == "NAME" and "_WITH" in trouble.expected and re.match(r"\s*=", trouble.behind):
        return trouble.says("A2L020", "options begin with `with`", f"write with {trouble.shown[1:-1]} = ...")
    if trouble.found == "_COMMA" and trouble.expected == {"_RPAR"}:
        message = "an operator takes sets only; options stand behind the parenthesis"
        return trouble.says("A2L020", message, _OPTIONS)
    return None


def _option(trouble: Trouble) -> Finding | None:
    """Behind `with` stands nothing else than options."""
    if trouble.found in ("PLUS", "_STAR") or not _behind_with(trouble):
        return None
    if trouble.found == "$END" and trouble.opened():
        return None  # a bracket that is not closed says more
    message = f"behind `with` stand options, each with its value; found {trouble.shown}"
    return trouble.says("A2L020", message, _OPTIONS)


def _arithmetic(trouble: Trouble) -> Finding | None:
    """Sums, differences and products inside a set."""
    inside = any(trouble.text[place] == "{" for place in trouble.opened())
    if not inside or trouble.found not in ("PLUS", "MINUS", "_STAR", "NUMBER"):
        return None
    if not trouble.expected & {"_RBRACE", "_COMMA"}:
        return None
    message = f"nothing is computed in a set; found {trouble.shown}"
    return trouble.says("A2L010", message, "name what is compared, with commas between: { s[t], a[t] }")


def _half_run(trouble: Trouble) -> Finding | None:
    """A run that lacks one of its ends."""
    if trouble.expected != {"NAME", "NUMBER"} or trouble.found not in ("_RANGE", "_RBRACKET"):
        return None
    if trouble.found == "_RBRACKET" and not trouble.before.rstrip().endswith(".."):
        return None
    return trouble.says("A2L016", "a run names its first and its last step", "e.g. a[t..t+3]")


def _keyword(trouble: Trouble) -> Finding | None:
    """`shift(s[t], pixels = 4)`"""
    if trouble.found != "_EQUAL" or "_LBRACKET" not in trouble.expected:
        return None
    return trouble.says("A2L039", "a number is given without its name", "e.g. shift(s[t], 4)")


def _uncalled(trouble: Trouble) -> Finding | None:
    """`crop s[t]`"""
    name = re.search(r"(\w+)\s*\Z", trouble.before)
    if trouble.found != "NAME" or "_LPAR" not in trouble.expected or name is None or name[1] not in functions:
        return None
    message = f"`{name[1]}` is called with parentheses"
    return trouble.says("A2L039", message, f"e.g. {functions[name[1]].example}")


def _two_weights(trouble: Trouble) -> Finding | None:
    """`0.5 * linear(0, 1, 100) * ...`"""
    if trouble.expected != {"_LBRACE"} or trouble.found not in ("NUMBER", "MINUS"):
        return None
    message = "a term has one weight, and an operator takes sets, no numbers"
    return trouble.says("A2L018", message, "multiply the numbers of the weights")


def _behind_with(trouble: Trouble) -> bool:
    """Whether the trouble stands among options."""
    return bool(re.search(r"\bwith\b[^(){}]*(?:\([^(){}]*\)?[^(){}]*)*\Z", trouble.before))


_KINDS = (
    _import,
    _negatives_late,
    _of_reference,
    _without_with,
    _option,
    _arithmetic,
    _half_run,
    _keyword,
    _uncalled,
    _two_weights,
)
