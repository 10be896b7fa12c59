"""The items of a set in the notation of papers: f_theta encodes, f_bar-theta follows, sg stops gradients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from a2ls_dsl.lang.rules.canonical import explicit_calls
from a2ls_dsl.lang.rules.types import is_latent, trains_encoder, type_of
from a2ls_dsl.lang.syntax.printer import print_step, runs_of
from a2ls_dsl.lang.syntax.tree import Call, Element, Item, Return, Rollout
from a2ls_dsl.words.agent import ENCODERS, GEOMETRIC, ONLINE, VALUE
from a2ls_dsl.words.entry import Kind, Type
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions

_SYMBOLS = {stream: stream.value for stream in Stream} | {Stream.DONE: "d"}


DRAW = "\0"
"""Stands behind a view, each of which is a draw of its own, until `numbered` has seen them all."""


def numbered(text: str) -> str:
    """A text in which equal calls of views, which are different draws, carry different numbers."""
    calls = [_call(text, match.end()) for match in re.finditer(DRAW, text)]
    totals, seen = Counter(calls), Counter[str]()
    pieces = text.split(DRAW)
    for place, call in enumerate(calls, start=1):
        seen[call] += 1
        pieces[place] = (f"^{{({seen[call]})}}" if totals[call] > 1 else "") + pieces[place]
    return "".join(pieces)


def _call(text: str, start: int) -> str:
    """What stands before and behind a mark: the name of a view, its index and its argument."""
    name, depth = text[text.rindex("\\mathrm", 0, start) : start], 0
    for end in range(start, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if text[end] == ")" and depth == 0:
            return name + text[start : end + 1]
    return name


def row(
    items: Iterable[Item],
    side: str,
    brackets: bool = False,
    symlog: bool = False,
    projector: str = "",
) -> str:
    r"""A set as a row, runs with dots between their ends: `f_\theta(s_{t}), a_{t}, \ldots, a_{t+4}`.

    projector: the letter of what latents go through first.
    """
    parts = list[str]()
    for run in runs_of(items):
        ends = [run[0], r"\ldots", run[-1]] if run[1:] else run
        parts += [
            item
            if isinstance(item, str)
            else projected(_scaled(latex_item(item, side), item, symlog), item, side, projector)
            for item in ends
        ]
    text = ", ".join(parts)
    return rf"\bigl({text}\bigr)" if brackets and len(parts) > 1 else text


def projected(text: str, item: Item, side: str, projector: str) -> str:
    """An item behind the projector that has this letter, which is not trained where the encoder isn't."""
    if not projector or not is_latent(item):
        return text
    text = rf"{projector}({text})"
    trained = isinstance(item, Rollout) or trains_encoder(item, side)
    return text if trained else rf"\operatorname{{sg}}({text})"


def _scaled(text: str, item: Item, symlog: bool) -> str:
    """Where bins are spread, numbers without a natural range are first taken through symlog."""
    if symlog and type_of(item) in (Type.REWARD, Type.VALUE, Type.RETURN):
        return rf"\operatorname{{symlog}}\bigl({text}\bigr)"
    return text


def latex_item(item: Item, side: str) -> str:
    """One item."""
    match item:
        case Rollout(_, first, length, visited):
            first += not visited
            return rf"\hat z_{{{print_step(first)}}}, \ldots, \hat z_{{{print_step(first + length - 1)}}}"
        case Return(first, last, bootstrap, discount):
            gamma = print_number(discount)
            text = rf"\sum_{{i=0}}^{{{last - first}}} {gamma}^{{i}}\, r_{{{print_step(first)}+i}}"
            if bootstrap is None:
                return text
            return rf"{text} + {gamma}^{{{last - first + 1}}}\, {latex_item(bootstrap, side)}"
        case Element(stream, offset, _):
            place = print_step(offset) if item.until is None else f"{print_step(offset)}+{letter_of(item)}"
            text = f"{_SYMBOLS[stream]}_{{{place}}}"
            calls = explicit_calls(item, side) if stream is Stream.STATE else ()
            calls = calls[item.until is not None :]
            for call in calls:
                text = _applied(call, text)
            # The value of a terminal state is 0.
            return rf"(1 - d_{{{place}}})\, {text}" if any(call.name == VALUE for call in calls) else text


def letter_of(element: Element) -> str:
    """The number of steps that is drawn: `K` where all are as probable, else `G`."""
    return "G" if element.calls[0].name == GEOMETRIC else "K"


def normalised(rollout: Rollout, text: str) -> str:
    """A latent under the normalisers of a rollout's start, which come after every step too."""
    calls = explicit_calls(rollout.start, ONLINE)
    names = [call.name for call in calls]
    encoded = max(names.index(encoder) for encoder in ENCODERS if encoder in names)
    for call in calls[encoded + 1 :]:
        text = _applied(call, text)
    return text


def escaped(name: str) -> str:
    r"""A name in text: `a2\_winner`."""
    return name.replace("_", r"\_")


def _applied(call: Call, text: str) -> str:
    entry = functions[call.name]
    if entry.kind is Kind.ENCODER:
        return entry.latex % text
    plain = rf"\mathrm{{{escaped(call.name)}}}"
    named = rf"^{{\text{{{escaped(call.shared)}}}}}" if call.shared else DRAW
    name = plain + named if entry.kind is Kind.VIEW else entry.latex or plain
    index = ",".join(map(print_number, call.numbers))
    return f"{name}_{{{index}}}({text})" if index else f"{name}({text})"
