"""The statements of an exported loss: one assignment a node; samples and picks stand where they are used.

Expressions are Python's own syntax trees, and Python prints them, so that brackets stand where they have to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from a2ls_dsl.ir.nodes import (
    Augment,
    Compare,
    Concat,
    Discount,
    Encode,
    EncodeBatch,
    Estimate,
    EstimateBatch,
    Node,
    Normalise,
    OverSteps,
    Pick,
    Predict,
    Program,
    Sample,
    Spread,
    Transition,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.syntax.printer import RUN_LENGTH
from a2ls_dsl.lang.syntax.tree import Schedule, Weight
from a2ls_dsl.words.agent import EMA, ONLINE, STOP
from a2ls_dsl.words.entry import Negatives
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, operators

_LONGEST = 110
_SEQUENCES = {
    Stream.STATE: ("s", "observation.unbind(1)"),
    Stream.ACTION: ("a", "action.to(dtype).unbind(1)"),
    Stream.REWARD: ("r", "reward.to(dtype)[..., None].unbind(1)"),
    Stream.RAW: ("o", "[newest_frame(x).to(dtype) for x in s] if data is None else data.to(dtype).unbind(1)"),
    Stream.DONE: ("d", "done.to(dtype)[..., None].unbind(1)"),
}
"""What the steps of a stream are called, and what they are."""
_ENCODERS = {ONLINE: "encoder", EMA: "target_encoder", STOP: "encoder"}
_ENCODED = {ONLINE: "encoded", EMA: "target_encoded", STOP: "stopped"}
_INLINE = (Discount, Spread)
"""Nodes that are written where they are read, if one node reads them."""


def statements(program: Program) -> Iterator[str]:
    """The body of `forward`."""
    streams = {node.stream for node in program.nodes if isinstance(node, Sample)}
    streams |= {Stream.STATE} if Stream.RAW in streams else set()
    if streams != {Stream.STATE}:
        yield "dtype = next(self.parameters(), reward).dtype"
    for stream in Stream:
        if stream in streams:
            yield " = ".join(_SEQUENCES[stream])
    if crops(program):
        yield "whole = [None] * len(s) if uncropped is None else uncropped.unbind(1)"
    if draws(program):
        yield "draws = Draws(generator)"
    users, names = program.users(), _names(program)
    for index, node in enumerate(program.nodes):
        if isinstance(node, Sample | Pick):
            continue
        value = _expression(node, [names[read] for read in node.inputs])
        blind = isinstance(node, Estimate | EstimateBatch) or getattr(node, "encoder", ONLINE) != ONLINE
        inline = isinstance(node, Unless) or (isinstance(node, _INLINE) and len(users[index]) == 1)
        if inline or _is_only_term(program, users[index]):
            names[index] = value
        elif blind:
            yield "with torch.no_grad():"
            yield f"    {_text(names[index])} = {_text(value)}"
        elif index == len(program.nodes) - 1:
            yield f"return {_text(value)}"
        else:
            yield f"{_text(names[index])} = {_text(value)}"


def _text(expression: ast.expr) -> str:
    """Python's text of an expression; the strings in them are names of terms, and hold no quotes."""
    return ast.unparse(expression).replace("'", '"')


def _is_only_term(program: Program, users: list[int]) -> bool:
    """Whether what is read there is all that the loss consists of, so that it is returned at once."""
    readers = [program.nodes[index] for index in users]
    return any(isinstance(node, WeightedSum) and len(node.weights) == 1 for node in readers)


def entry_of(node: Node) -> str:
    """The name of the view, normaliser, head or operator that a node calls; empty if it calls none."""
    match node:
        case Augment(view=name) | Normalise(name=name) | Predict(kind=name) | Compare(operator=name):
            return name
    return ""


def crops(program: Program) -> bool:
    """Whether a program cuts out of the frames that the agent's own were cut out of."""
    return any(isinstance(node, Augment) and functions[node.view].uncropped for node in program.nodes)


def draws(program: Program) -> bool:
    """Whether a program draws random numbers."""
    return any(
        isinstance(node, Augment) or (isinstance(node, Compare) and operators[node.operator].draws)
        for node in program.nodes
    )


def wrapped(text: str, indent: int) -> Iterator[str]:
    """A statement at an indent, its outermost brackets on lines of their own where it is too long."""
    before = " " * indent
    if len(before + text) <= _LONGEST:
        yield before + text
        return
    opening = _outermost(text)
    if opening is None:
        yield before + text
        return
    start, end = opening
    inner = " " * (len(text) - len(text.lstrip()))
    yield f"{before}{text[: start + 1]}"
    for part in _parts(text[start + 1 : end]):
        yield from wrapped(f"{inner}    {part},", indent)
    yield f"{before}{inner}{text[end:]}"


def _outermost(text: str) -> tuple[int, int] | None:
    """The longest pair of brackets that lies in no other and can be opened up: of a call, or of a list.

    A comma behind what other brackets hold would make a tuple of it.
    """
    found, depth, start = list[tuple[int, int]](), 0, 0
    for place, letter in enumerate(text):
        if letter in "([":
            start = place if depth == 0 else start
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth == 0:
                found.append((start, place))
    open_up = [
        (start, end)
        for start, end in found
        if (re.match(r"[\w\])]", text[start - 1 : start]) is not None) == (text[start] == "(")
        and " for " not in text[start:end]
    ]
    return max(open_up, key=lambda pair: pair[1] - pair[0], default=None)


def _parts(text: str) -> list[str]:
    """What stands between the commas of a list."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _names(program: Program) -> list[ast.expr]:
    """What each node is called: `s[2]` for a sample, and a name by its part in the loss for all others."""
    users, names = program.users(), list[ast.expr]()
    given: dict[str, int] = {}
    wanted = [
        "" if _is_only_term(program, users[index]) else _name(program, users, index)
        for index in range(len(program.nodes))
    ]
    for index, node in enumerate(program.nodes):
        match node:
            case Sample():
                names.append(_item(_named(_SEQUENCES[node.stream][0]), node.offset))
            case Pick():
                names.append(_item(names[node.inputs[0]], node.index))
            case _:
                name = wanted[index]
                count = given[name] = given.get(name, 0) + 1
                names.append(_named(f"{name}_{count}" if wanted.count(name) > 1 else name or "loss"))
    return names


def _name(program: Program, users: dict[int, list[int]], index: int) -> str:
    node = program.nodes[index]
    match node:
        case Augment():
            return "view"
        case Encode() | EncodeBatch():
            return _ENCODED[node.encoder]
        case Estimate() | EstimateBatch():
            return "worth"
        case Normalise():
            return "latent"
        case Transition():
            return "latent"
        case Discount():
            return "gain"
        case Spread():
            return "spread_out"
        case Predict():
            return "prediction"
        case Compare() | OverSteps():
            return "loss"
        case Concat():
            reader = program.nodes[users[index][0]]
            return "target" if isinstance(reader, Compare) and reader.inputs[0] != index else "source"
    return ""


def _expression(node: Node, inputs: Sequence[ast.expr]) -> ast.expr:
    match node:
        case Augment():
            whole = [_whole(inputs[0])] if functions[node.view].uncropped else []
            return _call(node.view, [inputs[0], _named("draws"), *whole, *map(_number, node.numbers)])
        case Encode():
            encoder = _named(_ENCODERS[node.encoder])
            return _filled("features_of(encoder, x, self.features)", encoder=encoder, x=inputs[0])
        case EncodeBatch():
            return _filled(
                "features_of(encoder, torch.cat(x), self.features).chunk(count)",
                encoder=_named(_ENCODERS[node.encoder]),
                x=_list(inputs),
                count=_number(len(inputs)),
            )
        case Estimate():
            return _filled("values_of(value, x)", x=inputs[0])
        case EstimateBatch():
            half = len(inputs) // 2
            batch, count = _list(inputs[:half]), _number(half)
            return _filled("values_of(value, torch.cat(x)).chunk(count)", x=batch, count=count)
        case Normalise():
            return _call(node.name, [inputs[0], *map(_number, node.numbers)])
        case Transition():
            return _filled("self.transition(torch.cat(x, dim=-1))", x=_list(inputs))
        case Unless():
            return _filled("x * (1 - flag)", x=inputs[0], flag=inputs[1])
        case Discount():
            return _filled("discounted(x, by)", x=_list(inputs), by=_number(node.discount))
        case Spread():
            numbers = {"bins": _number(node.bins), "low": _number(node.low), "high": _number(node.high)}
            symlog = ast.Constant(node.symlog)
            text = "spread(x, bins, low, high, symlog=on)"
            if node.smoothing:
                text = "spread(x, bins, low, high, symlog=on, smoothing=width)"
                numbers["width"] = _number(node.smoothing)
            return _filled(text, x=inputs[0], on=symlog, **numbers)
        case Concat():
            return _filled("torch.cat(x, dim=-1)", x=_list(inputs))
        case Predict():
            return _filled("self.heads[number](x)", number=_number(node.head), x=inputs[0])
        case Compare():
            return _comparison(node, inputs)
        case OverSteps():
            if node.decay == 1:
                return _filled("torch.stack(x).mean()", x=_list(inputs))
            decay, count = _number(node.decay), _number(len(inputs))
            return _filled("discounted(x, decay) / count", x=_list(inputs), decay=decay, count=count)
        case WeightedSum():
            first, *others = map(_weighted, node.weights, inputs)
            for term in others:
                first = _filled("before + term", before=first, term=term)
            return first
    raise TypeError(f"no text for {type(node).__name__}")


def _filled(template: str, **parts: ast.expr) -> ast.expr:
    """An expression with others in the place of some of its names."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return parts.get(name.id, name)

    filled: ast.expr = Fill().visit(ast.parse(template, mode="eval").body)
    return filled


def _named(name: str) -> ast.expr:
    return ast.Name(name)


def _number(value: float) -> ast.expr:
    return ast.parse(print_number(value), mode="eval").body


def _item(sequence: ast.expr, place: int) -> ast.expr:
    return ast.Subscript(sequence, ast.Constant(place))


def _call(function: str, arguments: Sequence[ast.expr], **options: ast.expr) -> ast.expr:
    keywords = [ast.keyword(option, value) for option, value in options.items()]
    return ast.Call(_named(function), list(arguments), keywords)


def _whole(seen: ast.expr) -> ast.expr:
    """The frames that a step was cut out of; what has been through a view was cut already."""
    match seen:
        case ast.Subscript(ast.Name("s"), place):
            return ast.Subscript(_named("whole"), place)
    return ast.Constant(None)


def _weighted(weight: Weight, loss: ast.expr) -> ast.expr:
    if isinstance(weight, Schedule):
        numbers = {"start": ast.Constant(weight.start), "end": ast.Constant(weight.end)}
        length = _number(weight.frames)
        return _filled("scheduled(start, end, length, frames) * loss", loss=loss, length=length, **numbers)
    return loss if weight == 1 else _filled("weight * loss", weight=ast.Constant(weight), loss=loss)


def _list(inputs: Sequence[ast.expr]) -> ast.expr:
    """`[s[1], *a[1:4]]`: three or more items of a list in a row are written as a slice."""
    parts, begin = list[ast.expr](), 0
    places = [_place(each) for each in inputs]
    for end in range(1, len(inputs) + 1):
        name, first = places[begin]
        if end < len(inputs) and places[end] == (name, first + end - begin):
            continue
        if end - begin < RUN_LENGTH:
            parts += inputs[begin:end]
        else:
            run = _filled(f"x[{first}:{first + end - begin}]", x=_named(name))
            if end - begin == len(inputs):
                return run
            parts.append(ast.Starred(run))
        begin = end
    return ast.List(parts)


def _place(expression: ast.expr) -> tuple[str, int]:
    """The sequence and the index of an item; another expression is the first of its own kind."""
    match expression:
        case ast.Subscript(ast.Name(name), ast.Constant(int(place))):
            return name, place
    return ast.unparse(expression), 0


def _comparison(node: Compare, rows: Sequence[ast.expr]) -> ast.expr:
    entry = operators[node.operator]
    options = {name: _number(value) for name, value in node.options}
    if entry.matrix:
        options["matrix"] = _filled("self.bilinear[term]", term=ast.Constant(str(node.term)))
    if entry.negatives is Negatives.ON_REQUEST:
        options["against_batch"] = ast.Constant(node.against_batch)
    if entry.draws:
        options["draws"] = _named("draws")
    return _call(node.operator, rows, **options)
