"""The table of functions: what may be called on an element of a set, with which numbers, and what it gives.

A function that takes part in files only once it was registered is an entry like these (`registry.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from a2ls_dsl.lang.numbers import POSITIVE_SHARE, Range


class Type(StrEnum):
    """What an item of a set is, in the words of messages."""

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

    VIEW = "view"
    ENCODER = "encoder"
    NORMALISER = "normaliser"
    ESTIMATE = "estimate"
    SEQUENCE = "function of a run"


TAKES: dict[Kind, tuple[Type, ...]] = {
    Kind.VIEW: (Type.OBSERVATION,),
    Kind.ENCODER: (Type.OBSERVATION,),
    Kind.NORMALISER: (Type.OBSERVATION, Type.LATENT),  # the default encoder steps in where none is written
    Kind.ESTIMATE: (Type.OBSERVATION, Type.LATENT),
    Kind.SEQUENCE: (),
}
GIVES: dict[Kind, Type] = {
    Kind.VIEW: Type.OBSERVATION,
    Kind.ENCODER: Type.LATENT,
    Kind.NORMALISER: Type.LATENT,
    Kind.ESTIMATE: Type.VALUE,
}


@dataclass(frozen=True)
class Parameter:
    """A number that stands behind a function's argument; it may be left out."""

    name: str
    default: float
    range: Range


@dataclass(frozen=True)
class Function:
    """An entry of the table. `example` is a whole call; `source` is where the function comes from."""

    name: str
    kind: Kind
    summary: str
    example: str
    parameters: tuple[Parameter, ...] = ()
    source: str = ""

    @property
    def takes(self) -> tuple[Type, ...]:
        """The types that the function may be applied to."""
        return TAKES[self.kind]

    def numbers(self, given: tuple[float, ...]) -> tuple[float, ...]:
        """The numbers of a call with the defaults filled in."""
        return given + tuple(each.default for each in self.parameters[len(given) :])


ONLINE, EMA, STOP = ENCODERS = ("online", "ema", "stop")
CROP = "crop"
SCALE_FREE = ("l2", "avgl1")
"""Normalisers that give the same for a latent and for any positive multiple of it."""

VALUE, ROLLOUT, RETURN = "value", "rollout", "return"

DISCOUNT = Parameter("discount", 0.99, POSITIVE_SHARE)

_TABLE = (
    Function(
        CROP,
        Kind.VIEW,
        "a random crop of frames, as large as the agent's",
        "crop(s[t])",
        source="Laskin et al. 2020, arXiv 2004.04136",
    ),
    Function(
        "shift",
        Kind.VIEW,
        "frames padded with their border and cropped back at random: moved by so many pixels at most",
        "shift(s[t], 4)",
        (Parameter("pixels", 4, Range(1, 64, whole=True)),),
        "Yarats et al. 2021, arXiv 2004.13649",
    ),
    Function(
        "intensity",
        Kind.VIEW,
        "frames times one random factor around 1, a normal draw cut at two deviations of this size",
        "intensity(s[t], 0.05)",
        (Parameter("scale", 0.05, Range(0, 0.5, above=True, below=True)),),
        "Yarats et al. 2021, arXiv 2004.13649; the size is that of arXiv 2007.05929",
    ),
    Function(
        "noise",
        Kind.VIEW,
        "Gaussian noise of this deviation, added to a vector",
        "noise(s[t], 0.1)",
        (Parameter("deviation", 0.1, Range(0, 10, above=True)),),
        "Laskin et al. 2020, arXiv 2004.14990",
    ),
    Function(
        "mask",
        Kind.VIEW,
        "drops this share of the numbers of a vector, of the patches of 12 x 12 pixels of frames",
        "mask(s[t], 0.5)",
        (Parameter("share", 0.5, Range(0, 1, above=True, below=True)),),
        "Yu et al. 2022, arXiv 2201.12096",
    ),
    Function(
        ONLINE,
        Kind.ENCODER,
        "the encoder, with gradient; the default in a source",
        "online(s[t])",
    ),
    Function(
        EMA,
        Kind.ENCODER,
        "the target encoder, a slowly following copy, without gradient; the default in a target",
        "ema(s[t])",
        source="He et al. 2020, arXiv 1911.05722",
    ),
    Function(
        STOP,
        Kind.ENCODER,
        "the encoder as it is now, without gradient",
        "stop(s[t])",
        source="Chen and He 2021, arXiv 2011.10566",
    ),
    Function(
        "l2",
        Kind.NORMALISER,
        "divides a latent by its Euclidean length",
        "l2(s[t])",
    ),
    Function(
        "avgl1",
        Kind.NORMALISER,
        "divides a latent by the mean of its absolute values",
        "avgl1(s[t])",
        source="Fujimoto et al. 2023, arXiv 2306.02451",
    ),
    Function(
        "simnorm",
        Kind.NORMALISER,
        "a softmax over each group of so many numbers of a latent",
        "simnorm(s[t], 8)",
        (Parameter("size", 8, Range(2, 512, whole=True)),),
        "Hansen et al. 2024, arXiv 2310.16828",
    ),
    Function(
        VALUE,
        Kind.ESTIMATE,
        "the agent's own estimate of a state, the least of its target critics; 0 if terminal; no gradient",
        "value(s[t+1])",
    ),
    Function(
        RETURN,
        Kind.SEQUENCE,
        "the discounted sum of a run of rewards, plus the discounted value of the state behind it",
        "return(r[t..t+2], value(s[t+3]), 0.99)",
        (DISCOUNT,),
    ),
    Function(
        ROLLOUT,
        Kind.SEQUENCE,
        "latents of the steps that follow, from a learned transition that is applied action by action",
        "rollout(s[t], a[t..t+4])",
        source="Schwarzer et al. 2021, arXiv 2007.05929",
    ),
)

FUNCTIONS: dict[str, Function] = {each.name: each for each in _TABLE}
"""The functions of the language by name; `registry.functions` holds registered ones too."""
