"""Where parsing failed, and what the context tells of it: options in a wrong place, half a run.

Each function looks at one kind of slip, and gives None where it is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Rule, texts
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions

Finding: TypeAlias = tuple[str, str, str | Fix, int, int]
"""Code, message, fix, and the characters from where to where."""


@dataclass(frozen=True)
class ParseFailure:
    """Where parsing of a piece of text failed: `text[start:end]` is a token that can't stand there.

    `terminal` is its kind, `$END` at the end of the piece, or empty for a character that begins
    no token. `expected` are the terminals that could have stood there; `signs` are those that are always
    written alike.
    """

    text: str
    start: int
    end: int
    terminal: str
    expected: frozenset[str]
    signs: Mapping[str, str]

    @property
    def shown(self) -> str:
        """What was found, for a message."""
        return f"`{self.text[self.start : self.end][:40]}`" if self.end > self.start else "the end"

    @property
    def before(self) -> str:
        """The text up to the failure, the last two thousand characters of it."""
        return self.text[max(0, self.start - 2000) : self.start]

    @property
    def just_before(self) -> str:
        """The last hundred characters before it."""
        return self.text[max(0, self.start - 100) : self.start]

    @property
    def behind(self) -> str:
        """The text that follows the token, the first two hundred characters of it."""
        return self.text[self.end : self.end + 200]

    def opened(self) -> list[int]:
        """Where the brackets stand that are still open, the innermost last."""
        places: list[int] = []
        for match in re.finditer(r"[(){}\[\]]", self.text[: self.start]):
            if match[0] in "({[":
                places.append(match.start())
            elif places:
                places.pop()
        return places

    def says(self, code: str, message: str, fix: str | Fix) -> Finding:
        """A finding about the token."""
        return code, message, fix, self.start, self.end


_OPTIONS = "e.g. with head = mlp(256), temperature = 0.1"


Explainer: TypeAlias = Callable[[ParseFailure], Finding | None]
"""Says what one kind of failure is about, and nothing about others."""


def _import(failure: ParseFailure) -> Finding | None:
    """More than one file behind an import, or a name for it."""
    if not re.fullmatch(r"\s*import\s+\"[^\"]*\"\s*", failure.before):
        return None
    if failure.terminal == "_AS":
        message = "an import brings losses under their own names"
        end = failure.end + len(failure.behind.split("\n")[0])
        fix = Fix("leave out `as` and what follows", "", (failure.start, end))
        return failure.says(Rule.IMPORT, message, fix)
    message = f"an import names one file, on a line of its own; found {failure.shown}"
    return failure.says(Rule.IMPORT, message, 'e.g. import "curl.a2l"')


def _of_reference(failure: ParseFailure) -> Finding | None:
    """Options or negatives behind the name of a loss."""
    if failure.terminal not in ("_WITH", "_AGAINST") or not {"PLUS", "_LPAR"} <= failure.expected:
        return None
    with_options = failure.terminal == "_WITH"
    what, rule = ("options", Rule.OPTIONS) if with_options else ("negatives", Rule.AGAINST_BATCH)
    message = f"{what} belong to comparisons; this is the name of a loss"
    return failure.says(rule, message, "write them where it is defined")


def _negatives_late(failure: ParseFailure) -> Finding | None:
    """`against batch` behind the options."""
    if failure.terminal != "_AGAINST" or not _behind_with(failure):
        return None
    message = "`against batch` stands before the options"
    options = re.search(r"\bwith\b(?:(?!\bwith\b)[\s\S])*\Z", failure.before)
    end = re.match(r"against\s+batch\b", failure.text[failure.start :])
    if options is None or end is None:
        return failure.says(Rule.AGAINST_BATCH, message, "as in against batch with head = linear")
    fixed = f"against batch {options[0].rstrip()}"
    at = failure.start - len(options[0]), failure.start + end.end()
    return failure.says(Rule.AGAINST_BATCH, message, Fix.write(fixed, at))


def _without_with(failure: ParseFailure) -> Finding | None:
    """`) head = linear`, and options inside the parentheses."""
    if failure.terminal == "NAME" and "_WITH" in failure.expected and re.match(r"\s*=", failure.behind):
        fix = Fix(f"write with {failure.shown[1:-1]} = ...", "with ", (failure.start, failure.start))
        return failure.says(Rule.OPTIONS, "options begin with `with`", fix)
    if failure.terminal == "_COMMA" and failure.expected == {"_RPAR"}:
        message = "an operator takes sets only; options stand behind the parenthesis"
        return failure.says(Rule.OPTIONS, message, _OPTIONS)
    return None


def _option(failure: ParseFailure) -> Finding | None:
    """Behind `with` stands nothing else than options."""
    if failure.terminal in ("PLUS", "_STAR") or not _behind_with(failure):
        return None
    if failure.terminal == "$END" and failure.opened():
        return None  # a bracket that is not closed says more
    called = re.search(r"(\w+)\s*=\s*(\w+)\(\s*\Z", failure.just_before)
    if called and failure.terminal != "NUMBER":
        message = f"the value of an option is a number or a head; `{called[2]}(...)` is none"
        start = failure.start - len(failure.just_before) + called.start(1)
        return Rule.OPTIONS, message, _OPTIONS, start, failure.end
    message = f"behind `with` stand options, each with its value; found {failure.shown}"
    return failure.says(Rule.OPTIONS, message, _OPTIONS)


def _with_again(failure: ParseFailure) -> Finding | None:
    """A second `with`."""
    if failure.terminal != "_WITH" or not _behind_with(failure):
        return None
    before = len(failure.text[: failure.start].rstrip())
    fix = Fix.write(",", (before, failure.end))
    return failure.says(Rule.OPTIONS, "options are separated by commas, behind one `with`", fix)


def _bare_stream(failure: ParseFailure) -> Finding | None:
    """`{ s, a }`"""
    name = re.search(r"[{,]\s*(\w+)\s*\Z", failure.just_before)
    inside = any(failure.text[place] == "{" for place in failure.opened())
    if not inside or name is None or name[1] not in list(Stream) or "_LBRACKET" not in failure.expected:
        return None
    at = failure.start - len(failure.just_before) + name.start(1)
    end = at + len(name[1])
    message = f"`{name[1]}` is a stream; an element is a stream at a step"
    return Rule.ELEMENT, message, Fix.write(f"{name[1]}[t]"), at, end


def _uncalled(failure: ParseFailure) -> Finding | None:
    """`crop s[t]`"""
    name = re.search(r"(\w+)\s*\Z", failure.before)
    if failure.terminal != "NAME" or "_LPAR" not in failure.expected or not name or name[1] not in functions:
        return None
    message = f"`{name[1]}` is called with parentheses"
    return failure.says(Rule.ARGUMENTS, message, f"e.g. {functions[name[1]].example}")


def _behind_with(failure: ParseFailure) -> bool:
    """Whether the failure stands among options."""
    return bool(re.search(r"\bwith\b[^(){}]*(?:\([^(){}]*\)?[^(){}]*)*\Z", failure.before))


def _in_context(failure: ParseFailure, shared: bool = False) -> Finding | None:
    """What `slips.toml` has a place for; `shared`: only what grammars have, too."""
    inside = any(failure.text[place] == "{" for place in failure.opened())
    for slip in texts("slips")["slip"]:
        if (
            (slip.get("shared") or not shared)
            and failure.terminal in slip["terminals"]
            and failure.expected.issuperset(slip.get("expected", ()))
            and failure.expected <= set(slip.get("at_most", failure.expected))
            and not failure.expected.isdisjoint(slip.get("any", failure.expected))
            and (inside or not slip.get("inside"))
            and re.search(slip.get("before", ""), failure.just_before)
            and re.search(slip.get("behind", ""), failure.behind)
        ):
            message = slip["message"].replace("{shown}", failure.shown)
            return failure.says(Rule[slip["rule"]], message, slip["fix"])
    return None


SLIPS: tuple[Explainer, ...] = (_import, _negatives_late, _with_again, _of_reference, _without_with, _option)
SLIPS += (_bare_stream, _uncalled, _in_context)

SHARED_SLIPS = (
    _negatives_late,
    _with_again,
    _bare_stream,
    partial(_in_context, shared=True),
)
"""Slips that loss grammars have a place for, too."""
