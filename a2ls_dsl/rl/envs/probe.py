"""Checks that `a2l doctor` runs in a separate process: do physics, a renderer and Atari work here?

`python -m a2ls_dsl.rl.envs.probe physics` (or `render`, `ale-py`, `atari-py`) prints one line of JSON. A
broken environment library may crash its process, and a renderer must be chosen before the first import.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.game import BACK_ENDS, Game
from a2ls_dsl.rl.envs.packages import installed
from a2ls_dsl.rl.envs.rendering import Camera, Rendering
from a2ls_dsl.rl.envs.tasks import find_task

_SECONDS = 0.5


def physics() -> dict[str, str | float]:
    """Plays walker-walk for half a second: the versions in use and `speed` in frames/s."""
    env = DmcEnv(find_task("walker-walk"))
    env.reset(0)
    action = np.zeros(env.action_size, np.float32)
    seeds = iter(range(1, 10**6))

    def frames() -> int:
        if env.step(action).last:
            env.reset(next(seeds))
        return env.task.action_repeat

    return {
        "dm_control": installed("dm-control"),
        "mujoco": installed("mujoco"),
        "speed": _per_second(frames),
    }


def render() -> dict[str, str | float]:
    """Renders walker-walk with the renderer that MUJOCO_GL names: its `vendor`, and `speed` in frames/s."""
    from dm_control import suite
    from OpenGL import GL  # type: ignore[import-untyped]

    scene = suite.load("walker", "walk").physics
    camera = Camera(scene, Rendering())
    with scene.contexts.gl.make_current() as context:
        vendor = [context.call(GL.glGetString, name).decode() for name in (GL.GL_VENDOR, GL.GL_RENDERER)]

    def frames() -> int:
        camera.frame()
        return 1

    return {"vendor": ", ".join(vendor), "speed": _per_second(frames)}


def atari(back_end: str) -> dict[str, str | float]:
    """Plays Pong for half a second: the `version` in use, `speed` in frames/s, and how many `games` load."""
    from a2ls_dsl.rl.envs.atari import AtariEnv
    from a2ls_dsl.rl.envs.emulator import check_rom
    from a2ls_dsl.rl.envs.games import ATARI_100K

    game = find_task("Pong")
    assert isinstance(game, Game)
    env = AtariEnv(replace(game, back_end=back_end))
    env.reset(0)
    for name in ATARI_100K:
        check_rom(name)
    seeds = iter(range(1, 10**6))

    def frames() -> int:
        if env.step(np.int64(0)).last:
            env.reset(next(seeds))
        return game.action_repeat

    return {"version": installed(back_end), "games": len(ATARI_100K), "speed": _per_second(frames)}


def _per_second(frames: Callable[[], int]) -> float:
    start, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < _SECONDS:
        count += frames()
    return count / elapsed


def main(subject: str) -> None:
    """Print the results, or `error` and `fix`."""
    try:
        report = atari(subject) if subject in BACK_ENDS else {"physics": physics, "render": render}[subject]()
    except A2lError as error:
        report = {"error": error.message, "fix": error.fix}
    except Exception as error:  # noqa: BLE001  (the doctor reports whatever is wrong)
        report = {"error": f"{type(error).__name__}: {error}", "fix": ""}
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
