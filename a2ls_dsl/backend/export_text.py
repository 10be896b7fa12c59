"""The statements of an exported loss: one assignment a node; samples and picks stand where they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from a2ls_dsl.backend import registry
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
from a2ls_dsl.lang.ast import Schedule, Stream, Weight
from a2ls_dsl.lang.functions import EMA, ONLINE, STOP
from a2ls_dsl.lang.numbers import print_number
from a2ls_dsl.lang.printer import RUN_LENGTH

_LONGEST = 110
_ITEM = re.compile(r"(\w+)\[(\d+)\]")
_SEQUENCES = {
    Stream.STATE: "observation.unbind(1)",
    Stream.ACTION: "action.unbind(1)",
    Stream.REWARD: "reward[..., None].unbind(1)",
    Stream.RAW: "[newest_frame(each).to(reward) for each in s] if data is None else data.unbind(1)",
    Stream.DONE: "done[..., None].to(reward).unbind(1)",
}
_ENCODERS = {ONLINE: "encoder", EMA: "target_encoder", STOP: "encoder"}
_ENCODED = {ONLINE: "encoded", EMA: "target_encoded", STOP: "stopped"}
_INLINE = (Unless, Discount, Spread)
"""Nodes that are written where they are read, if one node reads them."""


def statements(program: Program) -> Iterator[str]:
    """The body of `forward`."""
    streams = {node.stream for node in program.nodes if isinstance(node, Sample)}
    streams |= {Stream.STATE} if Stream.RAW in streams else set()
    for stream in Stream:
        if stream in streams:
            yield f"{stream} = {_SEQUENCES[stream]}"
    views = [node.view for node in program.nodes if isinstance(node, Augment)]
    if registry.CROP in views:
        yield "whole = [None] * len(s) if uncropped is None else uncropped.unbind(1)"
    if views:
        yield "draws = Draws(generator)"
    users, names = program.users(), _names(program)
    for index, node in enumerate(program.nodes):
        if isinstance(node, Sample | Pick):
            continue
        value = _expression(node, [names[read] for read in node.inputs])
        blind = isinstance(node, Estimate | EstimateBatch) or getattr(node, "encoder", ONLINE) != ONLINE
        if (isinstance(node, _INLINE) and len(users[index]) == 1) or _is_only_term(program, users[index]):
            names[index] = value
        elif isinstance(node, Unless):
            names[index] = f"({value})"
        elif blind:
            yield "with torch.no_grad():"
            yield f"    {names[index]} = {value}"
        elif index == len(program.nodes) - 1:
            yield f"return {value}"
        else:
            yield f"{names[index]} = {value}"


def _is_only_term(program: Program, users: list[int]) -> bool:
    """Whether what is read there is all that the loss consists of, so that it is returned at once."""
    readers = [program.nodes[index] for index in users]
    return any(isinstance(node, WeightedSum) and len(node.weights) == 1 for node in readers)


def used_names(program: Program) -> set[str]:
    """The names of views, normalisers and operators that a program calls."""
    found = set()
    for node in program.nodes:
        match node:
            case Augment(view=name) | Normalise(name=name) | Compare(operator=name):
                found.add(name)
    return found


def called(name: str) -> str:
    """What the function of a registered name is called in files."""
    return registry.function_of(name).__name__


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
    """The longest pair of brackets that lies in no other and can be opened up."""
    found, depth, start = list[tuple[int, int]](), 0, 0
    for place, letter in enumerate(text):
        if letter in "([":
            start = place if depth == 0 else start
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth == 0:
                found.append((start, place))
    found = [each for each in found if " for " not in text[slice(*each)]]
    return max(found, key=lambda each: each[1] - each[0], default=None)


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


def _names(program: Program) -> list[str]:
    """What each node is called: `s[2]` for a sample, and a name by its part in the loss for all others."""
    users, names = program.users(), list[str]()
    given: dict[str, int] = {}
    wanted = [
        "" if _is_only_term(program, users[index]) else _name(program, users, index)
        for index in range(len(program.nodes))
    ]
    for index, node in enumerate(program.nodes):
        match node:
            case Sample():
                names.append(f"{node.stream}[{node.offset}]")
            case Pick():
                names.append(f"{names[node.inputs[0]]}[{node.index}]")
            case _:
                name = wanted[index]
                count = given[name] = given.get(name, 0) + 1
                names.append(f"{name}_{count}" if wanted.count(name) > 1 else name)
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


def _expression(node: Node, inputs: Sequence[str]) -> str:
    match node:
        case Augment() if node.view == registry.CROP:
            whole = inputs[0].replace("s[", "whole[", 1) if _ITEM.fullmatch(inputs[0]) else "None"
            return f"crop({inputs[0]}, {whole}, draws)"
        case Augment():
            return _call(node.view, [inputs[0], "draws", *map(print_number, node.numbers)])
        case Encode():
            return f"{_ENCODERS[node.encoder]}({inputs[0]})"
        case EncodeBatch():
            return f"{_ENCODERS[node.encoder]}(torch.cat({_list(inputs)})).chunk({len(inputs)})"
        case Estimate():
            return f"value({inputs[0]}).reshape(-1, 1)"
        case EstimateBatch():
            half = len(inputs) // 2
            return f"value(torch.cat({_list(inputs[:half])})).reshape(-1, 1).chunk({half})"
        case Normalise():
            return _call(node.name, [inputs[0], *map(print_number, node.numbers)])
        case Transition():
            return f"self.transition(torch.cat({_list(inputs)}, dim=-1))"
        case Unless():
            return f"{inputs[0]} * (1 - {inputs[1]})"
        case Discount():
            return f"discounted({_list(inputs)}, {print_number(node.discount)})"
        case Spread():
            low, high = print_number(node.low), print_number(node.high)
            return f"spread({inputs[0]}, {node.bins}, {low}, {high}, symlog={node.symlog})"
        case Concat():
            return f"torch.cat({_list(inputs)}, dim=-1)"
        case Predict():
            return f"self.heads[{node.head}]({inputs[0]})"
        case Compare():
            return _comparison(node, inputs)
        case OverSteps():
            if node.decay == 1:
                return f"torch.stack({_list(inputs)}).mean()"
            return f"discounted({_list(inputs)}, {print_number(node.decay)}) / {len(inputs)}"
        case WeightedSum():
            return " + ".join(_weighted(w, x) for w, x in zip(node.weights, inputs, strict=True))
    raise TypeError(f"no text for {type(node).__name__}")


def _call(name: str, arguments: Sequence[str]) -> str:
    return f"{called(name) if registry.is_own(name) else name}({', '.join(arguments)})"


def _weighted(weight: Weight, loss: str) -> str:
    if isinstance(weight, Schedule):
        return f"scheduled({weight.start!r}, {weight.end!r}, {weight.frames}, frames) * {loss}"
    return loss if weight == 1 else f"{weight!r} * {loss}"


def _list(inputs: Sequence[str]) -> str:
    """`[s[1], *a[1:4]]`: three or more items of a list in a row are written as a slice."""
    items = [_ITEM.fullmatch(text) for text in inputs]
    places = [
        (item[1], int(item[2])) if item else (text, 0) for item, text in zip(items, inputs, strict=True)
    ]
    parts, begin = list[str](), 0
    for end in range(1, len(inputs) + 1):
        name, first = places[begin]
        if end < len(inputs) and places[end] == (name, first + end - begin):
            continue
        run = f"*{name}[{first}:{first + end - begin}]"
        parts += [run] if end - begin >= RUN_LENGTH else inputs[begin:end]
        begin = end
    return parts[0][1:] if len(parts) == 1 < len(inputs) else f"[{', '.join(parts)}]"


def _comparison(node: Compare, rows: Sequence[str]) -> str:
    options = {name: print_number(value) for name, value in node.options}
    temperature = options.get("temperature", "1")
    divided = "" if temperature == "1" else f" / {temperature}"
    against = f"against_batch={node.against_batch or node.operator == 'infonce'}"
    y, z = rows[0], rows[-1]
    match node.operator:
        case "mse":
            return f"distance({y}, {z}, {against})"
        case "nmse":
            return f"distance(normalise({y}), normalise({z}), {against})"
        case "inner":
            return f"similarity({y} @ {z}.mT{divided}, {against})"
        case "cosine" | "infonce":
            return f"similarity(normalise({y}) @ normalise({z}).mT{divided}, {against})"
        case "bilinear":
            return f'similarity({z} @ self.bilinear["{node.term}"] @ {y}.mT{divided}, {against})'
        case "ce":
            return f"cross_entropy({y}, {z}, {options['bins']})"
        case "huber" | "variance" | "covariance" | "barlow" | "mico" | "bisim":
            return f"{node.operator}({', '.join([*rows, *options.values()])})"
    named = [f"{name}={value}" for name, value in options.items()]
    named += [against] if registry.takes_negatives(node.operator) else []
    return _call(node.operator, [*rows, *named])
