"""What good losses have in common: the pattern table of He et al. 2022 (their table 5), and a sounder one.

A loss has a pattern if it holds it at any step of its window. The paper compares the mean score of the losses
with a pattern and of those without, by a t-test. But patterns come together (who predicts many states also
predicts rewards), and eight tests find something by luck. So beside it stand p-values corrected after Holm,
and a regression that estimates all patterns together, with the horizon and the sizes of the sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from a2ls_dsl.lang.ast import Element, Item, Return, Rollout, Stream
from a2ls_dsl.lang.canonical import comparisons
from a2ls_dsl.report.regression import Coefficient, benjamini_hochberg, holm, least_squares, t_test
from a2ls_dsl.search.candidates import NO_LOSS, Status, parsed
from a2ls_dsl.search.records import Records

MEANING = {
    "forward dynamics": "s[i], a[i] in the source, s[i+1] in the target",
    "inverse dynamics": "a[i], s[i+1] in the source, s[i] in the target (the paper's sense)",
    "reward prediction": "s[i], a[i] in the source, r[i] in the target",
    "action inference": "s[i], s[i+1] in the source, a[i] in the target",
    "state reconstruction": "s[i] in both (the paper doesn't define it)",
    "more states in the target": "than in the source",
    "more actions in the target": "than in the source",
    "more rewards in the target": "than in the source",
}
"""The patterns of the paper's table, and when a loss has them."""

CONTROLS = ("horizon", "items in the source", "items in the target")
"""What the regression holds fixed beside the patterns."""

SLOW = 2_000
"""Losses that only the parser can read are many milliseconds each: beyond so many, some are drawn."""

Steps = dict[str, set[int]]
Features = dict[str, float]

_ITEM = r"[sar]\[t(?:\+\d+)?(?:\.\.t\+\d+)?\]"
_SET = rf"\{{ ({_ITEM}(?:, {_ITEM})*) \}}"
_PLAIN = re.compile(rf"\w+\({_SET} -> {_SET}\)(?: against batch)?")
_PARTS = re.compile(r"([sar])\[t(?:\+(\d+))?(?:\.\.t\+(\d+))?\]")


@dataclass(frozen=True)
class Pattern:
    """A row of the table. present, absent: losses with and without it.

    plain: the paper's difference of means, by a t-test; joint: the same with all other patterns, horizon and
    sizes held fixed. holm, bh: the p-values of `plain`, corrected; joint_holm: those of `joint`.
    """

    name: str
    present: int
    absent: int
    plain: Coefficient
    holm: float
    bh: float
    joint: Coefficient
    joint_holm: float


@dataclass(frozen=True)
class PatternTable:
    """The table over `losses` scored losses; `left_out`: those that were not drawn, or could not be read."""

    rows: tuple[Pattern, ...]
    losses: int
    left_out: int


def features(text: str) -> Features | None:
    """Which patterns (1 or 0) a canonical loss has, and the controls; None for no loss."""
    if text == NO_LOSS:
        return None
    sets = plain_sets(text)
    return _features([sets] if sets else list(_parsed_sets(text)))


def plain_sets(text: str) -> tuple[Steps, Steps] | None:
    """Source and target of a canonical loss of the paper's form, without the parser; None for any other."""
    match = _PLAIN.fullmatch(text)
    return (_steps(match[1]), _steps(match[2])) if match else None


def pattern_table(study: Records, rng: Generator) -> PatternTable:
    """The table over all candidates that trained to their end, references aside."""
    found, slow, known = [], [], 0
    for each in study.candidates_one_by_one():
        if each.status is not Status.SCORED or each.is_reference or each.score is None:
            continue
        known += 1
        if (sets := plain_sets(each.text)) is not None:
            found.append((_features([sets]), each.score))
        else:
            slow.append((each.text, each.score))
    chosen = slow if len(slow) <= SLOW else [slow[i] for i in rng.choice(len(slow), SLOW, replace=False)]
    found += [(read, score) for text, score in chosen if (read := features(text)) is not None]
    return table_of(found, known)


def table_of(found: list[tuple[Features, float]], known: int | None = None) -> PatternTable:
    """The table over features and scores. known: how many losses there are, if some are left out."""
    names = [*MEANING, *CONTROLS]
    columns = np.array([[each[name] for name in names] for each, _ in found]).reshape(-1, len(names))
    scores = np.array([score for _, score in found])
    joint = least_squares(columns, scores)[: len(MEANING)]
    plain = []
    for place, _ in enumerate(MEANING):
        has = columns[:, place] > 0
        plain.append(t_test(scores[has], scores[~has]))
    corrected, rates = (rule([each.p for each in plain]) for rule in (holm, benjamini_hochberg))
    jointly = holm([each.p for each in joint])
    rows = tuple(
        Pattern(
            name,
            int((columns[:, place] > 0).sum()),
            int((columns[:, place] == 0).sum()),
            plain[place],
            float(corrected[place]),
            float(rates[place]),
            joint[place],
            float(jointly[place]),
        )
        for place, name in enumerate(MEANING)
    )
    return PatternTable(rows, len(found), (known if known is not None else len(found)) - len(found))


def _steps(text: str) -> Steps:
    found: Steps = {"s": set(), "a": set(), "r": set()}
    for stream, first, last in _PARTS.findall(text):
        begin = int(first or 0)
        found[stream].update(range(begin, int(last or begin) + 1))
    return found


def _parsed_sets(text: str) -> Iterator[tuple[Steps, Steps]]:
    """Source and target of every term."""
    loss = parsed(text)
    for _, term in comparisons(loss) if loss else ():
        yield _all_steps(term.source), _all_steps(term.target)


def _all_steps(items: Iterable[Item]) -> Steps:
    found: Steps = {"s": set(), "a": set(), "r": set()}
    for item in items:
        match item:
            case Element(stream, offset, _):
                found.get(stream.value, set()).add(offset)
            case Rollout(start, first, length):
                found["s"].add(start.offset)
                found["a"].update(range(first, first + length))
            case Return(first, last, _, _):
                found[Stream.REWARD.value].update(range(first, last + 1))
    return found


def _features(terms: list[tuple[Steps, Steps]]) -> Features:
    """Of several terms, a pattern of any counts; sizes add up."""
    source, target = ([sum(len(t[side][stream]) for t in terms) for stream in "sar"] for side in (0, 1))
    steps = [step for pair in terms for side in pair for each in side.values() for step in each]
    has = {name: any(_holds(name, *pair) for pair in terms) for name in list(MEANING)[:5]}
    more = [float(after > before) for before, after in zip(source, target, strict=True)]
    patterns = [*map(float, has.values()), *more]
    sizes = [float(max(steps, default=0)), float(sum(source)), float(sum(target))]
    return dict(zip([*MEANING, *CONTROLS], [*patterns, *sizes], strict=True))


def _holds(name: str, source: Steps, target: Steps) -> bool:
    states, actions = source["s"], source["a"]
    following = {step - 1 for step in states}
    match name:
        case "forward dynamics":
            return bool(states & actions & {step - 1 for step in target["s"]})
        case "inverse dynamics":
            return bool(actions & following & target["s"])
        case "reward prediction":
            return bool(states & actions & target["r"])
        case "action inference":
            return bool(states & following & target["a"])
        case _:
            return bool(states & target["s"])
