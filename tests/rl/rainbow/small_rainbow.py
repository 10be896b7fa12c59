"""Small stacks of Rainbow with a filled replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.slots.learner import Learner

SIZE, ACTIONS = 18, 4
FRAMES = Observations((1, SIZE, SIZE), 2, SIZE, random_crops=False, border=2)
SETTINGS = RainbowSettings(
    batch_size=6,
    hidden=8,
    atoms=7,
    value_range=(-3.0, 3.0),
    multi_step=3,
    random_steps=4,
    replay_capacity=70,
    target_period=3,
    priority_updates=5,
    convolutions=((4, 4, 3), (5, 3, 2)),
    stack=2,
    projection=6,
    shift=2,
    gradient_norm=0.2,
    encoder_tau=0.1,
)


def loss_of(name: str | None) -> Loss | None:
    return None if name is None else load_one(name)[1]


def learner(
    names: Sequence[str | None],
    seeds: Sequence[int],
    settings: RainbowSettings = SETTINGS,
    observations: Observations = FRAMES,
    **more: bool,
) -> Learner:
    """In float64, with a ring that has wrapped around; what a member saw depends on its seed alone."""
    losses = [loss_of(name) for name in names]
    made = Learner(losses, seeds, observations, ACTIONS, settings.replay_capacity, settings, **more)
    fill(made, seeds)
    for stack, replay in zip(made.stacks, made.replays, strict=True):
        stack.double()
        replay.double()
    return made


def fill(made: Learner, seeds: Sequence[int]) -> None:
    rngs = [np.random.default_rng(seed) for seed in seeds]
    every = np.ones(len(seeds), np.bool_)

    def seen() -> np.ndarray:
        return np.stack([rng.integers(0, 256, made.observations.shape, dtype=np.uint8) for rng in rngs])

    kind = "float64" if made.replays[0].reward.dtype == torch.float64 else "float32"
    for step in range(100):
        if step % 20 == 0:
            made.begin(seen(), every)
        action = np.stack([np.eye(ACTIONS, dtype=kind)[rng.integers(ACTIONS)] for rng in rngs])
        reward = np.array([rng.normal() for rng in rngs], kind)
        made.append(action, reward, every & (step % 40 == 39), seen(), every & (step % 20 == 19))


def only(made: Learner) -> tuple[RainbowStack, PrioritisedReplay]:
    stack, replay = made.stacks[0], made.replays[0]
    assert isinstance(stack, RainbowStack)
    assert isinstance(replay, PrioritisedReplay)
    return stack, replay
