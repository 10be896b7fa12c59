"""Atari 2600 games as tasks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from a2ls_dsl.diagnostics import A2lError, near, unknown
from a2ls_dsl.rl.envs.games import GAMES, game_key
from a2ls_dsl.rl.envs.packages import installed
from a2ls_dsl.rl.envs.suite import Protocol, Suite, Way
from a2ls_dsl.rl.envs.task import PIXELS, Arguments, Task, join_name
from a2ls_dsl.rl.scores import has_human_score, human_normalised

if TYPE_CHECKING:
    from a2ls_dsl.rl.envs.atari import AtariEnv
    from a2ls_dsl.rl.envs.rendering import Rendering

BACK_ENDS = ("ale-py", "atari-py")
"""The packages that emulate Atari games."""

# Half an hour of play at 60 frames a second (Mnih et al. 2015), and frames per agent step.
_GAME_FRAMES, _FRAME_SKIP = 108_000, 4

# What may stand behind a game's name: the field that it is, and what it usually is.
_ARGUMENTS = {"ale": "back_end", "noops": "noops", "sticky": "sticky"}
_USUAL: dict[str, Any] = {"ale": BACK_ENDS[0], "noops": 30, "sticky": 0.0}


@dataclass(frozen=True)
class Game(Task):
    """An Atari 2600 game: `task` is its plain name, `episode_frames` the limit after which a game is cut.

    noops: a game begins with 1 to so many frames of doing nothing, 0 for none (Mnih et al. 2015); sticky: the
    probability that a frame repeats the action of the frame before (Machado et al. 2018), which Atari-100k
    doesn't use; back_end: the package that emulates, ale-py or atari-py.
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
        """The game's plain name, `MsPacman`, and what is unusual: `Pong?sticky=0.25`."""
        own = {key: getattr(self, field) for key, field in _ARGUMENTS.items()}
        return join_name(self.task, {key: own[key] for key in own if own[key] != _USUAL[key]})

    @property
    def discrete(self) -> bool:
        """An action is the number of one of the game's own actions."""
        return True

    @property
    def observations(self) -> tuple[str, ...]:
        """Frames of the emulator."""
        return (PIXELS,)


class Atari(Suite):
    """The games as an entry. They need no prefix, and are found by ids of Gymnasium, too: `ALE/Pong-v5`."""

    name = Game.suite
    title = "Atari"
    prefixed = False
    task_type = Game
    # Atari-100k: so many frames are 100,000 agent steps.
    protocol = Protocol(frames=400_000, eval_every=40_000, quick_frames=2_000)

    def find(self, name: str, arguments: Arguments) -> Task | None:
        """See `Suite.find`; arguments: `ale`, the package that emulates, `sticky`, `noops`."""
        game = _GAMES.get(game_key(name))
        if game is None:
            return None
        for key, value in arguments.items():
            if key not in _ARGUMENTS:
                raise unknown("argument of an Atari game", key, _ARGUMENTS)
            kind = type(_USUAL[key])
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise A2lError(
                    f"the argument `{key}` of {game.task} can't be {value!r}", f"it is {_USUAL[key]!r}, say"
                )
        return replace(game, **{_ARGUMENTS[key]: value for key, value in arguments.items()})

    def make(
        self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False
    ) -> AtariEnv:
        """See `AtariEnv`."""
        from a2ls_dsl.rl.envs.atari import AtariEnv

        assert isinstance(task, Game)
        return AtariEnv(task, rendering.size if rendering else AtariEnv.SIZE, life_loss)

    def tasks(self) -> tuple[Task, ...]:
        """The 26 of Atari-100k, and one whose ROM is free."""
        return tuple(_GAMES.values())

    def nearest(self, name: str) -> str | None:
        """See `Suite.nearest`."""
        guess = near(game_key(name), _GAMES)
        return _GAMES[guess].name if guess else None

    def hint(self, name: str) -> str:
        """All games, to an id of Gymnasium."""
        return f"the games are {', '.join(GAMES)}" if name.strip().lower().startswith("ale/") else ""

    @property
    def listing(self) -> str:
        """The games."""
        return f"a game of Atari-100k, as Pong: the games are {', '.join(GAMES)}"

    def ways(self, task: Task) -> tuple[Way, ...]:
        """With each emulator that is installed."""
        there = [each for each in BACK_ENDS if find_spec(each.replace("-", "_"))]
        return tuple(Way(each, emulated_by(task, each), PIXELS) for each in there)

    def scores(self, task: Task, mean_return: float) -> dict[str, float]:
        """Where a human's score is known: the mean return on that scale."""
        if not has_human_score(task.task):
            return {}
        return {"human_normalised": human_normalised(task.task, mean_return)}

    def conditions(self, task: Task) -> str:
        """How games begin and end, and what emulates them."""
        assert isinstance(task, Game)
        begin = f"begins with 1 to {task.noops} frames of nothing" if task.noops else "begins at once"
        sticky = f"actions stick with probability {task.sticky}" if task.sticky else "no sticky actions"
        return (
            f"each game {begin} and is cut after {task.episode_frames:,} frames; {sticky}; emulated by "
            f"{task.back_end} {installed(task.back_end)}. In training a lost life ends an episode"
        )

    def identity(self, task: Task) -> dict[str, Any]:
        """All that a game is."""
        return {"game": asdict(task)}


def emulated_by(task: Task, back_end: str | None) -> Task:
    """The same game, played by another package; None changes nothing.

    Raises `A2lError` for what is no game, or no such package.
    """
    if back_end is None:
        return task
    if not isinstance(task, Game):
        raise A2lError(f"{task.name} is no Atari game: `{back_end}` would emulate nothing", "leave it out")
    return replace(task, back_end=back_end)


_GAMES: dict[str, Game] = {game_key(game): Game("atari", game, _FRAME_SKIP, _GAME_FRAMES) for game in GAMES}
