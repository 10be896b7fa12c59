"""The patterns of He et al. 2022 (their table 5): which of them a loss has, at any step of its window."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from a2ls_dsl.lang.rules.canonical import comparisons
from a2ls_dsl.lang.syntax.tree import Element, Item, Loss, Return, Rollout
from a2ls_dsl.search.candidates import NO_LOSS, parsed
from a2ls_dsl.words.language import Stream

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
"""What the regression holds fixed besides the patterns."""

Steps = dict[str, set[int]]
Features = dict[str, float]

_ITEM = r"[sar]\[t(?:\+\d+)?(?:\.\.t\+\d+)?\]"
_SET = rf"\{{ ({_ITEM}(?:, {_ITEM})*) \}}"
_PLAIN = re.compile(rf"\w+\({_SET} -> {_SET}\)(?: against batch)?")
_PARTS = re.compile(r"([sar])\[t(?:\+(\d+))?(?:\.\.t\+(\d+))?\]")


def features(text: str) -> Features | None:
    """Which patterns (1 or 0) a canonical loss has, and the controls; None for no loss."""
    if text == NO_LOSS:
        return None
    if (sets := plain_sets(text)) is not None:
        return features_of([sets])
    loss = parsed(text)
    return features_of_loss(loss) if loss else None


def features_of_loss(loss: Loss) -> Features:
    """Which patterns (1 or 0) a canonical loss has, and the controls."""
    return features_of(list(_sets(loss)))


def plain_sets(text: str) -> tuple[Steps, Steps] | None:
    """Source and target of a canonical loss of the paper's form, without the parser; None for any other."""
    match = _PLAIN.fullmatch(text)
    return (_steps(match[1]), _steps(match[2])) if match else None


def _steps(text: str) -> Steps:
    steps: Steps = {"s": set(), "a": set(), "r": set()}
    for stream, first, last in _PARTS.findall(text):
        begin = int(first or 0)
        steps[stream].update(range(begin, int(last or begin) + 1))
    return steps


def _sets(loss: Loss) -> Iterator[tuple[Steps, Steps]]:
    """Source and target of every term."""
    for _, term in comparisons(loss):
        yield _all_steps(term.source), _all_steps(term.target)


def _all_steps(items: Iterable[Item]) -> Steps:
    steps: Steps = {"s": set(), "a": set(), "r": set()}
    for item in items:
        match item:
            case Element(stream, offset, _):
                steps.get(stream.value, set()).update(range(offset, item.last + 1))
            case Rollout(start, first, length):
                steps["s"].add(start.offset)
                steps["a"].update(range(first, first + length - item.visited))
            case Return(first, last, _, _):
                steps[Stream.REWARD.value].update(range(first, last + 1))
    return steps


def features_of(terms: list[tuple[Steps, Steps]]) -> Features:
    """The features of terms, given as source and target: a pattern counts if any term has it; sizes add
    up."""
    source, target = ([sum(len(t[side][stream]) for t in terms) for stream in "sar"] for side in (0, 1))
    steps = [step for pair in terms for side in pair for numbers in side.values() for step in numbers]
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
