"""Every code that a loss file or a loss grammar can earn, with the rule behind it.

Codes are never reused: scripts and the documentation name them. Those of loss files lie below 200, those of
grammars above; warnings begin at 101 and 251.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from a2ls_dsl.diagnostics import Diagnostic, Fix, RuleTable, Severity, Source, Span


class Rule(RuleTable):
    """The rules of loss files by name; the value of each is the code that users see."""

    # the file
    FILE_SIZE = "A2L001", "a loss file has at most 30 kB"
    NO_LOSS = "A2L002", "a loss file holds at least one loss"
    CHARACTER = "A2L003", 'a loss file is written in letters, digits and + - * = , . ( ) [ ] { } # " only'
    # syntax
    SYNTAX = (
        "A2L010",
        "a definition reads `loss NAME = TERM + TERM`, a term `operator({ source } -> { target })`",
    )
    BRACKETS = "A2L011", "every bracket is closed by its partner"
    ELEMENT = "A2L012", "an element is a stream and a step in square brackets: s[t+1]"
    ARROW = "A2L013", "an arrow `->` stands between the source and the target"
    BRACES = "A2L014", "source and target stand in braces"
    DEFINITION = "A2L015", "a definition begins with `loss NAME =`"
    RUN = "A2L016", "a run is two steps with two dots between them: a[t+1..t+3]"
    AGAINST_BATCH = "A2L017", "negatives are asked for with `against batch`"
    SUM = "A2L018", "terms are added, each with its weight before it: 1.0 * a + 0.1 * b"
    IMPORT = "A2L019", 'an import reads `import "FILE.a2l"`'
    OPTIONS = "A2L020", "options stand behind a comparison: `with NAME = VALUE, NAME = VALUE`"
    # names
    OPERATOR_UNKNOWN = "A2L021", "an operator is one of the known ones"
    STREAM_UNKNOWN = "A2L022", "a stream is s, a, r, o or done"
    FUNCTION_UNKNOWN = "A2L023", "a function is one of the known ones"
    MISAPPLIED = "A2L024", "a function is applied to what it takes"
    NAME_TAKEN = "A2L025", "a name stands for one loss of the file and its imports"
    REFERENCE_UNKNOWN = "A2L026", "a loss refers to losses defined earlier in its file, or imported"
    OPTION_UNKNOWN = "A2L027", "an option is one that its operator has, and has an effect"
    IMPORT_UNREADABLE = "A2L028", "an import names a loss file that can be read, or a shipped loss"
    IMPORT_CIRCLE = "A2L029", "files do not import each other in a circle"
    IMPORT_LIMITS = (
        "A2L030",
        "a file imports at most 50 files, directly and through others, with the limits of one file",
    )
    # values
    STEP_BEFORE_T = "A2L031", "steps start at t"
    STEP = "A2L032", "a step is t, or t plus a whole number"
    OFFSET = "A2L033", "an offset is at most 999"
    RUN_BACKWARDS = "A2L034", "a run goes forward in time"
    SET_EMPTY = "A2L035", "source and target hold at least one element"
    NO_GRADIENT = "A2L036", "a state is encoded with gradient, or none reaches the encoder"
    WEIGHT = "A2L037", "a weight is a number from 1e-30 to 1e30"
    ELEMENTS = "A2L038", "a file names at most 10,000 elements, references multiplied out"
    ARGUMENTS = "A2L039", "a function is called with its arguments, each in its place"
    NUMBER_RANGE = "A2L040", "a number that a function is called with lies in its range"
    OPTION_VALUE = "A2L041", "the value of an option is of its kind and in its range"
    OPTION_TWICE = "A2L042", "an option is given once"
    ROWS_DIFFER = "A2L043", "without a head, source and target row are made of the same"
    ROLLOUT_PLACE = "A2L044", "a rollout stands in a source, beside rollouts and runs of its length"
    ROLLOUT_TARGET = "A2L045", "a rollout is compared with runs of its length"
    ROLLOUT_START = "A2L046", "the actions of a rollout begin at its state's step"
    RETURN = "A2L047", "a return sums a run of rewards and may end in the value of the step after"
    NUMBER_OF_SETS = "A2L048", "an operator has its number of sets, one or two"
    CONTENTS = "A2L049", "an operator's sets hold what it can compare"
    SHARED_HEAD = "A2L050", "learned maps of one name are written alike, and read rows of equal make"
    SCHEDULE = "A2L051", "a schedule reads `linear(FROM, TO, FRAMES)`, with weights of 0 or more"
    NESTING = "A2L052", "at most 16 calls stand inside each other"
    NO_NEGATIVES = "A2L053", "`against batch` stands behind operators that take negatives"
    SCHEDULE_PRODUCT = "A2L054", "a weight holds at most one schedule, references multiplied out"
    VIEW_NAME = "A2L055", "views of one name are one: a view of one step, written alike"
    OPTION_ALONE = "A2L056", "`low` and `high` are given together or not at all"
    # warnings
    COPIED = "A2L101", "an element of the source that is in the target too can be copied by the predictor"
    REPEATED = "A2L102", "an element is named once in a set"
    COLLAPSE = "A2L103", "something keeps the encoder from giving every state the same latent"
    NO_EFFECT = "A2L104", "a call has an effect"
    IMPORT_UNUSED = "A2L105", "a loss of an imported file is used"
    NAMED_ONCE = "A2L106", "the name of a learned map or a view stands in a loss twice or more"
    EQUAL_NEGATIVES = "A2L107", "negatives differ from the positive"
    ONE_NUMBER = "A2L108", "a row that is divided by its length holds more than one number"
    TRANSITIONS = "A2L109", "the rollouts of a loss share one transition"
    FLAG_BEFORE = "A2L110", "beside a rollout, terminal flags are those of the steps that follow"
    PREDICTED_VIEW = "A2L111", "no head stands between two views of a state that both train the encoder"


class GrammarRule(RuleTable):
    """The rules of loss grammars by name; the value of each is the code that users see."""

    SYNTAX = "A2L201", "a grammar is a line `grammar NAME`, then rules `name = ...` and `require` lines"
    NAME_UNKNOWN = "A2L202", "a name in a rule is another rule's, an operator's or a function's"
    STREAM_UNKNOWN = "A2L203", "a stream is s, a, r, o or done"
    FUNCTION = "A2L204", "a function is one of the known ones, called on what it takes"
    STEP = "A2L205", "a step counts from t, in whole numbers and parameters"
    NAME_TWICE = "A2L206", "a rule is defined once, a parameter given once"
    NAME_TAKEN = "A2L207", "operators, functions, words of the language and `t` keep their meaning"
    NO_LOSS = "A2L208", "there is a rule `loss`"
    RECURSION = "A2L209", "a rule that refers to itself, directly or through others, has a bound"
    KIND = "A2L210", "losses, operators, sets, functions and numbers stand each in their own place"
    HORIZON_EMPTY = "A2L211", "the range of the horizon holds a number"
    STEP_BEFORE_T = "A2L212", "no step lies before t, whatever the horizon"
    OFFSET = "A2L213", "steps and horizons are at most 999"
    RUN_EMPTY = "A2L214", "no run is empty, whatever the horizon"
    REQUIRE = "A2L215", "`require` asks for a state, an action, a reward or an element in source or target"
    FORMS = "A2L216", "the sets of a grammar have at most 100,000 forms: alternatives times horizons"
    SIDE_EMPTY = "A2L217", "source and target can't be empty"
    NO_GRADIENT = "A2L218", "a loss can't lack a state that is encoded with gradient"
    NOTHING_LEFT = "A2L219", "the `require` lines leave a loss"
    ELEMENTS = "A2L220", "the sets of a grammar hold at most 1,000,000 elements, all horizons together"
    NOTHING_FITS = "A2L221", "the parts of a comparison go together in one way at least"
    OPTIONAL_LOSS = "A2L222", "a loss may be left out of a sum only"
    OPTION = "A2L223", "an option is one that some operator has, given once"
    NUMBER_RANGE = "A2L224", "weights, widths of heads and numbers of options are in their range"
    BOUND = "A2L225", "`require at most` bounds a rule of losses that refers to itself"
    SCHEDULE_PRODUCT = "A2L226", "the product of two schedules is none"
    # warnings
    RULE_UNUSED = "A2L251", "every rule is used"


_IN_GRAMMARS: dict[str, GrammarRule] = {
    Rule.STREAM_UNKNOWN: GrammarRule.STREAM_UNKNOWN,
    Rule.STEP: GrammarRule.STEP,
    Rule.STEP_BEFORE_T: GrammarRule.STEP_BEFORE_T,
    Rule.OFFSET: GrammarRule.OFFSET,
    Rule.RUN_BACKWARDS: GrammarRule.RUN_EMPTY,
    Rule.NUMBER_RANGE: GrammarRule.NUMBER_RANGE,
    Rule.OPTION_TWICE: GrammarRule.OPTION,
    Rule.OPTION_UNKNOWN: GrammarRule.OPTION,
    Rule.SET_EMPTY: GrammarRule.SIDE_EMPTY,
    **dict.fromkeys(
        (Rule.FUNCTION_UNKNOWN, Rule.ARGUMENTS, Rule.MISAPPLIED, Rule.RETURN, Rule.NESTING),
        GrammarRule.FUNCTION,
    ),
    **{rule: GrammarRule.SYNTAX for rule in Rule if Rule.CHARACTER <= rule <= Rule.OPTIONS},
}
"""What a rule of loss files is called in a grammar, where a check that both share finds it broken."""

RULES: dict[str, str] = {rule: rule.text for rule in Rule}
GRAMMAR_RULES: dict[str, str] = {rule: rule.text for rule in GrammarRule}
"""The rule behind each code."""


def is_warning(code: str) -> bool:
    """Whether a code is that of a warning, as its number says."""
    number = int(code.removeprefix("A2L"))
    return 100 < number < 200 or number > 250


WARNINGS = tuple(filter(is_warning, RULES))
"""The warnings about loss files."""


def report(code: str, message: str, span: Span, fix: str | Fix = "") -> Diagnostic:
    """The diagnostic of a code; its severity follows from its number."""
    severity = Severity.WARNING if is_warning(code) else Severity.ERROR
    return Diagnostic.of(code, message, span, fix, severity)


FEW = 50
"""Until so many findings, names are compared with others to suggest one; nobody reads more suggestions."""


class Findings:
    """The diagnostics of a file that is read and checked, beside `earlier` ones of it.

    of_grammar: whether the file is a loss grammar, which has codes of its own.
    """

    def __init__(self, earlier: Sequence[Diagnostic] = (), of_grammar: bool = False) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._of_grammar = of_grammar
        self._earlier = sorted(diagnostic.span.start for diagnostic in earlier)

    @property
    def few(self) -> bool:
        """Whether there is time to look for a near name."""
        return len(self.diagnostics) < FEW

    def note(self, code: str, message: str, span: Span | None, fix: str | Fix) -> None:
        """Add a diagnostic; its severity follows from its code."""
        code = _IN_GRAMMARS.get(code, code) if self._of_grammar else code
        self.diagnostics.append(report(code, message, place(span), fix))

    def refuse(self, code: str, message: str, span: Span | None, fix: str | Fix) -> Literal[False]:
        """Add a diagnostic; False, for the check that ends here."""
        self.note(code, message, span, fix)
        return False

    def damaged(self, where: Span | None) -> bool:
        """Whether an earlier diagnostic lies in this place."""
        if where is None:
            return False
        following = bisect_left(self._earlier, where.start)
        return following < len(self._earlier) and self._earlier[following] < where.end


def place(span: Span | None) -> Span:
    """A tree that was built rather than parsed has no places; its diagnostics point at nothing."""
    return span or Span(Source("<tree>", ""), 0, 0)


def head(span: Span | None, name: str) -> Span | None:
    """The name that a node begins with."""
    return span and Span(span.source, span.start, span.start + len(name))


@dataclass(frozen=True)
class Explanation:
    """Behind a rule: `wrong` is a whole file that breaks it and nothing else, `right` the same file mended.

    Both are None where the smallest example is too large to show, or takes several files.
    """

    why: str
    wrong: str | None = None
    right: str | None = None


def explanations() -> dict[str, Explanation]:
    """What `a2l explain` says about each code, from `explanations.toml`."""
    return {code: Explanation(**entry) for code, entry in texts("explanations").items()}


@cache
def texts(name: str) -> dict[str, Any]:
    """The texts in `NAME.toml` beside this file."""
    import tomllib  # takes longer to import than a file takes to check

    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))
