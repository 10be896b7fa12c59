"""The rules of the IR. Tests run the verifier after every pass; a violation is a bug of this package."""

from __future__ import annotations

from itertools import chain

from a2ls_dsl.ir.nodes import (
    ACTION,
    ENCODERS,
    LATENT,
    NUMBER,
    RAW,
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
    Type,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.rules.types import Width
from a2ls_dsl.words.agent import ONLINE
from a2ls_dsl.words.entry import Kind, Sets
from a2ls_dsl.words.language import HEAD, Stream
from a2ls_dsl.words.registry import functions, operators

_STREAMS: dict[Stream, Type] = {
    Stream.STATE: Observation(),
    Stream.ACTION: ACTION,
    Stream.REWARD: NUMBER,
    Stream.RAW: RAW,
    Stream.DONE: NUMBER,
}


class IRError(Exception):
    """A malformed program; names the node and the rule that it breaks."""


def verify(program: Program) -> tuple[Type, ...]:
    """The types of all nodes. Raises `IRError` where a rule is broken.

    Rules: inputs come before their users; operand types fit; the last node is the loss, and the only node
    without a user; nodes that share a head are alike; a gradient reaches the encoder.
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
            return _STREAMS[node.stream]
        case Draw():
            _need(len(inputs) == 1, "a draw reads one step, for the number of its samples")
            _need(node.count > 1 and 0 < node.ratio <= 1, "one of several steps is drawn")
            return NUMBER
        case Choose():
            _need(len(inputs) > 2 and inputs[0] == NUMBER, "a draw, and steps of which one is chosen")
            _need(all(step == inputs[1] for step in inputs[2:]), "steps are of one stream")
            return inputs[1]
        case Augment() | Encode() | EncodeBatch() | Estimate() | EstimateBatch() | Pick():
            return _of_observations(node, inputs)
        case WeightedSum():
            _need(len(inputs) == len(node.weights) > 0, "one weight for each term")
            _need(all(term == Scalar() for term in inputs), "only scalars are summed")
            return Scalar()
        case OverSteps():
            _need(len(inputs) > 0, "a term has at least one step")
            _need(all(term == Scalar() for term in inputs), "only scalars are averaged")
            return Scalar()
        case Compare():
            _compare(node, inputs)
            return Scalar()
    return _of_rows(node, inputs)


def _of_observations(node: Node, inputs: list[Type]) -> Type:
    """The type of a node that reads observations or batched results."""
    match node:
        case Augment():
            _need(inputs == [Observation()], "only one observation can be augmented")
            _need(_is(node.view, Kind.VIEW), f"unknown view {node.view}")
            return Observation()
        case Encode():
            _need(inputs == [Observation()], "an encoder reads one observation")
            _need(node.encoder in ENCODERS, f"unknown encoder {node.encoder}")
            return LATENT
        case EncodeBatch():
            _need(len(inputs) > 0, "a batch of encodes is not empty")
            _need(
                all(observation == Observation() for observation in inputs), "an encoder reads observations"
            )
            _need(node.encoder in ENCODERS, f"unknown encoder {node.encoder}")
            return Several(len(inputs), LATENT)
        case Estimate():
            _need(inputs == [LATENT, Observation()], "a value is estimated from a latent and its observation")
            return NUMBER
        case EstimateBatch():
            count = len(inputs) // 2
            expected = [LATENT] * count + [Observation()] * count
            _need(
                count > 0 and inputs == expected, "values are estimated from latents and their observations"
            )
            return Several(count, NUMBER)
        case Pick():
            several = inputs[0] if inputs else None
            _need(len(inputs) == 1 and isinstance(several, Several), "pick reads one batch of results")
            count = several.count if isinstance(several, Several) else 0
            _need(0 <= node.index < count, "pick reads outside its batch")
            return several.row if isinstance(several, Several) else LATENT
    raise _RuleBroken("unknown kind of node")


def _of_rows(node: Node, inputs: list[Type]) -> Type:
    rows = [kind for kind in inputs if isinstance(kind, Row)]
    match node:
        case Normalise():
            _need(inputs == [LATENT], "a normaliser reads one latent")
            _need(_is(node.name, Kind.NORMALISER), f"unknown normaliser {node.name}")
            return LATENT
        case Add():
            _need(inputs == [LATENT, LATENT], "two latents are added")
            return LATENT
        case Stop():
            _need(inputs == [LATENT], "one latent is stopped")
            return LATENT
        case Unless():
            _need(inputs == [NUMBER, NUMBER], "a number and a flag")
            return NUMBER
        case Discount():
            _need(len(inputs) > 0, "a sum of numbers is not empty")
            _need(all(number == NUMBER for number in inputs), "only numbers are discounted")
            return NUMBER
        case Spread():
            _need(len(rows) == len(inputs) == 1 and not rows[0].bins, "numbers of one row are spread")
            _need(
                not {Width.LATENT, Width.RAW} & set(rows[0].parts),
                "only parts with a range are spread over bins",
            )
            _need(node.bins > 1 and node.low < node.high, "two bins or more in a range")
            _need(node.smoothing >= 0, "a deviation is not negative")
            return Row(rows[0].parts, node.bins)
        case Concat():
            _need(0 < len(rows) == len(inputs), "only rows are concatenated")
            _need(len({row.bins for row in rows}) == 1, "rows side by side have equally many bins")
            _need(not any(row.units for row in rows), "an output of hidden layers is not concatenated")
            return Row(tuple(chain.from_iterable(row.parts for row in rows)), rows[0].bins)
        case Predict():
            _need(len(inputs) == len(rows) == 1, "a head reads one row")
            latent = node.output == LATENT or node.output.units > 0
            _need(node.role == HEAD or latent, "a map other than a head gives a latent")
            return node.output
    raise _RuleBroken("unknown kind of node")


def _compare(node: Compare, inputs: list[Type]) -> None:
    _need(node.operator in operators, f"unknown operator {node.operator}")
    entry = operators[node.operator]
    _need(all(isinstance(row, Row) for row in inputs), "only rows are compared")
    if entry.sets is Sets.TRANSITION:
        _need(inputs == [LATENT, NUMBER, LATENT], "a transition is a state, a reward and a state")
    elif entry.unary:
        _need(len(inputs) == 1, "the operator takes one set")
    else:
        _need(len(inputs) == 2 and inputs[0] == inputs[1], "only two equal rows can be compared")


def _is(name: str, kind: Kind) -> bool:
    return name in functions and functions[name].kind is kind


def _whole(program: Program, types: list[Type]) -> None:
    if not types or not isinstance(program.nodes[-1], WeightedSum):
        raise IRError("the last node must be the loss")
    idle = [index for index, users in program.users().items() if not users]
    if idle != [len(types) - 1]:
        raise IRError(f"nodes {idle} have no user; only the loss may have none")
    heads: dict[int, object] = {}
    for index, node in enumerate(program.nodes):
        if isinstance(node, Predict):
            make = node.kind, node.layers, node.output, types[node.inputs[0]]
            if heads.setdefault(node.head, make) != make:
                raise IRError(f"%{index} (Predict): head {node.head} is made differently elsewhere")
    if not _gradients(program)[-1]:
        raise IRError("no gradient reaches the encoder")


def _gradients(program: Program) -> list[bool]:
    """For every node, whether its gradient reaches the online encoder."""
    reached: list[bool] = []
    for node in program.nodes:
        if isinstance(node, Encode | EncodeBatch):
            reached.append(node.encoder == ONLINE)
        else:
            blocked = isinstance(node, Estimate | EstimateBatch | Stop)
            reached.append(not blocked and any(reached[read] for read in node.inputs))
    return reached
