"""Every number of an agent's settings has a range, and nothing beyond it is taken."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.agents import ALGORITHMS
from a2ls_dsl.rl.settings import EvaluationSettings

UNBOUNDED = {"target_entropy"}
SETTINGS = [*(algorithm.settings for algorithm in ALGORITHMS.values()), EvaluationSettings]


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_no_number_is_taken_that_means_nothing(kind: Any) -> None:
    settings = kind()
    for field in fields(kind):
        value = getattr(settings, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if field.name in UNBOUNDED:
            continue
        low, high = kind.ranges[field.name]
        for wrong in (low - 1, high + 1, math.nan):
            with pytest.raises(A2lError, match=f" is {wrong}"):
                replace(settings, **{field.name: wrong})
