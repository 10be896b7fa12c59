"""The intermediate representation, on one page.

A program is a list of nodes; a node names its inputs by their index, which is always smaller than its own.
Every value has a type. Rows are typed by what they are made of, so that one program serves every
environment: a row of a latent, three actions and a number is features + 3 * action size + 1 wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from a2ls_dsl.lang.rules.types import Width
from a2ls_dsl.lang.syntax.tree import Weight
from a2ls_dsl.words.agent import EMA, ONLINE, STOP
from a2ls_dsl.words.language import HEAD, Stream


@dataclass(frozen=True)
class Row:
    """A batch of vectors: parts side by side, in order; with `bins`, each number is a distribution over bins.

    units: the width of an output of hidden layers; such a row has no parts.
    """

    parts: tuple[Width, ...] = ()
    bins: int = 0
    units: int = 0

    def __str__(self) -> str:
        if self.units:
            return f"row({self.units} units)"
        counts = ((width, sum(1 for _ in run)) for width, run in groupby(self.parts))
        text = ", ".join(f"{n} {width}{'s' * (n > 1)}" for width, n in counts)
        return f"row({text})" + (f" in {self.bins} bins" if self.bins else "")


@dataclass(frozen=True)
class Observation:
    """A batch of observations, not yet encoded."""

    def __str__(self) -> str:
        return "observation"


@dataclass(frozen=True)
class Several:
    """The results of a call of an encoder, or of the agent's value, on several inputs; `Pick` takes one."""

    count: int
    row: Row

    def __str__(self) -> str:
        return f"{self.count} x {self.row}"


@dataclass(frozen=True)
class Scalar:
    """One number: a mean over the batch."""

    def __str__(self) -> str:
        return "scalar"


Type = Row | Observation | Several | Scalar

LATENT, ACTION, NUMBER = Row((Width.LATENT,)), Row((Width.ACTION,)), Row((Width.NUMBER,))
RAW = Row((Width.RAW,))

ENCODERS = (ONLINE, EMA, STOP)


@dataclass(frozen=True, kw_only=True)
class Node:
    """Base of all nodes: the indices of the nodes it reads."""

    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sample(Node):
    """One step of a stream of the window; a state is augmented with the draw that the whole window shares."""

    stream: Stream
    offset: int


@dataclass(frozen=True, kw_only=True)
class Draw(Node):
    """A place among `count` steps for each sample, each place `ratio` times as probable as the one before.

    It reads a step of the window, only for the number of its samples. draw: as in `Augment`.
    """

    draw: int
    count: int
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Choose(Node):
    """The step that was drawn for each sample: (draw, steps of one stream)."""


@dataclass(frozen=True, kw_only=True)
class Augment(Node):
    """A view of an observation; equal `draw` numbers are the same draw, different ones independent."""

    view: str
    draw: int
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encode(Node):
    """An encoder: `online` with gradient; `ema`, the target encoder; or `stop`, `online` without gradient."""

    encoder: str


@dataclass(frozen=True, kw_only=True)
class EncodeBatch(Node):
    """One call of an encoder on several observations, stacked along the batch."""

    encoder: str


@dataclass(frozen=True, kw_only=True)
class Estimate(Node):
    """The agent's value of a latent and the observation it encodes, without gradient."""


@dataclass(frozen=True, kw_only=True)
class EstimateBatch(Node):
    """One call of the agent's value: all latents, then their observations."""


@dataclass(frozen=True, kw_only=True)
class Pick(Node):
    """One of the results of a batch of calls."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Normalise(Node):
    """A normaliser of latents."""

    name: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Add(Node):
    """The sum of two latents."""


@dataclass(frozen=True, kw_only=True)
class Stop(Node):
    """A latent through which no gradient passes, not even to the maps that made it."""


@dataclass(frozen=True, kw_only=True)
class Unless(Node):
    """A number where a flag is 0, and 0 where it is 1: (number, flag)."""


@dataclass(frozen=True, kw_only=True)
class Discount(Node):
    """The sum of numbers of consecutive steps, each discounted once more than the one before."""

    discount: float


@dataclass(frozen=True, kw_only=True)
class Spread(Node):
    """Each number of a row spread over `bins` bins from `low` to `high`.

    smoothing: the deviation, in bins, of a normal distribution around the number; with 0 the two nearest
    bins share it.
    """

    bins: int
    low: float
    high: float
    symlog: bool
    smoothing: float = 0


@dataclass(frozen=True, kw_only=True)
class Concat(Node):
    """Inputs side by side in one row."""


@dataclass(frozen=True, kw_only=True)
class Predict(Node):
    """A learned map: a head onto a row like the target, or another of `words/maps.py`, by its `role`.

    Nodes of equal `head` share a module. Hidden layers that several maps share are a module of their own,
    whose output is a row of units.
    """

    head: int
    kind: str
    output: Row
    layers: tuple[int, ...] = ()
    role: str = HEAD


@dataclass(frozen=True, kw_only=True)
class Compare(Node):
    """A scalar: a term's operator on (prediction, target), on one set, or on (state, reward, next state).

    options: all numbers of the operator, by name. draw: as in `Augment`, for an operator that draws random
    numbers; else 0. The steps of a term share its learned parts.
    """

    term: int
    operator: str
    against_batch: bool = False
    options: tuple[tuple[str, float], ...] = ()
    draw: int = 0


@dataclass(frozen=True, kw_only=True)
class OverSteps(Node):
    """The mean over the steps of a term, step i weighted by decay ** i."""

    decay: float


@dataclass(frozen=True, kw_only=True)
class WeightedSum(Node):
    """The loss: the terms' scalars times their weights; a schedule's weight depends on the frame."""

    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Program:
    """Nodes in evaluation order; the last one is the loss."""

    nodes: tuple[Node, ...]

    @property
    def horizon(self) -> int:
        """The largest offset sampled: the window holds horizon + 1 steps."""
        return max(node.offset for node in self.nodes if isinstance(node, Sample))

    def users(self) -> dict[int, list[int]]:
        """The readers of every node."""
        users: dict[int, list[int]] = {index: [] for index in range(len(self.nodes))}
        for index, node in enumerate(self.nodes):
            for read in node.inputs:
                users[read].append(index)
        return users


class Builder:
    """Collects nodes; `add` returns the index of the new node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def program(self) -> Program:
        return Program(tuple(self.nodes))
