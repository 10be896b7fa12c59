"""The syntax tree of a `.a2l` file, on one page.

Every node carries the place it came from, for diagnostics; places do not count in comparisons, so a tree
that was parsed equals the same tree built by a search. The canonical form (`canonical.py`) has no `Ref`,
sorted sets and sorted terms; its print is a loss' identity.

What the names of functions, operators and options mean is said in `words`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from a2ls_dsl.diagnostics import Span
from a2ls_dsl.words.agent import ROLLOUT, VISITED
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import operators

STREAM_RANK = {stream: rank for rank, stream in enumerate(Stream)}

MAX_OFFSET = 999
"""The last step an offset may name: a DeepMind Control episode has at most 1,000 steps."""


@dataclass(frozen=True)
class Call:
    """A function's name and the numbers it is called with; without its defaults in the canonical form."""

    name: str
    numbers: tuple[float, ...] = ()
    spans: tuple[Span, ...] = field(default=(), compare=False, repr=False)
    """The places of the name and of each number."""
    shared: str | None = None
    """The name behind `as`: views of one name are one tensor."""

    @property
    def key(self) -> str:
        """The call as text, for sorting."""
        text = f"{self.name}({','.join(map(repr, self.numbers))})" if self.numbers else self.name
        return f"{text} {self.shared}" if self.shared else text


Order: TypeAlias = tuple[int, int, str, int, str]
"""Sort key of an item: stream, kind of item, calls, first step, whatever else there is."""


@dataclass(frozen=True)
class Element:
    """One tensor of the window: `s[t+2]`, or a function of it: `l2(ema(crop(s[t])))`.

    `calls` stand innermost first. A run is several elements, so each step has its own call of a view. until:
    where one step of a run is drawn, as in `uniform(s[t+1..t+5])`, the last one; the run begins at `offset`.
    """

    stream: Stream
    offset: int
    calls: tuple[Call, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    until: int | None = None

    @property
    def last(self) -> int:
        """The largest offset used."""
        return self.offset if self.until is None else self.until

    @property
    def order(self) -> Order:
        """Sort key of the canonical order: s, a, r, o, done; in each plain tensors first; then time."""
        rest = "" if self.until is None else str(self.until)
        return STREAM_RANK[self.stream], 0, ".".join(call.key for call in self.calls), self.offset, rest


@dataclass(frozen=True)
class Rollout:
    """`rollout(s[t], a[t..t+4])`: latents for the steps after `start`'s, from a learned transition.

    The run of actions begins at offset `first` and has `length` steps. visited: the latents are those at
    which the actions are taken, as in `visited(s[t], a[t..t+4])`, and not those that follow.
    """

    start: Element
    first: int
    length: int
    visited: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def last(self) -> int:
        """The largest offset used: that of the last action that is gone through, or of the start."""
        return max(self.start.offset, self.first + self.length - 1 - self.visited)

    @property
    def name(self) -> str:
        """What it is written as."""
        return VISITED if self.visited else ROLLOUT

    @property
    def order(self) -> Order:
        rank, _, calls, offset, _ = self.start.order
        return rank, 1 + self.visited, calls, offset, f"{self.first}.{self.length}"


@dataclass(frozen=True)
class Return:
    """`return(r[t..t+2], value(s[t+3]), 0.99)`: the discounted sum of a run of rewards, with a bootstrap.

    `first` and `last_reward` are the offsets of the run's ends.
    """

    first: int
    last_reward: int
    bootstrap: Element | None = None
    discount: float = 0.99
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def last(self) -> int:
        """The largest offset used."""
        return max(self.last_reward, self.bootstrap.offset if self.bootstrap else 0)

    @property
    def order(self) -> Order:
        bootstrap = repr(self.bootstrap.order) if self.bootstrap else ""
        rest = f"{self.discount!r}.{bootstrap}"
        # Returns of equal length stand together, in time: as rows of a target that is compared step by step.
        length = f"{self.last_reward - self.first:04}"
        return STREAM_RANK[Stream.REWARD], 1, length, self.first, rest


Item: TypeAlias = Element | Rollout | Return
"""What a set holds."""


@dataclass(frozen=True)
class Option:
    """`head = mlp(256) as q`, `temperature = 0.1`: one of the options of a comparison."""

    name: str
    value: float | Call
    shared: str | None = None
    """The name behind `as`: heads of one name are one module."""
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Comparison:
    """`operator(source -> target)`, optionally `against batch` and with options: one term of a loss.

    The target of an operator of one set, such as `variance`, is empty.
    """

    operator: str
    source: tuple[Item, ...]
    target: tuple[Item, ...] = ()
    against_batch: bool = False
    options: tuple[Option, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    sides: tuple[Span, ...] | None = field(default=None, compare=False, repr=False)
    """The places of the sets that were written: one or two."""
    against_span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def items(self) -> tuple[Item, ...]:
        """All items of both sides."""
        return self.source + self.target

    @property
    def horizon(self) -> int:
        """The largest offset used: the window holds steps t..t+horizon."""
        return max(item.last for item in self.items)


@dataclass(frozen=True)
class Ref:
    """The name of a loss defined earlier in the file, or imported."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Schedule:
    """`linear(0.0, 1.0, 100000)`: from `start` to `end` over so many environment frames, then constant."""

    start: float
    end: float
    frames: int


Weight: TypeAlias = float | Schedule


@dataclass(frozen=True)
class Weighted:
    """One summand: `0.1 * curl`, `linear(0.0, 1.0, 100000) * spr`."""

    weight: Weight
    term: Comparison | Ref
    span: Span | None = field(default=None, compare=False, repr=False)
    weight_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Loss:
    """A weighted sum of terms; a single term of weight 1 is the common case."""

    terms: tuple[Weighted, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def horizon(self) -> int:
        """The largest offset used in a loss without references."""
        return max(weighted.term.horizon for weighted in self.terms if isinstance(weighted.term, Comparison))


@dataclass(frozen=True)
class Definition:
    """`loss name = ...`"""

    name: str
    loss: Loss
    span: Span | None = field(default=None, compare=False, repr=False)
    name_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Import:
    """`import "file.a2l"`: the losses of another file may be referred to."""

    path: str
    span: Span | None = field(default=None, compare=False, repr=False)
    path_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LossFile:
    """A whole file: its definitions and its imports, each in order."""

    definitions: tuple[Definition, ...]
    imports: tuple[Import, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)


def elements_of(items: Iterable[Item]) -> list[Element]:
    """Every element in a set that stands for a tensor of its own: also starts and bootstraps."""
    elements = []
    for item in items:
        match item:
            case Element():
                elements.append(item)
            case Rollout():
                elements.append(item.start)
            case Return(bootstrap=Element() as bootstrap):
                elements.append(bootstrap)
    return elements


@dataclass(frozen=True)
class Head:
    """A learned map, such as that from the source row onto the target row.

    kind: one of `words.registry.heads`. layers: the widths of its hidden layers. name: maps of one name in a
    loss are one module, or share their hidden layers if they predict unlike rows; None if it shares nothing.
    """

    kind: str
    layers: tuple[int, ...] = ()
    name: str | None = None


def map_of(term: Comparison, name: str) -> Head | None:
    """The learned map that is the value of an option of `words.maps`; None where an operator has no such."""
    if name not in operators[term.operator].maps:
        return None
    for option in term.options:
        if option.name == name and isinstance(option.value, Call):
            return Head(option.value.name, tuple(map(int, option.value.numbers)), option.shared)
    return Head(MAPS[name].default)


def number_of(term: Comparison, name: str, otherwise: float | None = None) -> float:
    """The value of a numeric option, given or by default; `otherwise` where the operator has no such option.

    Raises KeyError where it has none and nothing else is asked for.
    """
    option = operators[term.operator].option(name)
    if option is None:
        if otherwise is None:
            raise KeyError(name)
        return otherwise
    given = (option.value for option in term.options if option.name == name)
    return next((value for value in given if not isinstance(value, Call)), option.default)
