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

HEAD, PROJECTOR, TRANSITION = "head", "projector", "transition"
"""The options whose value is not a number but a learned map: see `words/maps.py`."""
HIDDEN = "hidden"
"""What hidden layers are to a program that several maps share."""

DECAY, BINS, SMOOTHING, TEMPERATURE = "decay", "bins", "smoothing", "temperature"
"""Options that mean something to the compiler: see `Operator`."""

PREDICTOR, PLAIN, LINEAR, NONE = "predictor", "plain", "linear", "none"
"""The head by default, the transition by default, one linear layer, and the word for having no map."""
