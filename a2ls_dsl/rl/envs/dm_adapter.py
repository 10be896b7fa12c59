"""A `dm_env.Environment` with Gymnasium's interface."""

from __future__ import annotations

import random
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from a2ls_dsl.diagnostics import A2lError


class DmAsGym(gymnasium.Env[Any, Any]):
    """Specs become spaces; a last step is terminated if its discount is 0, otherwise truncated.

    `reset` seeds `env.task.random`, which dm_control's environments have; without it, the global generators
    of numpy and Python.
    """

    def __init__(self, env: Any) -> None:
        self._env = env
        self.observation_space = _space(env.observation_spec())
        self.action_space = _space(env.action_spec())

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        words = np.random.SeedSequence(seed).generate_state(8)
        own = getattr(getattr(self._env, "task", None), "random", None)
        if isinstance(own, np.random.RandomState):
            own.seed(words)
        else:
            np.random.seed(words)
            random.seed(int(words[0]))
        return self._env.reset().observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        step = self._env.step(action)
        terminated = bool(step.last()) and step.discount == 0.0
        return (
            step.observation,
            float(step.reward or 0.0),
            terminated,
            bool(step.last()) and not terminated,
            {},
        )

    def render(self) -> Any:
        """The picture of `env.physics.render`. Raises `A2lError` without physics."""
        physics = getattr(self._env, "physics", None)
        if physics is None:
            raise A2lError("a dm_env.Environment without physics shows no frames", "train it from vectors")
        return physics.render(height=240, width=320)


def _space(spec: Any) -> spaces.Space[Any]:
    """The space of a spec, or of a dict or list of specs."""
    if hasattr(spec, "items"):
        return spaces.Dict({name: _space(part) for name, part in spec.items()})
    if isinstance(spec, list | tuple):
        return spaces.Tuple([_space(part) for part in spec])
    if hasattr(spec, "num_values"):
        return spaces.Discrete(int(spec.num_values))
    shape, kind = tuple(spec.shape), np.dtype(spec.dtype)
    if kind == np.bool_:
        return spaces.MultiBinary(shape or (1,))
    low, high = getattr(spec, "minimum", -np.inf), getattr(spec, "maximum", np.inf)
    if kind == np.uint8 and not hasattr(spec, "minimum"):
        low, high = 0, 255
    kind = kind if kind == np.uint8 else np.dtype(np.float32 if kind == np.float32 else np.float64)
    return spaces.Box(
        np.broadcast_to(low, shape).astype(kind), np.broadcast_to(high, shape).astype(kind), dtype=kind.type
    )
