"""The words that no entry adds: streams, keywords, and the names of maps, options and schedules."""

from __future__ import annotations

from enum import StrEnum


class Stream(StrEnum):
    """The streams of a trajectory, in canonical order."""

    STATE = "s"
    ACTION = "a"
    REWARD = "r"
    RAW = "o"
    """The observation as data: a vector unchanged; of frames the newest one, small and in 0..1."""
    DONE = "done"
    """1 where the step's state is terminal by the task's own rules, else 0."""


KEYWORDS = ("loss", "import", "against", "batch", "with", "as")
"""Reserved words; nothing may have such a name."""

SCHEDULE = "linear"

HEAD, PROJECTOR, TRANSITION = "head", "projector", "transition"
"""The options whose value is not a number but a learned map: see `words/maps.py`."""
HIDDEN = "hidden"
"""The role of hidden layers that several maps share."""

DECAY, TEMPERATURE = "decay", "temperature"
SPREAD = BINS, LOW, HIGH, SMOOTHING = "bins", "low", "high", "smoothing"
"""Options with a meaning for the compiler: see `Operator`."""

PREDICTOR, PLAIN, LINEAR, NONE = "predictor", "plain", "linear", "none"
"""The default head, the default transition, one linear layer, and the word for no map at all."""
