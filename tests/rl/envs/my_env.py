"""Environments as users write them; tests name them `my_env:NAME`."""

from __future__ import annotations

import os
import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Track(gymnasium.Env[Any, Any]):
    """Stay near the middle; going too far loses."""

    observation_space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, (2,))
    action_space: spaces.Space[Any] = spaces.Box(-2.0, 2.0, (1,))
    render_mode = "rgb_array"

    def __init__(self, length: int = 100, fault: str = "") -> None:
        self.length, self.fault = length, fault
        self.keep = lambda: self  # what can't be pickled
        print("made")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.speed, self.steps = self.np_random.uniform(-2, 2), 0.0, 0
        return self.seen() if self.fault == "reset" else (self.seen(), {})

    def step(self, action: Any) -> Any:
        print("step")
        self.steps += 1
        if self.fault == "raises" and self.steps == 3:
            raise ZeroDivisionError("three")
        if self.fault == "exits" and self.steps == 3:
            sys.exit("enough")
        if self.fault == "four":
            return self.seen(), 0.0, False, {}
        if self.fault == "reward":
            return self.seen(), "much", False, False, {}
        self.speed += 0.1 * self.push(action)
        self.place += 0.1 * self.speed
        lost = abs(self.place) > 4
        reward = np.nan if self.fault == "nan" and self.steps == 3 else 1.0 - abs(self.place) - 5.0 * lost
        return self.seen(), reward, lost, self.steps == self.length, {}

    def push(self, action: Any) -> float:
        return float(action[0])

    def seen(self) -> Any:
        return np.array([self.place, self.speed], np.float32)

    def render(self) -> Any:
        picture = np.zeros((40, 60, 3), np.uint8)
        picture[:, int(np.clip(30 + 7 * self.place, 0, 59))] = 255
        return picture


class Buttons(Track):
    """`Track` with three discrete actions."""

    action_space = spaces.Discrete(3, start=-1)

    def push(self, action: Any) -> float:
        return 2.0 * int(action)


class Seen(Track):
    """`Track` seen as a picture."""

    observation_space = spaces.Box(0, 255, (40, 60, 3), np.uint8)

    def seen(self) -> Any:
        return self.render()


class SeenButtons(Buttons):
    observation_space = Seen.observation_space
    seen = Seen.seen


class Unlike(Track):
    """Spaces that no agent can handle."""

    def __init__(self, which: str) -> None:
        super().__init__()
        if which == "text":
            self.observation_space = spaces.Text(5)
        elif which == "both":
            self.observation_space = spaces.Dict(
                {"state": Track.observation_space, "eye": Seen.observation_space}
            )
        elif which == "unbounded":
            self.action_space = spaces.Box(-np.inf, np.inf, (1,))
        elif which == "many":
            self.action_space = spaces.MultiDiscrete([2, 3])
        elif which == "none":
            self.action_space = None  # type: ignore[assignment]


class Loop(Track):
    """An episode that never ends by itself."""

    def step(self, action: Any) -> Any:
        return self.seen(), 0.0, False, False, {}


class Clock(Track):
    """An episode that isn't a function of its seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=int.from_bytes(os.urandom(4)))
        return self.seen(), {}


class Halved(gymnasium.RewardWrapper):
    def reward(self, reward: Any) -> Any:
        return reward / 2


def control() -> Any:
    """A `dm_env.Environment`."""
    from dm_control import suite

    return suite.load("cartpole", "swingup")


nothing = 5
