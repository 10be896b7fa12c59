"""The intermediate representation, on one page.

A program is a list of nodes; a node names its inputs by their index, which is always smaller than its own.
Every value has a type. Rows are typed by what they are made of, so that one program serves every
environment: a `Row(states=1, actions=3, rewards=0)` is features + 3 * action size wide.
"""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.lang.ast import Stream


@dataclass(frozen=True)
class Row:
    """A batch of vectors: so many encoded states, raw actions and raw rewards, side by side."""

    states: int = 0
    actions: int = 0
    rewards: int = 0

    def __add__(self, other: Row) -> Row:
        return Row(self.states + other.states, self.actions + other.actions, self.rewards + other.rewards)

    def __str__(self) -> str:
        parts = ((self.states, "state"), (self.actions, "action"), (self.rewards, "reward"))
        return "row(" + ", ".join(f"{n} {name}{'s' * (n > 1)}" for n, name in parts if n) + ")"


@dataclass(frozen=True)
class Observation:
    """A batch of observations, not yet encoded."""

    def __str__(self) -> str:
        return "observation"


@dataclass(frozen=True)
class Encodings:
    """Several encoded observations out of one call of an encoder; `Pick` takes one of them."""

    count: int

    def __str__(self) -> str:
        return f"encodings({self.count})"


@dataclass(frozen=True)
class Scalar:
    """One number: a mean over the batch."""

    def __str__(self) -> str:
        return "scalar"


Type = Row | Observation | Encodings | Scalar


@dataclass(frozen=True, kw_only=True)
class Node:
    """What all nodes have: the indices of the nodes they read."""

    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sample(Node):
    """One step of a stream of the window; a state comes under the draw that the whole window shares."""

    stream: Stream
    offset: int


@dataclass(frozen=True, kw_only=True)
class Augment(Node):
    """A view of an observation; equal `draw` numbers are the same draw, different ones independent."""

    view: str
    draw: int


@dataclass(frozen=True, kw_only=True)
class Encode(Node):
    """The encoder. `target` means the target (EMA) encoder, through which no gradient flows."""

    target: bool


@dataclass(frozen=True, kw_only=True)
class EncodeBatch(Node):
    """One call of an encoder on several observations, stacked along the batch."""

    target: bool


@dataclass(frozen=True, kw_only=True)
class Pick(Node):
    """One of the encodings of an `EncodeBatch`."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Concat(Node):
    """Inputs side by side in one row."""


@dataclass(frozen=True, kw_only=True)
class Predict(Node):
    """The predictor of a term: a learned map onto a row like the term's target."""

    term: int
    output: Row


@dataclass(frozen=True, kw_only=True)
class Compare(Node):
    """A term's operator on (prediction, target): a scalar per batch."""

    term: int
    operator: str
    against_batch: bool


@dataclass(frozen=True, kw_only=True)
class WeightedSum(Node):
    """The loss: the terms' scalars times their weights."""

    weights: tuple[float, ...]


@dataclass(frozen=True)
class Program:
    """Nodes in evaluation order; the last one is the loss."""

    nodes: tuple[Node, ...]

    @property
    def horizon(self) -> int:
        """The largest offset sampled: the window holds horizon + 1 steps."""
        return max(node.offset for node in self.nodes if isinstance(node, Sample))

    def users(self) -> dict[int, list[int]]:
        """For every node the nodes that read it."""
        users: dict[int, list[int]] = {index: [] for index in range(len(self.nodes))}
        for index, node in enumerate(self.nodes):
            for read in node.inputs:
                users[read].append(index)
        return users


class Builder:
    """Collects nodes; `add` returns the index of the new one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def program(self) -> Program:
        return Program(tuple(self.nodes))
