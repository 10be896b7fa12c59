"""One Atari 2600 game, seen as frames, with the usual pre-processing.

It is that of Mnih et al. 2015, as used by Atari-100k (Kaiser et al. 2019, van Hasselt et al. 2019): every
action lasts 4 frames; the observation is the maximum of the last two in grey (the emulator's luminance),
resized to 84 x 84 by area, like OpenCV's INTER_AREA. Actions are the game's own (the minimal set), no button
is pressed to start a game, and rewards are not clipped (Rainbow's replay clips them).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.emulator import NOTHING, actions_of, load_game
from a2ls_dsl.rl.envs.env import Step
from a2ls_dsl.rl.envs.frames import area_weights
from a2ls_dsl.rl.envs.game import Game


class AtariEnv:
    """A game whose actions are numbers; observations are single frames (1, size, size) uint8.

    life_loss: whether a lost life ends the episode, while the game goes on (see `Step`). Episodes differ in
    the number of no-ops that they begin with, which the seed determines. Raises A2lError with a fix if the
    game can't be played.
    """

    SIZE = 84

    def __init__(self, game: Game, size: int = SIZE, life_loss: bool = False) -> None:
        self.task, self.life_loss = game, life_loss
        self._ale: Any = load_game(game)
        self._actions = actions_of(self._ale)
        height, width = self._ale.getScreenGrayscale().shape[:2]
        self._rows, self._columns = area_weights(height, size), area_weights(width, size).T
        # The last screen, and the one before it, in grey.
        self._screens = np.zeros((2, height, width), np.uint8)
        # Loading a ROM takes much longer than restoring the state after it.
        self._loaded = self._ale.cloneSystemState()
        self._random = np.random.default_rng(0)
        self._frames = 0  # of the game so far, without no-ops
        self._lives, self._last, self._pressed = 0, True, NOTHING

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """(1, size, size)"""
        return (1, len(self._rows), len(self._rows))

    @property
    def action_size(self) -> int:
        """How many actions the game has."""
        return len(self._actions)

    @property
    def discrete(self) -> bool:
        """Actions are numbers."""
        return True

    def reset(self, seed: int) -> NDArray[np.uint8]:
        """Start the game of `seed` (0 to 2**64 - 1); returns its first frame."""
        self._random = np.random.default_rng(np.random.SeedSequence(seed))
        self._ale.restoreSystemState(self._loaded)
        self._ale.reset_game()
        noops = self.task.noops and int(self._random.integers(1, self.task.noops + 1))
        for _ in range(noops):
            self._ale.act(NOTHING)
            if self._ale.game_over():
                self._ale.reset_game()
        self._frames, self._last, self._pressed = 0, False, NOTHING
        self._lives = int(self._ale.lives())
        self._ale.getScreenGrayscale(self._screens[0])
        self._screens[1] = self._screens[0]
        return self._frame()

    def step(self, action: int | np.int64) -> Step:
        """Repeat action number `action` for `action_repeat` frames, or until the game ends.

        A game that reaches its frame limit is `last` but not `terminated`.
        """
        if self._last:
            raise A2lError(f"the game of {self.task.name} is over", "reset the environment first")
        chosen = self._actions[int(action)]
        repeat = min(self.task.action_repeat, self.task.episode_frames - self._frames)
        reward, over = 0.0, False
        self._screens[1] = 0
        for frame in range(repeat):
            reward += self._act(chosen)
            over = bool(self._ale.game_over())
            if over or frame == repeat - 1:
                self._ale.getScreenGrayscale(self._screens[0])
            elif frame == repeat - 2:
                self._ale.getScreenGrayscale(self._screens[1])
            if over:
                break
        lives = int(self._ale.lives())
        life_lost = self.life_loss and not over and 0 < lives < self._lives
        self._lives = lives
        self._last = over or self._frames >= self.task.episode_frames
        life_lost = life_lost and not self._last
        return Step(self._frame(), reward, over or life_lost, self._last or life_lost, life_lost)

    def screen(self) -> NDArray[np.uint8]:
        """See `Env.screen`: the screen in its own colours, each pixel twice as large."""
        return np.ascontiguousarray(self._ale.getScreenRGB().repeat(2, axis=0).repeat(2, axis=1))

    def _act(self, chosen: int) -> float:
        """Play one frame; returns its reward."""
        self._frames += 1
        sticky = self.task.sticky
        if not (sticky and self._random.random() < sticky):
            self._pressed = chosen
        return float(self._ale.act(self._pressed))

    def _frame(self) -> NDArray[np.uint8]:
        screen = self._screens.max(axis=0).astype(np.float32)
        resized: NDArray[np.float32] = np.rint(self._rows @ screen @ self._columns)
        return resized.astype(np.uint8)[None]
