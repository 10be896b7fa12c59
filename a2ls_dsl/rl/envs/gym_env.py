"""One environment with Gymnasium's interface, from its registry or the user's own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.env import Step
from a2ls_dsl.rl.envs.facts import AskedTask
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.spaces import read_actions, read_observations, rendered, see_rendered

LIMIT = 1_000
"""Frames of an episode that nothing else ends; an endless episode would never be scored."""
SIZE = 84
"""The default side of a frame, in pixels."""
_STEP = "observation, reward, terminated, truncated, info"


class GymEnv:
    """Observations are flat float32 vectors, or single uint8 frames; actions in [-1, 1], or numbers.

    Numbers with bounds are mapped to [-1, 1]. With a `rendering`, observations are the rendered frames. An
    episode is cut (`last` but not `terminated`) after the limit of the task, that of
    `gymnasium.wrappers.TimeLimit`, or 1,000 frames; and if a number isn't finite, since a simulator fault
    isn't a rule of the task. Raises `A2lError` if the interface is broken, if no agent can handle the spaces,
    and for anything that the environment itself raises.
    """

    def __init__(self, task: AskedTask, env: Any, rendering: Rendering | None) -> None:
        self.task, self._env = task, env
        self._check_interface()
        size = rendering.size if rendering else SIZE
        self._do, self.action_size, self.discrete = read_actions(task.name, env.action_space)
        if rendering is None:
            self._see, self.observation_shape = read_observations(task.name, env.observation_space, size)
        else:
            self._see = see_rendered(task.name, env.render, size)
            self.observation_shape = (3, size, size)
        self.episode_frames = task.episode_frames or _time_limit(env) or LIMIT
        self._frames, self._last, self.cut = 0, True, ""
        self._observation = self.reset(0)
        self._last = True

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode of `seed` (0 to 2**64 - 1); returns its first observation."""
        with self._explained("reset"):
            given = self._env.reset(seed=int(seed))
        if not isinstance(given, tuple) or len(given) != 2:
            raise self._broken(f"reset returned {_what(given)}, not (observation, info)")
        self._frames, self._last = 0, False
        self._observation = self._seen(given[0])
        if not np.isfinite(self._observation).all():
            raise self._broken("reset returned an observation with a number that isn't finite")
        return self._observation.copy()

    def step(self, action: Any) -> Step:
        """Repeat the action for `action_repeat` frames, or until the episode ends.

        After the end, a step does nothing and is the last one again: an episode that is replayed may be
        shorter if the environment isn't a function of its seed. A reward or an observation that isn't finite
        cuts the episode; `cut` then says which.
        """
        if self._last:
            return Step(self._observation.copy(), 0.0, False, True)
        taken, total, terminated, truncated = self._do(action), 0.0, False, False
        observation = None
        for _ in range(self.task.action_repeat):
            with self._explained("step"):
                given = self._env.step(taken)
            if not isinstance(given, tuple) or len(given) != 5:
                raise self._broken(f"step returned {_what(given)}, not ({_STEP})")
            observation, reward, terminated, truncated, _ = given
            try:
                total += float(reward)
            except (TypeError, ValueError):
                raise self._broken(f"step returned the reward {reward!r}, which is not a number") from None
            self._frames += 1
            truncated = bool(truncated) or self._frames >= self.episode_frames
            if terminated or truncated:
                break
        seen = self._seen(observation)
        if not (np.isfinite(total) and np.isfinite(seen).all()):
            what = "an observation" if np.isfinite(total) else "a reward"
            self._last, self.cut = True, f"frame {self._frames} of an episode gave {what} that isn't finite"
            return Step(self._observation.copy(), total if np.isfinite(total) else 0.0, False, True)
        self._observation, self._last = seen, bool(terminated) or truncated
        return Step(seen.copy(), total, bool(terminated), self._last)

    def screen(self) -> NDArray[np.uint8]:
        """See `Env.screen`."""
        with self._explained("render"):
            return rendered(self.task.name, self._env.render)

    def _seen(self, observation: Any) -> NDArray[Any]:
        with self._explained("reading its observation"):
            return self._see(observation)

    def _check_interface(self) -> None:
        env = self._env
        for name in ("observation_space", "action_space"):
            space = getattr(env, name, None)
            if not isinstance(space, gymnasium.Space):
                raise self._broken(f"its {name} is {_what(space)}, not a gymnasium.Space")
        for name in ("reset", "step"):
            if not callable(getattr(env, name, None)):
                raise self._broken(f"it has no {name}")

    def _broken(self, how: str) -> A2lError:
        return A2lError(
            f"it breaks the interface of a gymnasium.Env: {how}",
            f"`a2l doctor --env {self.task.name}` tries it alone; docs/training.md has an example",
        )

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        with explained(self.task.name, doing):
            yield


@contextmanager
def explained(env: str, doing: str) -> Iterator[None]:
    """Turn any exception of foreign code into an `A2lError` that says what was raised, and where."""
    try:
        yield
    except A2lError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            frame for frame in frames[1:] if not frame.filename.startswith((sys.prefix, sys.base_prefix, "<"))
        ]
        last = (own or frames)[-1]  # prefer a line of the user's code to one of a library
        cause = " ".join(traceback.format_exception_only(error)[-1].split())
        raise A2lError(
            f"{doing} raised {cause} ({last.filename}, line {last.lineno}, in {last.name})",
            f"fix it there; `a2l doctor --env {env}` tries it alone",
        ) from error


def _time_limit(env: Any) -> int | None:
    """The limit of `gymnasium.wrappers.TimeLimit`, wherever it is among the wrappers."""
    while env is not None:
        if limit := getattr(getattr(env, "spec", None), "max_episode_steps", None) or vars(env).get(
            "_max_episode_steps"
        ):
            return int(limit)
        env = vars(env).get("env")
    return None


def _what(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, tuple) else f"a {type(value).__name__}"
