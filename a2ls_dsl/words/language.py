"""The words that no entry adds: streams, keywords, and what heads and schedules are called."""

from __future__ import annotations

from enum import StrEnum


class Stream(StrEnum):
    """What a trajectory consists of; the order is the canonical one."""

    STATE = "s"
    ACTION = "a"
    REWARD = "r"
    RAW = "o"
    """The observation as data: a vector as it is, of frames the newest one, small and in 0..1."""
    DONE = "done"
    """1 where the step's state is terminal by the task's own rules, else 0."""


KEYWORDS = ("loss", "import", "against", "batch", "with", "as")
"""Words of the language; nothing can have such a name."""

SCHEDULE = "linear"

HEAD = "head"
"""The one option whose value is not a number: the name of a head."""

DECAY, BINS, SMOOTHING, TEMPERATURE = "decay", "bins", "smoothing", "temperature"
"""Options that mean something to the compiler: see `Operator`."""

PREDICTOR, NONE = "predictor", "none"
"""The head by default, and the word for having none."""
