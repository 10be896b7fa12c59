"""A loss as a plain Python file that needs torch only, for an agent that shall not depend on this package.

The file is printed from the optimised program, node by node. The predictor and the operators are the source
text of the functions that this package itself computes with, so both can only mean the same.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

import a2ls_dsl
from a2ls_dsl.backend import operators
from a2ls_dsl.backend.module import predictor
from a2ls_dsl.backend.operators import OPERATIONS
from a2ls_dsl.ir.lower import lower, row_of, supported_terms
from a2ls_dsl.ir.nodes import (
    Augment,
    Compare,
    Concat,
    Encode,
    EncodeBatch,
    Node,
    Pick,
    Predict,
    Program,
    Row,
    Sample,
    WeightedSum,
)
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.lang.ast import Comparison, Loss, Stream
from a2ls_dsl.lang.printer import RUN_LENGTH, print_loss, print_step

_ITEM = re.compile(r"(\w+)\[(\d+)\]")
_ARGUMENTS = {Stream.STATE: "observation", Stream.ACTION: "action", Stream.REWARD: "reward"}

_TAKEN = {"None", "True", "False", "F", "Tensor", "Callable"}
"""Names of Python and of the file's imports that no class can have."""


def export(name: str, loss: Loss) -> str:
    """The text of a module with one class, called after the loss; it works for spaces of any size.

    The class' parameters have the names and shapes of `CompiledLoss`', whose state it can load.
    """
    program = optimise(lower(loss))
    terms = [term for _, term in supported_terms(loss)]
    blocks = [
        _header(name, loss),
        *(inspect.getsource(function).rstrip() for function in _helpers(terms)),
        _class(name, program, terms),
    ]
    return "\n\n\n".join(blocks) + "\n"


def class_name(name: str) -> str:
    """`A2Winner` for `a2_winner`; `LossF` for `f`, as `F` has a meaning in the file."""
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return words if words.isidentifier() and words not in _TAKEN else f"Loss{words}"


def _header(name: str, loss: Loss) -> str:
    formula = textwrap.fill(print_loss(loss), 96, initial_indent="    ", subsequent_indent="        ")
    similarity = any(OPERATIONS[term.operator].similarity for _, term in supported_terms(loss))
    functional = any(
        OPERATIONS[term.operator].similarity or OPERATIONS[term.operator].normalised
        for _, term in supported_terms(loss)
    )
    imports = [
        *(["import math"] if similarity else []),
        "from collections.abc import Callable",
        "",
        "import torch",
        *(["import torch.nn.functional as F"] if functional else []),
        "from torch import Tensor, nn",
    ]
    return "\n".join(
        [
            f'"""The auxiliary loss {name}, written by a2l {a2ls_dsl.__version__}. Needs torch only.',
            "",
            formula,
            '"""',
            "",
            *imports,
        ]
    )


def _helpers(terms: Sequence[Comparison]) -> list[Callable[..., object]]:
    """The functions that the terms' operators are computed with."""
    used = [OPERATIONS[term.operator] for term in terms]
    helpers: list[Callable[..., object]] = [predictor]
    if any(operation.normalised for operation in used):
        helpers.append(operators.normalise)
    if any(not operation.similarity for operation in used):
        helpers.append(operators.distance)
    if any(operation.similarity for operation in used):
        helpers.append(operators.similarity)
    return helpers


def _class(name: str, program: Program, terms: Sequence[Comparison]) -> str:
    views = any(isinstance(node, Augment) for node in program.nodes)
    steps = f"{program.horizon + 1} step" + "s" * (program.horizon > 0)
    arguments = ["encoder", "target_encoder", *_ARGUMENTS.values()]
    types = ["Callable[[Tensor], Tensor]"] * 2 + ["Tensor"] * 3
    lines = [
        f"class {class_name(name)}(nn.Module):",
        f'    """Give it windows of {steps}, t..{print_step(program.horizon)}, of one episode each.',
        "",
        "    action: numbers in an action; features: numbers that an encoder returns for one observation.",
        '    """',
        "",
        f"    horizon = {program.horizon}",
        "",
        "    def __init__(self, action: int, features: int) -> None:",
        "        super().__init__()",
        *(f"        {line}" for line in _parameters(terms)),
        "",
        "    def forward(",
        "        self,",
        *(f"        {argument}: {kind}," for argument, kind in zip(arguments, types, strict=True)),
        *(["        augment: Callable[[str, Tensor], Tensor] = lambda view, x: x,"] if views else []),
        "    ) -> Tensor:",
        '        """The loss of a batch of at least two windows, a scalar.',
        "",
        "        observation: (B, steps, ...); action: (B, steps, action); reward: (B, steps).",
        *(["        augment: gives a view of observations, a fresh draw at every call."] if views else []),
        '        """',
        *(f"        {line}" for line in _statements(program)),
    ]
    return "\n".join(lines)


def _parameters(terms: Sequence[Comparison]) -> Iterator[str]:
    yield "self.predictors = nn.ModuleList()"
    if any(OPERATIONS[term.operator].bilinear for term in terms):
        yield "self.bilinear = nn.ParameterDict()"
    for number, term in enumerate(terms):
        source, target = _width(row_of(term.source)), _width(row_of(term.target))
        yield f"self.predictors.append(predictor({source}, {target}))"
        if OPERATIONS[term.operator].bilinear:
            yield f'self.bilinear["{number}"] = nn.Parameter(torch.rand({target}, {target}))'


def _width(row: Row) -> str:
    """`features + 3 * action`."""
    parts = [
        f"{n} * {word}" if n > 1 else word
        for n, word in ((row.states, "features"), (row.actions, "action"))
        if n
    ]
    return " + ".join([*parts, *([str(row.rewards)] if row.rewards else [])])


def _statements(program: Program) -> Iterator[str]:
    """One assignment a node; samples and picks are written where they are used."""
    used = sorted({node.stream for node in program.nodes if isinstance(node, Sample)})
    for stream in used:
        last = "[..., None]" if stream is Stream.REWARD else ""
        yield f"{stream} = {_ARGUMENTS[stream]}{last}.unbind(1)"
    names = _names(program)
    for index, node in enumerate(program.nodes):
        if isinstance(node, Sample | Pick):
            continue
        value = _expression(node, [names[read] for read in node.inputs])
        if isinstance(node, Encode | EncodeBatch) and node.target:
            yield "with torch.no_grad():"
            yield f"    {names[index]} = {value}"
        elif index == len(program.nodes) - 1:
            yield f"return {value}"
        else:
            yield f"{names[index]} = {value}"


def _names(program: Program) -> list[str]:
    """What each node is called: `s[2]` for a sample, and a name by its part in the loss for all others."""
    several = sum(isinstance(node, Compare) for node in program.nodes) > 1
    users, names = program.users(), list[str]()
    for index, node in enumerate(program.nodes):
        match node:
            case Sample():
                name = f"{node.stream}[{node.offset}]"
            case Pick():
                name = f"{names[node.inputs[0]]}[{node.index}]"
            case Augment():
                name = f"view_{node.draw}"
            case Encode() | EncodeBatch():
                name = "followed" if node.target else "encoded"
            case _:
                # A row is called after the first comparison or predictor that reads it.
                reader = program.nodes[users[index][0]] if isinstance(node, Concat) else node
                role = {Predict: "source", Compare: "target"}
                own = {Predict: "prediction", Compare: "loss"}
                kind = (role if isinstance(node, Concat) else own).get(type(reader), "loss")
                name = f"{kind}_{getattr(reader, 'term', '')}" if several else kind
        names.append(name)
    return names


def _expression(node: Node, inputs: Sequence[str]) -> str:
    match node:
        case Augment():
            return f'augment("{node.view}", {inputs[0]})'
        case Encode():
            return f"{_encoder(node.target)}({inputs[0]})"
        case EncodeBatch():
            return f"{_encoder(node.target)}(torch.cat([{_listed(inputs)}])).chunk({len(inputs)})"
        case Concat():
            return f"torch.cat([{_listed(inputs)}], dim=-1)"
        case Predict():
            return f"self.predictors[{node.term}]({inputs[0]})"
        case Compare():
            return _comparison(node, inputs[0], inputs[1])
        case WeightedSum():
            return " + ".join(f"{w!r} * {x}" for w, x in zip(node.weights, inputs, strict=True))
    raise TypeError(f"no text for {type(node).__name__}")


def _listed(inputs: Sequence[str]) -> str:
    """`s[1], *a[1:4]`: three or more items of a list in a row are written as a slice."""
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
    return ", ".join(parts)


def _encoder(target: bool) -> str:
    return "target_encoder" if target else "encoder"


def _comparison(node: Compare, y: str, z: str) -> str:
    operation = OPERATIONS[node.operator]
    if operation.normalised:
        y, z = f"normalise({y})", f"normalise({z})"
    against = f"against_batch={node.against_batch}"
    if not operation.similarity:
        return f"distance({y}, {z}, {against})"
    logits = f'{z} @ self.bilinear["{node.term}"] @ {y}.T' if operation.bilinear else f"{y} @ {z}.T"
    return f"similarity({logits}, {against})"
