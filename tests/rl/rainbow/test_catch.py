"""An honest check that Rainbow learns: catch, a ball that falls through 10 x 5 fields onto a paddle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.slots.learner import Learner

ROWS, COLUMNS, SIDE = 10, 5, 20
FRAMES = Observations((1, SIDE, SIDE), 1, SIDE, random_crops=False)
SETTINGS = RainbowSettings(
    random_steps=400,
    batch_size=32,
    learning_rate=2e-3,
    multi_step=8,
    target_period=30,
    noisy_sigma=0.3,
    atoms=21,
    value_range=(-1.5, 1.5),
    priority_updates=1_200,
    convolutions=((8, 4, 4), (16, 3, 2)),
    hidden=32,
    stack=1,
    projection=16,
)


class Catch:
    """One game a member: left, stay, right; 1 for a ball that is caught, else -1, after nine steps."""

    def __init__(self, members: int, seed: int) -> None:
        self.rng, self.members = np.random.default_rng(seed), members
        self.reset()

    def reset(self) -> np.ndarray:
        self.row = 0
        self.ball = self.rng.integers(COLUMNS, size=self.members)
        self.paddle = self.rng.integers(COLUMNS, size=self.members)
        return self.seen()

    def seen(self) -> np.ndarray:
        board = np.zeros((self.members, ROWS, COLUMNS), np.uint8)
        every = np.arange(self.members)
        board[every, self.row, self.ball] = 255
        board[every, ROWS - 1, self.paddle] = 255
        return board.repeat(SIDE // ROWS, axis=1).repeat(SIDE // COLUMNS, axis=2)[:, None]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        self.paddle = np.clip(self.paddle + action.argmax(axis=1) - 1, 0, COLUMNS - 1)
        self.row += 1
        over = self.row == ROWS - 1
        reward = np.where(self.ball == self.paddle, 1, -1) * over
        return self.seen(), reward.astype(np.float32), over


def train(learner: Learner, settings: RainbowSettings, steps: int) -> None:
    members = learner.members
    game, every = Catch(members, 7), np.ones(members, np.bool_)
    learner.skip(-settings.random_steps * settings.updates_per_step)
    over = True
    for step in range(steps):
        if over:
            seen = game.reset()
            learner.begin(seen, every)
        random = step < settings.random_steps
        action = learner.act(seen, np.full(members, step), every & random)
        for _ in range(settings.updates_per_step):
            if random:
                learner.skip(1)
            else:
                learner.update()
        seen, reward, over = game.step(action)
        learner.append(action, reward, every & over, seen, every & over)


def score(learner: Learner, games: int = 30) -> np.ndarray:
    """Mean return of each member's frozen policy."""
    learner.freeze()
    game, total, number = Catch(learner.members, 99), np.zeros(learner.members), 0
    for _ in range(games):
        seen, over = game.reset(), False
        while not over:
            number += 1
            action = learner.act_frozen(seen, np.full(learner.members, number))
            seen, reward, over = game.step(action)
            total += reward
    return total / games


@pytest.fixture(autouse=True)
def one_thread():  # type: ignore[no-untyped-def]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def made(losses: list[Loss | None], settings: RainbowSettings) -> Learner:
    observations = replace(FRAMES, random_crops=settings.augment, border=1)
    return Learner(losses, range(len(losses)), observations, 3, 3000, settings)


@pytest.mark.timeout(900)
def test_catch_is_learned_with_and_without_an_auxiliary_loss() -> None:
    """Two members of one stack, of which one has a loss; policies that haven't learned lose most balls."""
    learner = made([None, load_one("a2_winner")[1]], SETTINGS)
    assert (score(learner) < -0.2).all()
    train(learner, SETTINGS, 1400)
    assert score(learner).mean() > 0.3
