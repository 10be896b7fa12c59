"""Learning curves: an evaluation is a point, and the mean of the points is the area under the curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Point:
    """One evaluation, after `frames` frames of training.

    returns: of its episodes, undiscounted; training_return: the mean over the training episodes since the
    evaluation before, NaN without any.
    """

    frames: int
    returns: tuple[float, ...]
    training_return: float

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A point from its fields as JSON has them."""
        return cls(**{**values, "returns": tuple(values["returns"])})

    @property
    def mean_return(self) -> float:
        """The mean over its episodes."""
        return math.fsum(self.returns) / len(self.returns)

    @property
    def with_training(self) -> float:
        """What a search's score counts: see the function of this name."""
        return with_training(self.mean_return, self.training_return)

    @property
    def return_std(self) -> float:
        """The standard deviation over its episodes."""
        return float(np.std(self.returns))


def with_training(evaluated: float, trained: float | None) -> float:
    """The mean of what evaluation episodes returned and of what training episodes did.

    Training episodes are many, and of many policies, so this says more of a run than a few evaluation
    episodes do; where none ended (NaN or None), it is what these returned.
    """
    return evaluated if trained is None or math.isnan(trained) else (evaluated + trained) / 2


def area(curve: Iterable[tuple[int, float]], after: int = 0, last: float = math.inf) -> float:
    """The area under a curve of (frames, return): the mean of its points after `after`, up to `last` frames.

    AULC (He et al. 2022), for points at equal distances. NaN without a point.
    """
    values = [value for frames, value in curve if after < frames <= last]
    return math.fsum(values) / len(values) if values else math.nan
