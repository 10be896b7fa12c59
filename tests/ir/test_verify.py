"""Every rule of the representation refuses the program that breaks it."""

from __future__ import annotations

import pytest

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
    WeightedSum,
)
from a2ls_dsl.ir.verify import IRError, verify
from a2ls_dsl.lang.ast import Stream

STATE = Sample(stream=Stream.STATE, offset=0)
REWARD = Sample(stream=Stream.REWARD, offset=1)


def compare(*inputs: int, term: int = 0, operator: str = "mse") -> Compare:
    return Compare(inputs=inputs, term=term, operator=operator, against_batch=False)


def predict(read: int, output: Row, term: int = 0) -> Predict:
    return Predict(inputs=(read,), term=term, output=output)


GOOD: tuple[Node, ...] = (
    STATE,
    Augment(inputs=(0,), view="crop", draw=1),
    EncodeBatch(inputs=(0, 1), target=False),
    Pick(inputs=(2,), index=1),
    Pick(inputs=(2,), index=0),
    Concat(inputs=(3, 4)),
    predict(5, Row(rewards=1)),
    REWARD,
    compare(6, 7),
    WeightedSum(inputs=(8,), weights=(0.5,)),
)


def test_a_well_formed_program_is_typed() -> None:
    state, reward = Row(states=1), Row(rewards=1)
    assert verify(Program(GOOD)) == (
        Observation(),
        Observation(),
        Encodings(2),
        state,
        state,
        Row(states=2),
        reward,
        reward,
        Scalar(),
        Scalar(),
    )


@pytest.mark.parametrize(
    ("index", "node", "rule"),
    [
        (0, Encode(inputs=(0,), target=False), "%0: reads a node that does not come before it"),
        (0, Encode(inputs=(-1,), target=False), "does not come before it"),
        (5, Concat(inputs=(3, 6)), "%5: reads a node that does not come before it"),
        (7, Sample(stream=Stream.REWARD, offset=-1), "%7 .Sample.: offsets start at t"),
        (7, Sample(stream=Stream.REWARD, offset=0, inputs=(0,)), "a sample reads nothing"),
        (1, Augment(inputs=(0,), view="blur", draw=1), "unknown view blur"),
        (1, Augment(inputs=(), view="crop", draw=1), "only one observation can be augmented"),
        (4, Augment(inputs=(3,), view="crop", draw=1), "only one observation can be augmented"),
        (3, Encode(inputs=(0, 1), target=False), "an encoder reads one observation"),
        (3, Encode(inputs=(2,), target=False), "an encoder reads one observation"),
        (2, EncodeBatch(inputs=(), target=False), "a batch of encodes is not empty"),
        (4, EncodeBatch(inputs=(0, 3), target=False), "an encoder reads observations"),
        (3, Pick(inputs=(2,), index=2), "pick reads outside its batch"),
        (3, Pick(inputs=(2,), index=-1), "pick reads outside its batch"),
        (3, Pick(inputs=(1,), index=0), "pick reads one batch of encodings"),
        (3, Pick(inputs=(2, 2), index=0), "pick reads one batch of encodings"),
        (5, Concat(inputs=()), "only rows are concatenated"),
        (5, Concat(inputs=(3, 0)), "only rows are concatenated"),
        (6, predict(2, Row(rewards=1)), "a predictor reads one row"),
        (8, compare(6, 5), "only two equal rows can be compared"),
        (8, compare(6), "only two equal rows can be compared"),
        (8, compare(0, 0), "only rows are compared"),
        (8, compare(6, 7, operator="hinge"), "unknown operator hinge"),
        (8, compare(6, 7, term=1), "reads its own term's predictor"),
        (9, WeightedSum(inputs=(8,), weights=(1.0, 2.0)), "one weight a term"),
        (9, WeightedSum(inputs=(), weights=()), "one weight a term"),
        (9, WeightedSum(inputs=(7,), weights=(1.0,)), "only scalars are summed"),
        (9, Concat(inputs=(7,)), "the last node must be the loss"),
        (9, Node(inputs=(8,)), "unknown kind of node"),
        (5, Concat(inputs=(3, 3)), r"nodes \[4, 9\] have no user"),
        (2, EncodeBatch(inputs=(0, 1), target=True), "no gradient reaches the encoder"),
    ],
)
def test_a_broken_rule_is_named(index: int, node: Node, rule: str) -> None:
    with pytest.raises(IRError, match=rule):
        verify(Program((*GOOD[:index], node, *GOOD[index + 1 :])))


def test_an_empty_program_is_refused() -> None:
    with pytest.raises(IRError, match="the last node must be the loss"):
        verify(Program(()))


ENCODE = Encode(inputs=(0,), target=False)
WIDTH = Row(states=1)


@pytest.mark.parametrize(
    ("nodes", "rule"),
    [
        (
            (STATE, ENCODE, predict(1, WIDTH), compare(2, 1)),
            "%3 .Compare.: a gradient passes through the target",
        ),
        ((STATE, ENCODE, compare(1, 1)), "%2 .Compare.: a comparison reads its own term's predictor"),
        (
            (STATE, ENCODE, predict(1, WIDTH), predict(1, WIDTH), compare(2, 3)),
            "two nodes of kind Predict belong to one term",
        ),
        (
            (
                *(STATE, ENCODE, predict(1, Row(rewards=1)), REWARD),
                *(compare(2, 3), compare(2, 3), WeightedSum(inputs=(4, 5), weights=(1.0, 1.0))),
            ),
            "two nodes of kind Compare belong to one term",
        ),
    ],
)
def test_rules_of_whole_programs(nodes: tuple[Node, ...], rule: str) -> None:
    with pytest.raises(IRError, match=rule):
        verify(Program(nodes))
