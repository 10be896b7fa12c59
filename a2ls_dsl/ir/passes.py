"""Passes: named functions from program to program that preserve the loss' value and gradients.

`PASSES` is the pipeline, in order. Each pass says what it does in its first line; `a2l show --passes` prints
the program after each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from a2ls_dsl.ir.nodes import (
    ENCODERS,
    Builder,
    Concat,
    Encode,
    EncodeBatch,
    Estimate,
    EstimateBatch,
    Node,
    Pick,
    Program,
    WeightedSum,
)


def drop_unused(program: Program) -> Program:
    """Drop terms of weight 0, and nodes that the loss does not depend on."""
    *before, last = program.nodes
    nodes = [*before, _without_zeros(last) if isinstance(last, WeightedSum) else last]
    needed = {len(nodes) - 1}
    for index in range(len(nodes) - 1, -1, -1):
        if index in needed:
            needed.update(nodes[index].inputs)
    return _select(nodes, sorted(needed))


def simplify(program: Program) -> Program:
    """Replace rows of one part by that part."""
    builder = Builder()

    def visit(node: Node) -> int:
        trivial = isinstance(node, Concat) and len(node.inputs) == 1
        return node.inputs[0] if trivial else builder.add(node)

    return _rebuild(program, builder, visit)


def share_equal(program: Program) -> Program:
    """Share equal nodes: a state that several terms or both sides name is sampled and encoded once."""
    builder, seen = Builder(), dict[Node, int]()

    def visit(node: Node) -> int:
        if node not in seen:
            seen[node] = builder.add(node)
        return seen[node]

    return _rebuild(program, builder, visit)


def batch_calls(program: Program) -> Program:
    """Batch the encodes of each encoder into one call, and the values into one; encodes come first."""
    calls = _calls(program, (Estimate, EstimateBatch))
    pairs = [program.nodes[index].inputs for index in calls]
    inputs = [latent for latent, *_ in pairs] + [seen for *_, seen in pairs]
    program = _batched(program, calls, EstimateBatch(inputs=tuple(inputs)))
    for encoder in reversed(ENCODERS):
        calls = _calls(program, (Encode, EncodeBatch), encoder)
        inputs = [program.nodes[index].inputs[0] for index in calls]
        program = _batched(program, calls, EncodeBatch(inputs=tuple(inputs), encoder=encoder))
    return program


def _calls(program: Program, kinds: tuple[type[Node], ...], encoder: str = "") -> list[int]:
    return [
        index
        for index, node in enumerate(program.nodes)
        if isinstance(node, kinds) and getattr(node, "encoder", "") == encoder
    ]


def _batched(program: Program, calls: Sequence[int], batch: Node) -> Program:
    """Move calls and what they read to the front; several calls become `batch`, which none of these reads."""
    builder, moved = Builder(), dict[int, int]()
    for index in _ancestors(program, calls):
        moved[index] = builder.add(_moved(program.nodes[index], moved))
    if len(calls) == 1:
        picks = [
            i for i, node in enumerate(program.nodes) if isinstance(node, Pick) and calls[0] in node.inputs
        ]
        for index in (*calls, *picks):
            moved[index] = builder.add(_moved(program.nodes[index], moved))
    elif calls:
        call = builder.add(_moved(batch, moved))
        for position, index in enumerate(calls):
            moved[index] = builder.add(Pick(inputs=(call,), index=position))
    for index, node in enumerate(program.nodes):
        if index not in moved:
            moved[index] = builder.add(_moved(node, moved))
    return builder.program()


Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (drop_unused, simplify, share_equal, batch_calls)


def optimise(program: Program) -> Program:
    """The program after all passes."""
    for step in PASSES:
        program = step(program)
    return program


def _without_zeros(node: WeightedSum) -> WeightedSum:
    kept = [(read, weight) for read, weight in zip(node.inputs, node.weights, strict=True) if weight]
    if not kept:
        return node
    return WeightedSum(inputs=tuple(read for read, _ in kept), weights=tuple(weight for _, weight in kept))


def _rebuild(program: Program, builder: Builder, visit: Callable[[Node], int]) -> Program:
    """Visit every node in order, its inputs already renamed; `visit` returns the index that replaces it."""
    moved = dict[int, int]()
    for index, node in enumerate(program.nodes):
        moved[index] = visit(_moved(node, moved))
    return builder.program()


def _moved(node: Node, moved: Mapping[int, int]) -> Node:
    inputs = tuple([moved[read] for read in node.inputs])
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _ancestors(program: Program, roots: Sequence[int]) -> list[int]:
    """All nodes that `roots` read, directly or indirectly, in order."""
    ancestors: set[int] = set()
    stack = [read for root in roots for read in program.nodes[root].inputs]
    while stack:
        index = stack.pop()
        if index not in ancestors:
            ancestors.add(index)
            stack += program.nodes[index].inputs
    return sorted(ancestors)


def _select(nodes: Sequence[Node], kept: list[int]) -> Program:
    builder, moved = Builder(), dict[int, int]()
    for index in kept:
        moved[index] = builder.add(_moved(nodes[index], moved))
    return builder.program()
