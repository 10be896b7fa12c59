"""Slips that the place tells: options in a wrong place, arithmetic in a set, half a run.

Each function looks at one kind of slip, and gives None where it is another.
"""

from __future__ import annotations

import re

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.codes import Rule
from a2ls_dsl.lang.trouble import Finding, Trouble
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions

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
        end = trouble.end + len(trouble.behind.split("\n")[0])
        return trouble.says(
            Rule.IMPORT, message, Fix("leave out `as` and what follows", "", (trouble.start, end))
        )
    message = f"an import names one file, on a line of its own; found {trouble.shown}"
    return trouble.says(Rule.IMPORT, message, 'e.g. import "curl.a2l"')


def _of_reference(trouble: Trouble) -> Finding | None:
    """Options or negatives behind the name of a loss."""
    if trouble.found not in ("_WITH", "_AGAINST") or not {"PLUS", "_LPAR"} <= trouble.expected:
        return None
    what = "options" if trouble.found == "_WITH" else "negatives"
    message = f"{what} belong to comparisons; this is the name of a loss"
    return trouble.says(
        Rule.OPTIONS if what == "options" else Rule.AGAINST_BATCH, message, "write them where it is defined"
    )


def _negatives_late(trouble: Trouble) -> Finding | None:
    """`against batch` behind the options."""
    if trouble.found != "_AGAINST" or not _behind_with(trouble):
        return None
    message = "`against batch` stands before the options"
    options = re.search(r"\bwith\b(?:(?!\bwith\b)[\s\S])*\Z", trouble.before)
    end = re.match(r"against\s+batch\b", trouble.text[trouble.start :])
    if options is None or end is None:
        return trouble.says(Rule.AGAINST_BATCH, message, "as in against batch with head = linear")
    fixed = f"against batch {options[0].rstrip()}"
    at = trouble.start - len(options[0]), trouble.start + end.end()
    return trouble.says(Rule.AGAINST_BATCH, message, Fix.write(fixed, at))


def _without_with(trouble: Trouble) -> Finding | None:
    """`) head = linear`, and options inside the parentheses."""
    if trouble.found == "NAME" and "_WITH" in trouble.expected and re.match(r"\s*=", trouble.behind):
        fix = Fix(f"write with {trouble.shown[1:-1]} = ...", "with ", (trouble.start, trouble.start))
        return trouble.says(Rule.OPTIONS, "options begin with `with`", fix)
    if trouble.found == "_COMMA" and trouble.expected == {"_RPAR"}:
        message = "an operator takes sets only; options stand behind the parenthesis"
        return trouble.says(Rule.OPTIONS, message, _OPTIONS)
    return None


def _option(trouble: Trouble) -> Finding | None:
    """Behind `with` stands nothing else than options."""
    if trouble.found in ("PLUS", "_STAR") or not _behind_with(trouble):
        return None
    if trouble.found == "$END" and trouble.opened():
        return None  # a bracket that is not closed says more
    called = re.search(r"(\w+)\s*=\s*(\w+)\(\s*\Z", trouble.just_before)
    if called and trouble.found != "NUMBER":
        message = f"the value of an option is a number or a head; `{called[2]}(...)` is none"
        start = trouble.start - len(trouble.just_before) + called.start(1)
        return Rule.OPTIONS, message, _OPTIONS, start, trouble.end
    message = f"behind `with` stand options, each with its value; found {trouble.shown}"
    return trouble.says(Rule.OPTIONS, message, _OPTIONS)


def _with_again(trouble: Trouble) -> Finding | None:
    """A second `with`."""
    if trouble.found != "_WITH" or not _behind_with(trouble):
        return None
    before = len(trouble.text[: trouble.start].rstrip())
    fix = Fix.write(",", (before, trouble.end))
    return trouble.says(Rule.OPTIONS, "options are separated by commas, behind one `with`", fix)


def _parameter(trouble: Trouble) -> Finding | None:
    """`a[t..t+k-1]`: only grammars have parameters, and sums of more than one number."""
    if not re.search(r"\[[^]]*t\s*[+-]\s*\w+\s*\Z", trouble.just_before) or trouble.found not in (
        "PLUS",
        "MINUS",
    ):
        return None
    message = "a step is t, or t plus one whole number"
    return trouble.says(Rule.STEP, message, "e.g. t+3; parameters such as k belong to loss grammars")


def _bare_stream(trouble: Trouble) -> Finding | None:
    """`{ s, a }`"""
    name = re.search(r"[{,]\s*(\w+)\s*\Z", trouble.just_before)
    inside = any(trouble.text[place] == "{" for place in trouble.opened())
    if not inside or name is None or name[1] not in list(Stream) or "_LBRACKET" not in trouble.expected:
        return None
    at = trouble.start - len(trouble.just_before) + name.start(1)
    end = at + len(name[1])
    message = f"`{name[1]}` is a stream; an element is a stream at a step"
    return Rule.ELEMENT, message, Fix.write(f"{name[1]}[t]"), at, end


def _group(trouble: Trouble) -> Finding | None:
    """`0.5 * (a + b)`: a sum is given a weight by its name."""
    if trouble.found != "_LPAR" or not re.search(r"(?:\*|\+|=)\s*\Z", trouble.just_before):
        return None
    message = "terms are not grouped with parentheses"
    fix = "name the sum: loss part = a + b, then weigh it: loss whole = 0.5 * part"
    return trouble.says(Rule.SUM, message, fix)


def _return_sum(trouble: Trouble) -> Finding | None:
    """`r[t] + gamma * value(s[t+1])`: what `return` is for."""
    inside = any(trouble.text[place] == "{" for place in trouble.opened())
    reward = re.search(r"r\[[^]]*\]\s*\Z", trouble.just_before)
    if not inside or trouble.found != "PLUS" or not (reward and re.search(r"\bvalue\b", trouble.behind)):
        return None
    message = "a reward and a discounted value are one item, a return"
    return trouble.says(Rule.SYNTAX, message, "e.g. return(r[t], value(s[t+1]), 0.99)")


def _arithmetic(trouble: Trouble) -> Finding | None:
    """Sums, differences and products inside a set."""
    inside = any(trouble.text[place] == "{" for place in trouble.opened())
    if not inside or trouble.found not in ("PLUS", "MINUS", "_STAR", "NUMBER"):
        return None
    if not trouble.expected & {"_RBRACE", "_COMMA"}:
        return None
    message = f"nothing is computed in a set; found {trouble.shown}"
    return trouble.says(Rule.SYNTAX, message, "name what is compared, with commas between: { s[t], a[t] }")


def _half_run(trouble: Trouble) -> Finding | None:
    """A run that lacks one of its ends."""
    if trouble.expected != {"NAME", "NUMBER"} or trouble.found not in ("_RANGE", "_RBRACKET"):
        return None
    if trouble.found == "_RBRACKET" and not trouble.before.rstrip().endswith(".."):
        return None
    return trouble.says(Rule.RUN, "a run names its first and its last step", "e.g. a[t..t+3]")


def _keyword(trouble: Trouble) -> Finding | None:
    """`shift(s[t], pixels = 4)`"""
    if trouble.found != "_EQUAL" or "_LBRACKET" not in trouble.expected:
        return None
    return trouble.says(Rule.ARGUMENTS, "a number is given without its name", "e.g. shift(s[t], 4)")


def _uncalled(trouble: Trouble) -> Finding | None:
    """`crop s[t]`"""
    name = re.search(r"(\w+)\s*\Z", trouble.before)
    if trouble.found != "NAME" or "_LPAR" not in trouble.expected or name is None or name[1] not in functions:
        return None
    message = f"`{name[1]}` is called with parentheses"
    return trouble.says(Rule.ARGUMENTS, message, f"e.g. {functions[name[1]].example}")


def _two_weights(trouble: Trouble) -> Finding | None:
    """`0.5 * linear(0, 1, 100) * ...`"""
    if trouble.expected != {"_LBRACE"} or trouble.found not in ("NUMBER", "MINUS"):
        return None
    message = "a term has one weight, and an operator takes sets, no numbers"
    return trouble.says(Rule.SUM, message, "multiply the numbers of the weights")


def _behind_with(trouble: Trouble) -> bool:
    """Whether the trouble stands among options."""
    return bool(re.search(r"\bwith\b[^(){}]*(?:\([^(){}]*\)?[^(){}]*)*\Z", trouble.before))


_KINDS = (
    _import,
    _negatives_late,
    _with_again,
    _of_reference,
    _without_with,
    _option,
    _parameter,
    _bare_stream,
    _group,
    _return_sum,
    _arithmetic,
    _half_run,
    _keyword,
    _uncalled,
    _two_weights,
)
