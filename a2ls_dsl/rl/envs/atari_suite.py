"""Atari 2600 games as tasks."""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from a2ls_dsl.diagnostics import A2lError, near, unknown
from a2ls_dsl.rl.envs.game import ARGUMENTS, BACK_ENDS, FRAME_SKIP, GAME_FRAMES, USUAL, Game
from a2ls_dsl.rl.envs.games import GAMES, game_key
from a2ls_dsl.rl.envs.packages import installed
from a2ls_dsl.rl.envs.scores import has_human_score, human_normalised
from a2ls_dsl.rl.envs.suite import Protocol, Suite, Way
from a2ls_dsl.rl.envs.task import PIXELS, Arguments, Task

if TYPE_CHECKING:
    from a2ls_dsl.rl.envs.atari import AtariEnv
    from a2ls_dsl.rl.envs.rendering import Rendering


class Atari(Suite):
    """The Atari games. They need no prefix; ids of Gymnasium such as `ALE/Pong-v5` work too."""

    name = Game.suite
    title = "Atari"
    prefixed = False
    task_type = Game
    # Atari-100k: 400,000 frames are 100,000 agent steps.
    protocol = Protocol(frames=400_000, eval_every=40_000, quick_frames=2_000)

    def find(self, name: str, arguments: Arguments) -> Task | None:
        """See `Suite.find`; arguments: `ale` (the emulator package), `sticky`, `noops`."""
        game = _GAMES.get(game_key(name))
        if game is None:
            return None
        for key, value in arguments.items():
            if key not in ARGUMENTS:
                raise unknown("argument of an Atari game", key, ARGUMENTS)
            kind = type(USUAL[key])
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise A2lError(
                    f"the argument `{key}` of {game.task} can't be {value!r}",
                    f"give it a value such as {USUAL[key]!r}",
                )
        return replace(game, **{ARGUMENTS[key]: value for key, value in arguments.items()})

    def make(
        self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False
    ) -> AtariEnv:
        """See `AtariEnv`."""
        from a2ls_dsl.rl.envs.atari import AtariEnv

        assert isinstance(task, Game)
        return AtariEnv(task, rendering.size if rendering else AtariEnv.SIZE, life_loss)

    def tasks(self) -> tuple[Task, ...]:
        """The 26 games of Atari-100k, and one whose ROM is free."""
        return tuple(_GAMES.values())

    def nearest(self, name: str) -> str | None:
        """See `Suite.nearest`."""
        guess = near(game_key(name), _GAMES)
        return _GAMES[guess].name if guess else None

    def hint(self, name: str) -> str:
        """All games, if `name` looks like an id of Gymnasium."""
        return f"the games are {', '.join(GAMES)}" if name.strip().lower().startswith("ale/") else ""

    @property
    def listing(self) -> str:
        """The games."""
        return f"a game of Atari-100k, as Pong: the games are {', '.join(GAMES)}"

    def ways(self, task: Task) -> tuple[Way, ...]:
        """One for each installed emulator."""
        packages = [package for package in BACK_ENDS if find_spec(package.replace("-", "_"))]
        return tuple(Way(package, emulated_by(task, package), PIXELS) for package in packages)

    def scores(self, task: Task, mean_return: float) -> dict[str, float]:
        """The human-normalised mean return, for games with a published human score."""
        if not has_human_score(task.task):
            return {}
        return {"human_normalised": human_normalised(task.task, mean_return)}

    def conditions(self, task: Task) -> str:
        """How games begin and end, and which package emulates them."""
        assert isinstance(task, Game)
        begin = f"begins with 1 to {task.noops} frames of nothing" if task.noops else "begins at once"
        sticky = f"actions stick with probability {task.sticky}" if task.sticky else "no sticky actions"
        return (
            f"each game {begin} and is cut after {task.episode_frames:,} frames; {sticky}; emulated by "
            f"{task.back_end} {installed(task.back_end)}. In training a lost life ends an episode"
        )

    def identity(self, task: Task) -> dict[str, Any]:
        """All fields of the game."""
        return {"game": asdict(task)}


def emulated_by(task: Task, back_end: str | None) -> Task:
    """The same game, played by another package; None changes nothing.

    Raises `A2lError` if the task is not a game, or there is no such package.
    """
    if back_end is None:
        return task
    if not isinstance(task, Game):
        raise A2lError(
            f"{task.name} is not an Atari game: `{back_end}` would emulate nothing", "leave it out"
        )
    return replace(task, back_end=back_end)


_GAMES: dict[str, Game] = {game_key(game): Game("atari", game, FRAME_SKIP, GAME_FRAMES) for game in GAMES}
