"""One DeepMind Control environment, seen as vectors or as frames.

An episode is a pure function of its seed and actions: all of dm_control's randomness is re-seeded at its
start. A run that resumes at the start of an episode therefore needs no stored environment state.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.env import Step
from a2ls_dsl.rl.envs.packages import installed
from a2ls_dsl.rl.envs.rendering import Camera, Rendering, render_screen, use_renderer
from a2ls_dsl.rl.envs.task import Task

INSTALL = "pip install 'dm-control==1.0.50' 'mujoco>=3.17,<3.18'"
LAST_PYTHON = (3, 12)
"""The last version of Python for which all requirements of dm-control have wheels."""
REINSTALL = f"pip uninstall -y mujoco mujoco-core mujoco-studio && {INSTALL}"


class DmcEnv:
    """A task of the DeepMind Control suite: actions in [-1, 1], action repeat.

    Observations are flat float32 vectors, or with a `rendering` single uint8 frames, one per agent step.
    Raises A2lError with a fix if dm_control can't be used, or can't render.
    """

    def __init__(self, task: Task, rendering: Rendering | None = None) -> None:
        self.task = task
        self._env: Any = _load(task, rendering)
        # dm_control would observe every frame of a repeated action; only the last is needed, and only once.
        self._observe = self._env.task.get_observation
        self._env.task.get_observation = _skip_observation
        self._camera = Camera(self._env.physics, rendering) if rendering is not None else None
        self._diverged = _physics_error()
        spec = self._env.action_spec()
        self._middle = (spec.maximum + spec.minimum) / 2.0
        self._half_width = (spec.maximum - spec.minimum) / 2.0
        self._last = True
        self._left = 0
        self._env.reset()
        self._observation = self._see()

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """(numbers,) of a vector, or (3, size, size) of a frame."""
        return self._observation.shape

    @property
    def discrete(self) -> bool:
        """Actions are vectors."""
        return False

    @property
    def action_size(self) -> int:
        """Length of an action."""
        return int(self._middle.size)

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode of `seed` (0 to 2**64 - 1); returns its first observation."""
        # `task.random` is the only generator the suite draws from, and a reset clears all of MuJoCo's
        # state, warm start included. The sequence spreads neighbouring and 64-bit seeds over the state.
        self._env.task.random.seed(np.random.SeedSequence(seed).generate_state(8))
        self._env.reset()
        self._observation = self._see()
        self._last, self._left = False, self.task.episode_frames
        return self._observation.copy()

    def step(self, action: NDArray[np.float32]) -> Step:
        """Repeat `action` (act,) in [-1, 1] for `action_repeat` frames, or until the episode ends.

        If the simulation diverges, or an action is not finite, the episode ends with the observation before
        this step and the reward up to that frame: `last` but not `terminated`, since a simulator fault isn't
        a rule of the task. So a diverged policy can't stop the others that train beside it.
        """
        if self._last:
            raise A2lError(f"the episode of {self.task.name} is over", "reset the environment first")
        if not np.isfinite(action).all():
            return self._cut(0.0)
        control = self._middle + self._half_width * np.clip(action, -1.0, 1.0)
        reward = 0.0
        for _ in range(self.task.action_repeat):
            try:
                time_step = self._env.step(control)
            except self._diverged:
                return self._cut(reward)
            reward += float(time_step.reward)
            self._left -= 1
            if time_step.last() or not self._left:
                break
        self._observation = self._see()
        terminated = bool(time_step.last()) and time_step.discount == 0.0
        self._last = bool(time_step.last()) or not self._left
        return Step(self._observation.copy(), reward, terminated, self._last)

    def screen(self) -> NDArray[np.uint8]:
        """See `Env.screen`: the view of the task's first camera."""
        return render_screen(self._env.physics)

    def _see(self) -> NDArray[Any]:
        if self._camera is not None:
            return self._camera.frame()
        return _flat(self._observe(self._env.physics))

    def _cut(self, reward: float) -> Step:
        """End the episode after a fault of the simulation."""
        self._last = True
        return Step(self._observation.copy(), reward, terminated=False, last=True)


def _skip_observation(physics: Any) -> dict[str, Any]:
    """The observation of a frame that is not observed."""
    return {}


def _flat(observation: dict[str, Any]) -> NDArray[np.float32]:
    """The parts of an observation, in dm_control's order, as one float32 vector."""
    return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float32)


def _load(task: Task, rendering: Rendering | None) -> Any:
    """dm_control's environment for a task. Any failure becomes an A2lError with a fix."""
    if rendering is not None:
        use_renderer()
    try:
        with _without_renderer() if rendering is None else nullcontext():
            from dm_control import suite
        with _quiet_model_compiler():
            return suite.load(task.domain, task.task)
    except Exception as error:
        raise _unusable(error) from error


def _physics_error() -> type[Exception]:
    """The error that dm_control raises when a simulation diverges."""
    from dm_control.rl.control import PhysicsError

    error: type[Exception] = PhysicsError
    return error


@contextmanager
def _without_renderer() -> Iterator[None]:
    """Keep dm_control's import away from OpenGL, unless the user has chosen a renderer.

    dm_control and mujoco read MUJOCO_GL while they are imported. It is unset afterwards, so that processes
    started later, which may need to render, don't inherit it.
    """
    if "MUJOCO_GL" in os.environ:
        yield
        return
    os.environ["MUJOCO_GL"] = "disable"
    try:
        yield
    finally:
        os.environ.pop("MUJOCO_GL", None)


@contextmanager
def _quiet_model_compiler() -> Iterator[None]:
    """Hide MuJoCo's deprecation warnings about dm_control's own model files, which users can't act on."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _unusable(error: Exception) -> A2lError:
    """The error for a dm_control that can't be imported, or can't load a task."""
    if isinstance(error, ModuleNotFoundError) and error.name in ("dm_control", "mujoco"):
        return A2lError(f"the package {error.name} is not installed", how_to_install(sys.version_info[:2]))
    version = installed("mujoco")
    cause = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    if not version.startswith("3.17."):
        return A2lError(f"dm_control does not work with mujoco {version} ({cause})", REINSTALL)
    if "MUJOCO_GL" in os.environ:
        chosen = os.environ["MUJOCO_GL"]
        fix = "unset MUJOCO_GL, or see `a2l doctor` for the renderers that work"
        return A2lError(f"dm_control does not work with MUJOCO_GL={chosen} ({cause})", fix)
    return A2lError(f"dm_control does not work here ({cause})", REINSTALL)


def how_to_install(python: tuple[int, int]) -> str:
    """How to install DeepMind Control for this version of Python."""
    if python <= LAST_PYTHON:
        return INSTALL
    last = ".".join(map(str, LAST_PYTHON))
    return f"use Python {last}: dm-control requires labmaze, which has no wheels for later versions"
