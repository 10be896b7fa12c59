"""Every rule of the representation refuses the program that breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2ls_dsl.ir.nodes import (
    ACTION,
    LATENT,
    NUMBER,
    Add,
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
    Observation,
    OverSteps,
    Pick,
    Predict,
    Program,
    Row,
    Sample,
    Scalar,
    Several,
    Spread,
    Stop,
    Unless,
    WeightedSum,
)
from a2ls_dsl.ir.verify import IRError, verify
from a2ls_dsl.words.language import Stream

STATE = Sample(stream=Stream.STATE, offset=0)
REWARD = Sample(stream=Stream.REWARD, offset=1)


def compare(*inputs: int, operator: str = "mse") -> Compare:
    return Compare(inputs=inputs, term=0, operator=operator)


def predict(read: int, output: Row, kind: str = "linear") -> Predict:
    return Predict(inputs=(read,), head=0, kind=kind, output=output)


GOOD: tuple[Node, ...] = (
    STATE,
    Augment(inputs=(0,), view="crop", draw=1),
    EncodeBatch(inputs=(0, 1), encoder="online"),
    Pick(inputs=(2,), index=1),
    Pick(inputs=(2,), index=0),
    Concat(inputs=(3, 4)),
    predict(5, NUMBER),
    REWARD,
    compare(6, 7),
    WeightedSum(inputs=(8,), weights=(0.5,)),
)


def test_a_well_formed_program_is_typed() -> None:
    assert verify(Program(GOOD)) == (
        Observation(),
        Observation(),
        Several(2, LATENT),
        LATENT,
        LATENT,
        Row(LATENT.parts * 2),
        NUMBER,
        NUMBER,
        Scalar(),
        Scalar(),
    )


@pytest.mark.parametrize(
    ("index", "node", "rule"),
    [
        (0, Encode(inputs=(0,), encoder="online"), "%0: reads a node that does not come before it"),
        (0, Encode(inputs=(-1,), encoder="online"), "does not come before it"),
        (5, Concat(inputs=(3, 6)), "%5: reads a node that does not come before it"),
        (7, Sample(stream=Stream.REWARD, offset=-1), "%7 .Sample.: offsets start at t"),
        (7, Sample(stream=Stream.REWARD, offset=0, inputs=(0,)), "a sample reads nothing"),
        (1, Augment(inputs=(0,), view="blur", draw=1), "unknown view blur"),
        (1, Augment(inputs=(), view="crop", draw=1), "only one observation can be augmented"),
        (4, Augment(inputs=(3,), view="crop", draw=1), "only one observation can be augmented"),
        (3, Encode(inputs=(0, 1), encoder="online"), "an encoder reads one observation"),
        (3, Encode(inputs=(2,), encoder="online"), "an encoder reads one observation"),
        (2, EncodeBatch(inputs=(), encoder="online"), "a batch of encodes is not empty"),
        (4, EncodeBatch(inputs=(0, 3), encoder="online"), "an encoder reads observations"),
        (3, Pick(inputs=(2,), index=2), "pick reads outside its batch"),
        (3, Pick(inputs=(2,), index=-1), "pick reads outside its batch"),
        (3, Pick(inputs=(1,), index=0), "pick reads one batch of results"),
        (3, Pick(inputs=(2, 2), index=0), "pick reads one batch of results"),
        (5, Concat(inputs=()), "only rows are concatenated"),
        (5, Concat(inputs=(3, 0)), "only rows are concatenated"),
        (6, predict(2, NUMBER), "a head reads one row"),
        (8, compare(6, 5), "only two equal rows can be compared"),
        (8, compare(6), "only two equal rows can be compared"),
        (8, compare(0, 0), "only rows are compared"),
        (8, compare(6, 7, operator="hinge"), "unknown operator hinge"),
        (2, EncodeBatch(inputs=(0, 1), encoder="best"), "unknown encoder best"),
        (8, compare(6, operator="mse"), "only two equal rows can be compared"),
        (8, compare(6, 7, operator="variance"), "the operator takes one set"),
        (8, compare(6, 7, operator="mico"), "a transition is a state, a reward and a state"),
        (9, WeightedSum(inputs=(8,), weights=(1.0, 2.0)), "one weight for each term"),
        (9, WeightedSum(inputs=(), weights=()), "one weight for each term"),
        (9, WeightedSum(inputs=(7,), weights=(1.0,)), "only scalars are summed"),
        (9, Concat(inputs=(7,)), "the last node must be the loss"),
        (9, Node(inputs=(8,)), "unknown kind of node"),
        (5, Concat(inputs=(3, 3)), r"nodes \[4, 9\] have no user"),
        (2, EncodeBatch(inputs=(0, 1), encoder="ema"), "no gradient reaches the encoder"),
    ],
)
def test_a_broken_rule_is_named(index: int, node: Node, rule: str) -> None:
    with pytest.raises(IRError, match=rule):
        verify(Program((*GOOD[:index], node, *GOOD[index + 1 :])))


def test_an_empty_program_is_refused() -> None:
    with pytest.raises(IRError, match="the last node must be the loss"):
        verify(Program(()))


ENCODE = Encode(inputs=(0,), encoder="online")
STEP = Predict(inputs=(2,), head=1, kind="linear", output=LATENT, role="transition")
SMALL: tuple[Node, ...] = (
    *(STATE, ENCODE, Sample(stream=Stream.ACTION, offset=0), REWARD, Sample(stream=Stream.DONE, offset=1)),
    STEP,  # 5
    Add(inputs=(1, 5)),
    Normalise(inputs=(6,), name="simnorm", numbers=(8,)),  # 7
    Estimate(inputs=(7, 0)),
    EstimateBatch(inputs=(1, 7, 0, 0)),  # 9
    Pick(inputs=(9,), index=1),
    Unless(inputs=(10, 4)),  # 11
    Discount(inputs=(3, 8, 11), discount=0.9),
    Spread(inputs=(12,), bins=3, low=-1, high=1, symlog=True),  # 13
    predict(7, Row(NUMBER.parts, 3)),
    compare(14, 13, operator="ce"),  # 15
    OverSteps(inputs=(15,), decay=1),
    WeightedSum(inputs=(16,), weights=(1.0,)),
)


def test_nodes_of_the_whole_language_are_typed() -> None:
    types = verify(Program(SMALL))
    assert types[2] == ACTION
    assert types[5] == types[6] == types[7] == LATENT
    assert types[9] == Several(2, NUMBER)
    assert types[12] == NUMBER
    assert types[13] == types[14] == Row(NUMBER.parts, 3)


@pytest.mark.parametrize(
    ("index", "node", "rule"),
    [
        (5, replace(STEP, output=NUMBER), "a map other than a head gives a latent"),
        (6, Add(inputs=(2, 1)), "two latents are added"),
        (6, Stop(inputs=(2,)), "one latent is stopped"),
        (7, Normalise(inputs=(2,), name="simnorm"), "a normaliser reads one latent"),
        (7, Normalise(inputs=(6,), name="shift"), "unknown normaliser shift"),
        (8, Estimate(inputs=(7, 6)), "a value is estimated from a latent and its observation"),
        (9, EstimateBatch(inputs=(1, 0, 0, 1)), "values are estimated from latents and their observations"),
        (11, Unless(inputs=(10, 7)), "a number and a flag"),
        (12, Discount(inputs=(3, 7), discount=1), "only numbers are discounted"),
        (
            13,
            Spread(inputs=(7,), bins=3, low=-1, high=1, symlog=True),
            "only parts with a range are spread over bins",
        ),
        (13, Spread(inputs=(12,), bins=3, low=1, high=1, symlog=True), "two bins or more in a range"),
        (14, predict(7, NUMBER), "only two equal rows can be compared"),
        (16, OverSteps(inputs=(14,), decay=1), "only scalars are averaged"),
    ],
)
def test_a_broken_rule_of_the_whole_language_is_named(index: int, node: Node, rule: str) -> None:
    with pytest.raises(IRError, match=rule):
        verify(Program((*SMALL[:index], node, *SMALL[index + 1 :])))


def test_one_head_is_one_module() -> None:
    nodes = (STATE, ENCODE, predict(1, LATENT), predict(1, LATENT, "predictor"), compare(2, 3))
    with pytest.raises(IRError, match=r"%3 .Predict.: head 0 is made differently elsewhere"):
        verify(Program((*nodes, WeightedSum(inputs=(4,), weights=(1.0,)))))


def test_a_value_has_no_gradient() -> None:
    nodes = (STATE, ENCODE, Estimate(inputs=(1, 0)), REWARD, compare(2, 3))
    with pytest.raises(IRError, match="no gradient reaches the encoder"):
        verify(Program((*nodes, WeightedSum(inputs=(4,), weights=(1.0,)))))
