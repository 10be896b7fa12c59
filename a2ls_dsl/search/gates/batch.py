"""Gates: cheap checks of a candidate before it is given a slot.

A gate is a function of the loss and the search's settings alone, so its verdict doesn't depend on the time of
the check. The study counts what each gate did under its name.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.evaluation import as_played

STEPS = 600  # random agent steps that the batch gate looks at
UPDATES = 60
BATCH = 64
LEAST = 0.25, 0.05  # shares of the features' effective rank and standard deviation that must remain


class Gate(Protocol):
    """A check that may stop a candidate."""

    @property
    def name(self) -> str:
        """The name under which the study counts it."""

    def stops(self, loss: Loss | None) -> str:
        """Why the candidate is stopped; empty if it isn't."""


class BatchGate:
    """Trains an encoder with the loss alone on a fixed stretch of random experience, for a moment.

    Stops losses that are not finite, that don't fall, or that collapse the features: their effective rank
    (Roy and Vetterli 2007) or their spread shrinks to a fraction. Always runs on the CPU.
    """

    name = "batch"

    def __init__(self, task: Task, settings: AgentSettings, seed: int) -> None:
        self._settings = SacSettings(batch_size=BATCH, hidden=1, learning_rate=settings.learning_rate)
        self._seed = seed
        rng = np.random.default_rng(seed)
        with EnvPool(task, 1, 1) as pool:
            if len(pool.observation_shape) != 1:
                raise A2lError(
                    f"the gate `batch` needs vectors, but {task.name} has frames",
                    "leave it out",
                )
            self._observations = Observations(pool.observation_shape)
            self._action = pool.action_size
            self._steps = [(pool.reset([seed]), None, None)]
            begins = [0]
            for _ in range(STEPS):
                action = rng.uniform(-1, 1, (1, pool.action_size)).astype(np.float32)
                if pool.discrete:
                    action = np.eye(pool.action_size, dtype=np.float32)[action.argmax(axis=1)]
                result = pool.step(as_played(pool, action))
                self._steps.append((result.observation, action, result))  # type: ignore[arg-type]
                if result.last[0]:
                    begins.append(len(self._steps))
                    self._steps.append((pool.reset([seed + len(begins)]), None, None))

    def stops(self, loss: Loss | None) -> str:
        """See `Gate.stops`."""
        if loss is None:
            return ""
        stack = SacStack([loss], [self._seed], self._observations, self._action, self._settings)
        replay = self._replay(stack)
        if int(replay.windows.head[0]) == 0:
            return "no episode is long enough for a window"
        seen = replay.observation[:, : STEPS // 2]
        before = _figures(stack, seen)
        losses = []
        for _ in range(UPDATES):
            stack._update_auxiliary(replay)
            stack._updated()
            losses.append(stack.metrics.pop(0)["auxiliary_loss"])
        if not np.isfinite(losses).all():
            return "the loss is not finite"
        tenth = UPDATES // 10
        if np.mean(losses[-tenth:]) >= np.mean(losses[:tenth]):
            return "the loss does not fall"
        after = _figures(stack, seen)
        for what, old, new, least in zip(("rank", "spread"), before, after, LEAST, strict=True):
            if not new >= least * old:
                return f"the features collapse: their {what} falls from {old:.3g} to {new:.3g}"
        return ""

    def _replay(self, stack: SacStack) -> Replay:
        replay = Replay(stack.horizon, len(self._steps) + 1, self._observations, self._action)
        for observation, action, result in self._steps:
            seen = torch.as_tensor(observation)
            if result is None or action is None:
                replay.begin(seen)
            else:
                replay.append(
                    torch.as_tensor(action),
                    *(torch.as_tensor(value) for value in (result.reward, result.terminated)),
                    seen,
                    torch.as_tensor(result.last),
                )
        return replay


@torch.no_grad()
def _figures(stack: SacStack, seen: Tensor) -> tuple[float, float]:
    """Effective rank and standard deviation of the features of observations (1, M, ...)."""
    features = stack.encoder(seen)[0].double()
    centred = features - features.mean(dim=0)
    shares = torch.linalg.svdvals(centred)
    shares = shares / shares.sum().clamp_min(1e-12)
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum()
    return float(entropy.exp()), float(features.std(dim=0).mean())
