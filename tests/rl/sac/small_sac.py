"""Small stacks of SAC with a filled replay."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from reference_sac import ACTION, HIDDEN, OBSERVATION, VECTORS
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import SacSettings

CAPACITY, BATCH = 120, 12
SETTINGS = SacSettings(replay_capacity=CAPACITY, batch_size=BATCH, hidden=HIDDEN)


def loss_of(name: str | None) -> Loss | None:
    return None if name is None else load_one(name)[1]


def learner(
    names: Sequence[str | None], seeds: Sequence[int], settings: SacSettings = SETTINGS
) -> tuple[SacStack, Replay]:
    """A stack in float64, and a replay whose ring has wrapped around, filled by each member's own seed."""
    stack = SacStack([loss_of(name) for name in names], seeds, VECTORS, ACTION, settings)
    replay = Replay(stack.horizon, CAPACITY, VECTORS, ACTION)
    fill(replay, seeds)
    return stack.double(), replay.double()


def fill(replay: Replay, seeds: Sequence[int]) -> None:
    rng, members = CounterRng(torch.tensor(list(seeds))), len(seeds)
    for step in range(CAPACITY + 30):
        last = step % 25 == 24
        seen = rng.normal(Purpose.EPISODE, 3 * step, OBSERVATION)
        if step % 25 == 0:
            replay.begin(rng.normal(Purpose.EPISODE, 3 * step + 1, OBSERVATION))
        action = 2 * rng.uniform(Purpose.ACTION, step, ACTION) - 1
        reward = rng.uniform(Purpose.EPISODE, 3 * step + 2, 1)[:, 0]
        ends = torch.full((members,), last)
        replay.append(action, reward, ends & (step % 50 == 49), seen, ends)


def state(stack: SacStack, member: int) -> dict[str, Tensor]:
    """All parameters of a member, with those of its loss as they stand alone."""
    networks = ("encoder", "actor", "critic", "target_encoder", "target_critic")
    tensors = {
        f"{network}.{name}": value[member].detach().clone()
        for network in networks
        for name, value in getattr(stack, network).named_parameters()
    }
    tensors["log_temperature"] = stack.log_temperature[member].detach().clone()
    return tensors | {f"loss.{k}": v for k, v in stack.auxiliary.member_state(member).items()}
