"""The data of entries: operators, functions, heads and their numbers. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from a2ls_dsl.words.language import HEAD, PROJECTOR, TRANSITION
from a2ls_dsl.words.numbers import Range

Formula = Callable[..., Any]
"""A plain function of torch tensors."""


class Negatives(StrEnum):
    """How an operator and `against batch` go together."""

    NEVER = "never"
    ON_REQUEST = "on request"
    ALWAYS = "always"  # by nature, so it isn't written


class Sets(StrEnum):
    """What an operator's sets hold."""

    ANY = "any elements"
    LATENTS = "latents on both sides, or in its only set"
    DATA_TARGET = "data in the target: actions, rewards, returns, values, terminal flags"
    TRANSITION = "one state in the source, one reward and one state in the target"


class Needs(StrEnum):
    """What an option requires to have any effect."""

    NOTHING = ""
    NEGATIVES = "against batch"
    ROLLOUT = "a rollout in the source"


class Form(StrEnum):
    """The two forms that a stack computes for all of its terms at once, each form in its own lane."""

    DISTANCE = "squared distance of prediction and target"
    SIMILARITY = "product of all pairs of a batch, in a softmax"


@dataclass(frozen=True)
class Number:
    """A number with a default: an option of an operator, or an argument of a function.

    summary: one line. needs: without it, the option is an error. beside: the option that it is given
    together with, or not at all.
    """

    name: str
    default: float
    range: Range
    summary: str = ""
    needs: Needs = Needs.NOTHING
    beside: str = ""


@dataclass(frozen=True)
class Operator:
    """Maps a prediction and its target to one number.

    formula: see `registry.operator`. summary: one line. example: a term. unary: of one set. head: whether a
    learned head maps the source row onto the target row; without one, the rows themselves are compared.
    anchored: the term can't be made small by encoding all states as one latent. pairwise: it compares
    pairs of samples of the batch. unit_rows: it divides each row by its length. matrix: it has a learned
    matrix, which multiplies the target. draws: it draws random numbers. stacks: its formula takes leading
    dimensions for the members of a stack; otherwise it is called member by member. form: its form in a stack,
    if it is one of the two that all lanes share. contrast_of: it is that operator against the batch, except
    for a default. text, text_against: the formula in plain characters. note: a likely misunderstanding.
    latex, latex_against: the formula in LaTeX.
    """

    name: str
    summary: str
    formula: Formula = field(compare=False, repr=False)
    example: str = ""
    unary: bool = False
    negatives: Negatives = Negatives.NEVER
    sets: Sets = Sets.ANY
    head: bool = True
    needs_head: bool = False
    anchored: bool = False
    pairwise: bool = False
    unit_rows: bool = False
    matrix: bool = False
    draws: bool = False
    stacks: bool = False
    form: Form | None = None
    contrast_of: str = ""
    options: tuple[Number, ...] = ()
    source: str = ""
    text: str = ""
    text_against: str = ""
    latex: str = ""
    latex_against: str = ""
    note: str = ""

    @property
    def maps(self) -> tuple[str, ...]:
        """The names of its options whose value is a learned map: see `words/maps.py`."""
        along = not self.unary and (not self.pairwise or self.sets is Sets.TRANSITION)
        projects = self.sets is not Sets.TRANSITION
        return (*[HEAD] * self.head, *[PROJECTOR] * projects, *[TRANSITION] * along)

    def option(self, name: str) -> Number | None:
        """The numeric option with this name."""
        return next((option for option in self.options if option.name == name), None)


class Type(StrEnum):
    """The type of an item of a set, as messages call it."""

    OBSERVATION = "a state"  # not encoded yet; a set's states are encoded by the default of their side
    LATENT = "a latent"
    ACTION = "an action"
    REWARD = "a reward"
    RAW = "a raw observation"
    DONE = "a terminal flag"
    VALUE = "a value"
    RETURN = "a return"
    ROLLOUT = "a rollout"


class Kind(StrEnum):
    """What a function does; the order is that of nesting, innermost first."""

    DRAW = "draw of a step"
    VIEW = "view"
    ENCODER = "encoder"
    NORMALISER = "normaliser"
    ESTIMATE = "estimate"
    SEQUENCE = "function of a run"


KINDS = tuple(Kind)

TAKES: dict[Kind, tuple[Type, ...]] = {
    Kind.DRAW: (
        Type.OBSERVATION,
        Type.ACTION,
        Type.REWARD,
        Type.RAW,
        Type.DONE,
    ),  # a run, of which one step is drawn
    Kind.VIEW: (Type.OBSERVATION,),
    Kind.ENCODER: (Type.OBSERVATION,),
    Kind.NORMALISER: (Type.OBSERVATION, Type.LATENT),  # the default encoder applies if none is written
    Kind.ESTIMATE: (Type.OBSERVATION, Type.LATENT),
    Kind.SEQUENCE: (),
}
GIVES: dict[Kind, Type] = {
    Kind.VIEW: Type.OBSERVATION,
    Kind.ENCODER: Type.LATENT,
    Kind.NORMALISER: Type.LATENT,
    Kind.ESTIMATE: Type.VALUE,
}


class Sees(StrEnum):
    """The kind of observations that a view changes; it leaves others unchanged."""

    ANY = "observations"
    FRAMES = "frames"
    VECTORS = "vector observations"


@dataclass(frozen=True)
class Function:
    """What may be called on an element of a set.

    formula: see `registry.view` and `registry.normaliser`; None for what belongs to the agent. example: a
    whole call. sees: what a view is made for. uncropped: the view crops the frames that the agent's own were
    cropped from. scale_free: the normaliser maps a latent and its positive multiples to the same result.
    stacks: as for operators. latex: its symbol. shapes, gradient: shown by editors for the agent's own.
    """

    name: str
    kind: Kind
    summary: str
    example: str
    parameters: tuple[Number, ...] = ()
    source: str = ""
    formula: Formula | None = field(default=None, compare=False, repr=False)
    sees: Sees = Sees.ANY
    uncropped: bool = False
    scale_free: bool = False
    stacks: bool = False
    latex: str = ""
    shapes: str = ""
    gradient: bool | None = None

    @property
    def takes(self) -> tuple[Type, ...]:
        """The types that the function may be applied to."""
        return TAKES[self.kind]

    def numbers(self, given: tuple[float, ...]) -> tuple[float, ...]:
        """The numbers of a call with the defaults filled in."""
        return given + tuple(number.default for number in self.parameters[len(given) :])


@dataclass(frozen=True)
class Head:
    """A learned map from the source row onto the target row.

    formula: see `registry.head`; None for `none`. example: how it is written after `head =`. layers:
    whether it takes the widths of its hidden layers. residual: its output is added to a latent, so that
    only a transition can use it. latex: its letter in formulas.
    """

    name: str
    summary: str
    formula: Formula | None = field(default=None, compare=False, repr=False)
    example: str = ""
    layers: bool = False
    residual: bool = False
    latex: str = "h"


LAYER = Range(1, 8192, whole=True)
"""The widths that a hidden layer of a head may have."""
MAX_LAYERS = 8
"""The largest number of hidden layers of a head."""
