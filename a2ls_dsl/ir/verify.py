"""The rules of the representation. Tests run the verifier after every pass; a violation is a bug of ours."""

from __future__ import annotations

from a2ls_dsl.ir.lower import VIEWS
from a2ls_dsl.ir.nodes import (
    Augment,
    Compare,
    Concat,
    Encode,
    EncodeBatch,
    Encodings,
    Node,
    Observation,
    Pick,
    Predict,
    Program,
    Row,
    Sample,
    Scalar,
    Type,
    WeightedSum,
)
from a2ls_dsl.lang.ast import Stream
from a2ls_dsl.lang.operators import PAPER_OPERATORS


class IRError(Exception):
    """A malformed program: names the node and the rule it breaks."""


def verify(program: Program) -> tuple[Type, ...]:
    """The types of all nodes. Raises `IRError` where a rule is broken.

    Rules: inputs come before their users; operand types fit; the last node is the loss, and the only one
    without a user; each term has one predictor and one comparison, which reads that predictor; a gradient
    reaches the encoder, and none passes through a target.
    """
    types: list[Type] = []
    for index, node in enumerate(program.nodes):
        if any(not 0 <= read < index for read in node.inputs):
            raise IRError(f"%{index}: reads a node that does not come before it")
        try:
            types.append(_type(node, [types[read] for read in node.inputs]))
        except _RuleBroken as broken:
            raise IRError(f"%{index} ({type(node).__name__}): {broken}") from None
    _whole(program, types)
    return tuple(types)


class _RuleBroken(Exception):
    pass


def _need(holds: bool, rule: str) -> None:
    if not holds:
        raise _RuleBroken(rule)


def _type(node: Node, inputs: list[Type]) -> Type:
    match node:
        case Sample():
            _need(not inputs, "a sample reads nothing")
            _need(node.offset >= 0, "offsets start at t")
            rows = {Stream.ACTION: Row(actions=1), Stream.REWARD: Row(rewards=1)}
            return rows.get(node.stream, Observation())
        case Augment():
            _need(inputs == [Observation()], "only one observation can be augmented")
            _need(node.view in VIEWS, f"unknown view {node.view}")
            return Observation()
        case Encode():
            _need(inputs == [Observation()], "an encoder reads one observation")
            return Row(states=1)
        case EncodeBatch():
            _need(len(inputs) > 0, "a batch of encodes is not empty")
            _need(all(each == Observation() for each in inputs), "an encoder reads observations")
            return Encodings(len(inputs))
        case Pick():
            _need(len(inputs) == 1 and isinstance(inputs[0], Encodings), "pick reads one batch of encodings")
            _need(0 <= node.index < _count(inputs[0]), "pick reads outside its batch")
            return Row(states=1)
        case Concat():
            rows_only = [each for each in inputs if isinstance(each, Row)]
            _need(0 < len(rows_only) == len(inputs), "only rows are concatenated")
            return sum(rows_only, Row())
        case Predict():
            _need(len(inputs) == 1 and isinstance(inputs[0], Row), "a predictor reads one row")
            return node.output
        case Compare():
            _need(len(inputs) == 2 and inputs[0] == inputs[1], "only two equal rows can be compared")
            _need(isinstance(inputs[0], Row), "only rows are compared")
            _need(node.operator in PAPER_OPERATORS, f"unknown operator {node.operator}")
            return Scalar()
        case WeightedSum():
            _need(len(inputs) == len(node.weights) > 0, "one weight a term")
            _need(all(each == Scalar() for each in inputs), "only scalars are summed")
            return Scalar()
    raise _RuleBroken("unknown kind of node")


def _count(encodings: Type) -> int:
    return encodings.count if isinstance(encodings, Encodings) else 0


def _whole(program: Program, types: list[Type]) -> None:
    if not types or types[-1] != Scalar():
        raise IRError("the last node must be the loss")
    idle = [index for index, users in program.users().items() if not users]
    if idle != [len(types) - 1]:
        raise IRError(f"nodes {idle} have no user; only the loss may have none")
    for kind in (Predict, Compare):
        terms = [node.term for node in program.nodes if isinstance(node, kind)]
        if len(set(terms)) != len(terms):
            raise IRError(f"two nodes of kind {kind.__name__} belong to one term")
    for index, node in enumerate(program.nodes):
        if isinstance(node, Compare):
            predictor = program.nodes[node.inputs[0]]
            if not isinstance(predictor, Predict) or predictor.term != node.term:
                raise IRError(f"%{index} (Compare): a comparison reads its own term's predictor")
            if _gradient(program, node.inputs[1]):
                raise IRError(f"%{index} (Compare): a gradient passes through the target")
    if not _gradient(program, len(types) - 1):
        raise IRError("no gradient reaches the encoder")


def _gradient(program: Program, index: int) -> bool:
    """Whether the online encoder lies behind a node."""
    node = program.nodes[index]
    if isinstance(node, Encode | EncodeBatch):
        return not node.target
    return any(_gradient(program, read) for read in node.inputs)
