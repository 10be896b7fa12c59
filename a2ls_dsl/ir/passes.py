"""Passes: named functions from program to program that keep the loss' value and gradients.

`PASSES` is the pipeline, in order. Each pass says what it does in its first line; `a2l show --passes` prints
the program after each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from a2ls_dsl.ir.nodes import Builder, Concat, Encode, EncodeBatch, Node, Pick, Program, WeightedSum


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
    """Replace rows of one part, and a sum of one term with weight 1, by what they hold."""
    builder = Builder()

    def visit(node: Node) -> int:
        trivial_row = isinstance(node, Concat) and len(node.inputs) == 1
        trivial_sum = isinstance(node, WeightedSum) and node.weights == (1.0,)
        return node.inputs[0] if trivial_row or trivial_sum else builder.add(node)

    return _rebuild(program, builder, visit)


def share_equal(program: Program) -> Program:
    """Share equal nodes: a state that several terms or both sides name is sampled and encoded once."""
    builder, seen = Builder(), dict[Node, int]()

    def visit(node: Node) -> int:
        if node not in seen:
            seen[node] = builder.add(node)
        return seen[node]

    return _rebuild(program, builder, visit)


def batch_encodes(program: Program) -> Program:
    """Batch the encodes of each encoder into one call."""
    calls = {
        target: [
            index
            for index, node in enumerate(program.nodes)
            if isinstance(node, Encode) and node.target is target
        ]
        for target in (False, True)
    }
    calls = {target: encodes for target, encodes in calls.items() if len(encodes) > 1}
    batched = {index for encodes in calls.values() for index in encodes}
    # Whatever the batched encoders read depends on no encoder, so it can all come first.
    builder, moved = Builder(), dict[int, int]()
    ahead = _ancestors(program, batched)
    for index in ahead:
        moved[index] = builder.add(_moved(program.nodes[index], moved))
    for target, encodes in calls.items():
        inputs = tuple(moved[program.nodes[index].inputs[0]] for index in encodes)
        call = builder.add(EncodeBatch(inputs=inputs, target=target))
        for position, index in enumerate(encodes):
            moved[index] = builder.add(Pick(inputs=(call,), index=position))
    for index, node in enumerate(program.nodes):
        if index not in moved:
            moved[index] = builder.add(_moved(node, moved))
    return builder.program()


Pass = Callable[[Program], Program]

PASSES: tuple[Pass, ...] = (drop_unused, simplify, share_equal, batch_encodes)


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
    return replace(node, inputs=tuple(moved[read] for read in node.inputs))


def _ancestors(program: Program, roots: set[int]) -> list[int]:
    """All nodes that `roots` read, directly or not, in order."""
    found: set[int] = set()
    stack = [read for root in roots for read in program.nodes[root].inputs]
    while stack:
        index = stack.pop()
        if index not in found:
            found.add(index)
            stack += program.nodes[index].inputs
    return sorted(found)


def _select(nodes: Sequence[Node], kept: list[int]) -> Program:
    builder, moved = Builder(), dict[int, int]()
    for index in kept:
        moved[index] = builder.add(_moved(nodes[index], moved))
    return builder.program()
