"""The table of operators: how many sets one takes and of what, whether it has a head, its options.

An operator that takes part in files only once it was registered is an entry like these (`registry.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from a2ls_dsl.lang.numbers import POSITIVE_SHARE, Range


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
    """What has to be there for an option to mean anything."""

    NOTHING = ""
    NEGATIVES = "against batch"
    ROLLOUT = "a rollout in the source"


@dataclass(frozen=True)
class NumberOption:
    """An option of an operator that is a number."""

    name: str
    default: float
    range: Range
    summary: str
    needs: Needs = Needs.NOTHING


@dataclass(frozen=True)
class Operator:
    """An entry of the table.

    summary: one line. unary: of one set. head: whether a learned head maps the source row onto the target
    row; without one, the rows themselves are compared. anchored: the term can't be made small by encoding
    every state as the same latent. pairwise: it compares pairs of samples of the batch.
    """

    name: str
    summary: str
    unary: bool = False
    negatives: Negatives = Negatives.NEVER
    sets: Sets = Sets.ANY
    head: bool = True
    needs_head: bool = False
    anchored: bool = False
    pairwise: bool = False
    options: tuple[NumberOption, ...] = ()
    source: str = ""

    def option(self, name: str) -> NumberOption | None:
        """The numeric option of a name."""
        return next((each for each in self.options if each.name == name), None)


HEAD = "head"
"""The one option whose value is no number; see `HEADS`."""

HEADS = {
    "predictor": "the predictor of He et al. 2022, the default",
    "none": "no head: the rows themselves are compared, so they are alike",
    "linear": "one linear layer",
    "mlp": "hidden layers of these widths with ReLU, then a linear layer: mlp(256), mlp(512, 512)",
}
PREDICTOR, NONE, LINEAR, MLP = HEADS

LAYER = Range(1, 8192, whole=True)
MAX_LAYERS = 8

COSINE, INFONCE = "cosine", "infonce"
DECAY, TEMPERATURE = "decay", "temperature"

_DECAY = NumberOption(
    DECAY, 1, POSITIVE_SHARE, "the i-th step of a rollout counts decay^i, from i = 0", Needs.ROLLOUT
)
_WARMTH = Range(0.001, 1000)  # colder, the softmax is a maximum and its logits overflow
_TEMPERATURE = NumberOption(
    TEMPERATURE, 1, _WARMTH, "similarities are divided by it before the softmax", Needs.NEGATIVES
)
_COLD = NumberOption(TEMPERATURE, 0.1, _WARMTH, "similarities are divided by it before the softmax")
_BINS = NumberOption(
    "bins", 65, Range(2, 1001, whole=True), "how many bins each number of the target is spread over"
)
_REDUNDANCY = NumberOption(
    "redundancy", 0.005, Range(0, 1000, above=True), "the weight of the correlations off the diagonal"
)
_DISCOUNT = NumberOption("discount", 0.99, Range(0, 1, below=True), "the weight of the next states' distance")

_A2LS = "He et al. 2022, arXiv 2210.06041"
_VICREG = "Bardes et al. 2022, arXiv 2105.04906"

_TABLE = (
    Operator("mse", "mean squared error", negatives=Negatives.ON_REQUEST, options=(_DECAY,), source=_A2LS),
    Operator(
        "nmse",
        "mean squared error of rows of length 1",
        negatives=Negatives.ON_REQUEST,
        options=(_DECAY,),
        source=_A2LS,
    ),
    Operator(
        "inner",
        "inner product, in a softmax",
        negatives=Negatives.ON_REQUEST,
        options=(_TEMPERATURE, _DECAY),
        source=_A2LS,
    ),
    Operator(
        "bilinear",
        "bilinear form with a learned matrix, in a softmax",
        negatives=Negatives.ON_REQUEST,
        options=(_TEMPERATURE, _DECAY),
        source=_A2LS,
    ),
    Operator(
        COSINE,
        "inner product of rows of length 1, in a softmax",
        negatives=Negatives.ON_REQUEST,
        options=(_TEMPERATURE, _DECAY),
        source=_A2LS,
    ),
    Operator("huber", "squared error near 0, absolute error beyond 1", options=(_DECAY,)),
    Operator(
        "ce",
        "cross-entropy; each number of the target is spread over two neighbouring bins",
        sets=Sets.DATA_TARGET,
        needs_head=True,
        options=(_BINS, _DECAY),
        source="Bellemare et al. 2017, arXiv 1707.06887",
    ),
    Operator(
        INFONCE,
        "cosine over a temperature, in a softmax over the batch",
        negatives=Negatives.ALWAYS,
        anchored=True,
        options=(_COLD, _DECAY),
        source="van den Oord et al. 2018, arXiv 1807.03748",
    ),
    Operator(
        "variance",
        "how far the deviation of each number of a latent over the batch lies below 1",
        unary=True,
        sets=Sets.LATENTS,
        head=False,
        anchored=True,
        source=_VICREG,
    ),
    Operator(
        "covariance",
        "squared covariances of different numbers of a latent over the batch",
        unary=True,
        sets=Sets.LATENTS,
        head=False,
        source=_VICREG,
    ),
    Operator(
        "barlow",
        "how far the cross-correlation of two latents over the batch lies from the identity",
        sets=Sets.LATENTS,
        head=False,
        anchored=True,
        options=(_REDUNDANCY, _DECAY),
        source="Zbontar et al. 2021, arXiv 2103.03230",
    ),
    Operator(
        "mico",
        "diffuse distance of two states against that of their rewards and next states",
        sets=Sets.TRANSITION,
        head=False,
        pairwise=True,
        options=(_DISCOUNT,),
        source="Castro et al. 2021, arXiv 2106.08229",
    ),
    Operator(
        "bisim",
        "L1 distance of two states against that of their rewards and next states",
        sets=Sets.TRANSITION,
        head=False,
        pairwise=True,
        options=(_DISCOUNT,),
        source="Zhang et al. 2021, arXiv 2006.10742",
    ),
)

OPERATORS: dict[str, Operator] = {each.name: each for each in _TABLE}
"""The operators of the language by name; `registry.operators` holds registered ones too."""

PAPER_OPERATORS = ("mse", "nmse", "inner", "bilinear", "cosine")
"""The operators of He et al. 2022; each also stands with `against batch`: ten in all."""
