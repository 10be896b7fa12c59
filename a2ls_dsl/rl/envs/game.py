"""An Atari 2600 game as a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.rl.envs.task import PIXELS, Task, join_name

BACK_ENDS = ("ale-py", "atari-py")
"""The packages that emulate Atari games."""

# Half an hour of play at 60 frames a second (Mnih et al. 2015), and frames per agent step.
GAME_FRAMES, FRAME_SKIP = 108_000, 4

# Arguments after a game's name: the field that each sets, and its usual value.
ARGUMENTS = {"ale": "back_end", "noops": "noops", "sticky": "sticky"}
USUAL: dict[str, Any] = {"ale": BACK_ENDS[0], "noops": 30, "sticky": 0.0}


@dataclass(frozen=True)
class Game(Task):
    """An Atari 2600 game: `task` is its plain name, `episode_frames` the limit after which a game is cut.

    noops: a game begins with 1 to `noops` frames of doing nothing, 0 for none (Mnih et al. 2015); sticky: the
    probability that a frame repeats the action of the frame before (Machado et al. 2018), 0 in Atari-100k;
    back_end: the package that emulates, ale-py or atari-py.
    """

    suite: ClassVar[str] = "atari"

    noops: int = 30
    sticky: float = 0.0
    back_end: str = "ale-py"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noops < 0 or not 0.0 <= self.sticky < 1.0:
            raise A2lError(
                f"{self.name} can't begin with {self.noops} frames of nothing, or repeat an action with "
                f"probability {self.sticky}",
                "use 0 frames or more, and a probability from 0 to below 1",
            )
        if self.back_end not in BACK_ENDS:
            raise unknown("package that emulates Atari", self.back_end, BACK_ENDS)

    @property
    def name(self) -> str:
        """The game's plain name, `MsPacman`, with its unusual arguments: `Pong?sticky=0.25`."""
        own = {key: getattr(self, field) for key, field in ARGUMENTS.items()}
        return join_name(self.task, {key: own[key] for key in own if own[key] != USUAL[key]})

    @property
    def discrete(self) -> bool:
        """Actions are the numbers of the game's own actions."""
        return True

    @property
    def observations(self) -> tuple[str, ...]:
        """Frames of the emulator."""
        return (PIXELS,)
