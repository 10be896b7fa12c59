"""Hyper-parameters of data-efficient Rainbow for Atari-100k, with where each value comes from.

Defaults are those of van Hasselt et al. 2019 (arXiv 1906.05243) as in CURL's Atari code (Laskin et al. 2020).
What differs from that code: actions are uniform until learning begins, as in SPR and Dopamine, and a stack
of frames at an episode's start repeats the first one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.settings import AMOUNT, COUNT, SHARE, check_ranges

if TYPE_CHECKING:
    from torch import Tensor

Convolution = tuple[int, int, int]
"""Filters, pixels of the kernel's side, stride."""

Count = TypeVar("Count", int, "Tensor")


@dataclass(frozen=True)
class RainbowSettings:
    """How one member learns. Steps are agent steps; every piece of Rainbow has a switch."""

    replay_capacity: int = 100_000  # agent steps
    random_steps: int = 1_600  # uniform actions first, then updates
    updates_per_step: int = 1
    batch_size: int = 32  # RL and auxiliary batch
    learning_rate: float = 1e-4  # all parameters, Adam
    adam_eps: float = 1.5e-4
    gradient_norm: float = 10.0  # a member's gradient is cut to this length
    discount: float = 0.99  # per agent step
    reward_clip: float = 1.0  # learned from: rewards in [-1, 1]; 0: as they are
    multi_step: int = 20  # rewards in a target; 1: a plain one
    target_period: int = 2_000  # steps between copies to the target network, also random ones; 1: no lag
    double: bool = True  # the online network chooses the target's action
    duelling: bool = True  # a value and advantages
    noisy: bool = True  # factorised noise explores; without it epsilon has to
    noisy_sigma: float = 0.1
    epsilon: float = 0.0  # share of uniform actions in training
    distributional: bool = True  # C51; else one value an action, and Huber's loss
    atoms: int = 51
    value_range: tuple[float, float] = (-10.0, 10.0)
    prioritised: bool = True
    priority_exponent: float = 0.5
    priority_weight: float = 0.4  # exponent of the importance weights at first; it rises to 1
    priority_updates: int = 98_400  # in that many updates
    evaluation_epsilon: float = 0.001  # share of uniform actions in evaluation, with the noise off
    convolutions: tuple[Convolution, ...] = ((32, 5, 5), (64, 5, 5))
    hidden: int = 256  # units in the hidden layer of each head
    stack: int = 4  # frames that the agent sees at once
    augment: bool = False  # random shifts of all it learns from; a loss' own views are always random
    shift: int = 4  # pixels that a shift moves a frame at most
    projection: int = 128  # features of a state in auxiliary losses; 0: those of the convolutions
    encoder_tau: float = 0.001  # share of the encoder that enters the losses' target encoder (CURL: 0.999)
    auxiliary_update_every: int = 1  # updates
    auxiliary_weight: float = 1.0

    ranges = MappingProxyType(
        {
            **dict.fromkeys(("replay_capacity", "updates_per_step", "multi_step", "target_period"), COUNT),
            **dict.fromkeys(("priority_updates", "stack", "hidden", "auxiliary_update_every"), COUNT),
            **dict.fromkeys(("random_steps", "learning_rate", "adam_eps", "gradient_norm"), AMOUNT),
            **dict.fromkeys(
                ("reward_clip", "noisy_sigma", "shift", "projection", "auxiliary_weight"), AMOUNT
            ),
            **dict.fromkeys(("discount", "epsilon", "evaluation_epsilon", "encoder_tau"), SHARE),
            **dict.fromkeys(("priority_exponent", "priority_weight"), SHARE),
            "batch_size": (2, math.inf),
            "atoms": (2, math.inf),
        }
    )

    def __post_init__(self) -> None:
        """Raises `A2lError` for values out of range, and where they don't fit together."""
        check_ranges(self)
        if self.random_steps <= self.multi_step or self.replay_capacity < 2 * (self.multi_step + self.stack):
            raise A2lError(
                f"returns of {self.multi_step} steps need more than {self.random_steps:,} steps before "
                f"learning, or a larger replay than {self.replay_capacity:,}",
                "use more random steps, a larger replay, or a smaller multi_step",
            )
        if not self.noisy and self.epsilon <= 0:
            raise A2lError("without noisy layers nothing explores", "set epsilon, for example to 0.05")
        if self.distributional and self.value_range[0] >= self.value_range[1]:
            raise A2lError(
                f"{self.atoms} atoms on {self.value_range} are not a distribution of values",
                "use a range whose end is above its start",
            )

    def steps(self, updates: Count) -> Count:
        """Agent steps that a member has made by that many of its updates, random ones first."""
        return self.random_steps + updates // self.updates_per_step

    @property
    def cycle(self) -> int:
        """Updates after which it is the same parts' turn again; targets follow each member's own count."""
        return self.auxiliary_update_every


EFFICIENT = RainbowSettings()

# SPR's learner (Schwarzer et al. 2020, arXiv 2007.05929, and its code), but for its changes of intensity and
# its priorities: there the KL divergence of the distributions, here their cross-entropy.
SPR = RainbowSettings(
    random_steps=2_000,
    updates_per_step=2,
    multi_step=10,
    target_period=1,
    noisy_sigma=0.5,
    priority_updates=196_000,
    convolutions=((32, 8, 4), (64, 4, 2), (64, 3, 1)),
    augment=True,
    encoder_tau=1.0,
)

# For vectors, of ours: returns may be of any size, so neither rewards nor values have a range, and tasks are
# learned in thousands of steps. Tried on CartPole-v1 alone.
VECTORS = RainbowSettings(
    random_steps=500,
    batch_size=64,
    learning_rate=1e-3,
    reward_clip=0.0,
    multi_step=3,
    target_period=200,
    noisy_sigma=0.5,
    distributional=False,
    hidden=128,
    stack=1,
    encoder_tau=0.05,
)

PRESETS = {"efficient": EFFICIENT, "spr": SPR}
