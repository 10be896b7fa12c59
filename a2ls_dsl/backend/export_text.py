"""The statements of an exported loss: one assignment for each node; samples and picks are written inline.

Expressions are Python's own syntax trees, printed by Python, which puts brackets where they are needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from a2ls_dsl.backend.python_text import call, filled, item_at, listed, number, symbol, unparsed
from a2ls_dsl.ir.nodes import (
    Add,
    Augment,
    Choose,
    Compare,
    Concat,
    Discount,
    Draw,
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
    Stop,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.syntax.tree import Schedule, Weight
from a2ls_dsl.words.agent import EMA, ONLINE, STOP
from a2ls_dsl.words.entry import Negatives
from a2ls_dsl.words.language import HEAD, Stream
from a2ls_dsl.words.registry import functions, operators

_SEQUENCES = {
    Stream.STATE: ("s", "observation.unbind(1)"),
    Stream.ACTION: ("a", "action.to(dtype).unbind(1)"),
    Stream.REWARD: ("r", "reward.to(dtype)[..., None].unbind(1)"),
    Stream.RAW: ("o", "[newest_frame(x).to(dtype) for x in s] if data is None else data.to(dtype).unbind(1)"),
    Stream.DONE: ("d", "done.to(dtype)[..., None].unbind(1)"),
}
"""The name and the value of the sequence of a stream's steps."""
_ENCODERS = {ONLINE: "encoder", EMA: "target_encoder", STOP: "encoder"}
_ENCODED = {ONLINE: "encoded", EMA: "target_encoded", STOP: "stopped"}
_INLINE = (Discount, Spread)
"""Nodes that are written inline if only one node reads them."""


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
            yield f"    {unparsed(names[index])} = {unparsed(value)}"
        elif index == len(program.nodes) - 1:
            yield f"return {unparsed(value)}"
        else:
            yield f"{unparsed(names[index])} = {unparsed(value)}"


def _is_only_term(program: Program, users: list[int]) -> bool:
    """Whether the users include a loss with a single term, so that the value is returned directly."""
    readers = [program.nodes[index] for index in users]
    return any(isinstance(node, WeightedSum) and len(node.weights) == 1 for node in readers)


def entry_of(node: Node) -> str:
    """The name of the view, normaliser, head or operator that a node calls; empty if it calls none."""
    match node:
        case Augment(view=name) | Normalise(name=name) | Predict(kind=name) | Compare(operator=name):
            return name
    return ""


def crops(program: Program) -> bool:
    """Whether a program crops anew from the frames that the agent's own were cropped from."""
    return any(isinstance(node, Augment) and functions[node.view].uncropped for node in program.nodes)


def draws(program: Program) -> bool:
    """Whether a program draws random numbers."""
    return any(
        isinstance(node, Augment | Draw) or (isinstance(node, Compare) and operators[node.operator].draws)
        for node in program.nodes
    )


def _names(program: Program) -> list[ast.expr]:
    """The name of each node: `s[2]` for a sample, otherwise a word for its role in the loss."""
    users, names = program.users(), list[ast.expr]()
    given: dict[str, int] = {}
    wanted = [
        "" if _is_only_term(program, users[index]) else _name(program, users, index)
        for index in range(len(program.nodes))
    ]
    for index, node in enumerate(program.nodes):
        match node:
            case Sample():
                names.append(item_at(symbol(_SEQUENCES[node.stream][0]), node.offset))
            case Pick():
                names.append(item_at(names[node.inputs[0]], node.index))
            case _:
                name = wanted[index]
                count = given[name] = given.get(name, 0) + 1
                names.append(symbol(f"{name}_{count}" if wanted.count(name) > 1 else name or "loss"))
    return names


def _name(program: Program, users: dict[int, list[int]], index: int) -> str:
    node = program.nodes[index]
    match node:
        case Draw():
            return "place"
        case Choose():
            return "chosen_step"
        case Augment():
            return "view"
        case Encode() | EncodeBatch():
            return _ENCODED[node.encoder]
        case Estimate() | EstimateBatch():
            return "worth"
        case Normalise():
            return "latent"
        case Add() | Stop():
            return "latent"
        case Discount():
            return "gain"
        case Spread():
            return "spread_out"
        case Predict():
            return "prediction" if node.role == HEAD else "latent"
        case Compare() | OverSteps():
            return "loss"
        case Concat():
            reader = program.nodes[users[index][0]]
            return "target" if isinstance(reader, Compare) and reader.inputs[0] != index else "source"
    return ""


def _expression(node: Node, inputs: Sequence[ast.expr]) -> ast.expr:
    match node:
        case Draw():
            share = filled("draws.uniform(x, len(x))", x=inputs[0])
            return call("drawn", [share, number(node.count), number(node.ratio)])
        case Choose():
            return call("chosen", [inputs[0], listed(inputs[1:])])
        case Augment():
            whole = [_whole(inputs[0])] if functions[node.view].uncropped else []
            return call(node.view, [inputs[0], symbol("draws"), *whole, *map(number, node.numbers)])
        case Encode():
            encoder = symbol(_ENCODERS[node.encoder])
            return filled("features_of(encoder, x, self.features)", encoder=encoder, x=inputs[0])
        case EncodeBatch():
            return filled(
                "features_of(encoder, torch.cat(x), self.features).chunk(count)",
                encoder=symbol(_ENCODERS[node.encoder]),
                x=listed(inputs),
                count=number(len(inputs)),
            )
        case Estimate():
            return filled("values_of(value, x)", x=inputs[0])
        case EstimateBatch():
            half = len(inputs) // 2
            batch, count = listed(inputs[:half]), number(half)
            return filled("values_of(value, torch.cat(x)).chunk(count)", x=batch, count=count)
        case Normalise():
            return call(node.name, [inputs[0], *map(number, node.numbers)])
        case Add():
            return filled("x + step", x=inputs[0], step=inputs[1])
        case Stop():
            return filled("x.detach()", x=inputs[0])
        case Unless():
            return filled("x * (1 - flag)", x=inputs[0], flag=inputs[1])
        case Discount():
            return filled("discounted(x, by)", x=listed(inputs), by=number(node.discount))
        case Spread():
            numbers = {"bins": number(node.bins), "low": number(node.low), "high": number(node.high)}
            symlog = ast.Constant(node.symlog)
            text = "spread(x, bins, low, high, symlog=on)"
            if node.smoothing:
                text = "spread(x, bins, low, high, symlog=on, smoothing=width)"
                numbers["width"] = number(node.smoothing)
            return filled(text, x=inputs[0], on=symlog, **numbers)
        case Concat():
            return filled("torch.cat(x, dim=-1)", x=listed(inputs))
        case Predict():
            return filled("self.heads[number](x)", number=number(node.head), x=inputs[0])
        case Compare():
            return _comparison(node, inputs)
        case OverSteps():
            if node.decay == 1:
                return filled("torch.stack(x).mean()", x=listed(inputs))
            decay, count = number(node.decay), number(len(inputs))
            return filled("discounted(x, decay) / count", x=listed(inputs), decay=decay, count=count)
        case WeightedSum():
            first, *others = map(_weighted, node.weights, inputs)
            for term in others:
                first = filled("before + term", before=first, term=term)
            return first
    raise TypeError(f"no text for {type(node).__name__}")


def _whole(seen: ast.expr) -> ast.expr:
    """The frames that a step was cropped from; None after a view, when it has been cropped already."""
    match seen:
        case ast.Subscript(ast.Name("s"), place):
            return ast.Subscript(symbol("whole"), place)
    return ast.Constant(None)


def _weighted(weight: Weight, loss: ast.expr) -> ast.expr:
    if isinstance(weight, Schedule):
        numbers = {"start": ast.Constant(weight.start), "end": ast.Constant(weight.end)}
        length = number(weight.frames)
        return filled("scheduled(start, end, length, frames) * loss", loss=loss, length=length, **numbers)
    return loss if weight == 1 else filled("weight * loss", weight=ast.Constant(weight), loss=loss)


def _comparison(node: Compare, rows: Sequence[ast.expr]) -> ast.expr:
    entry = operators[node.operator]
    options = {name: number(value) for name, value in node.options}
    if entry.matrix:
        options["matrix"] = filled("self.bilinear[term]", term=ast.Constant(str(node.term)))
    if entry.negatives is Negatives.ON_REQUEST:
        options["against_batch"] = ast.Constant(node.against_batch)
    if entry.draws:
        options["draws"] = symbol("draws")
    return call(node.operator, rows, **options)
