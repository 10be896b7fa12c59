"""Hyper-parameters, in the order of the paper's table, with where each value comes from.

Defaults are those of the release of He et al. 2022 on vector observations, which are CURL's (Laskin et al.
2020). Frames are environment frames, before action repeat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.rl.compute.arithmetic import Precision
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import Task, suite_of

ACTOR_ENCODERS = ("shared", "release")
ENCODER_GRADIENTS = ("critic+auxiliary", "auxiliary")
PARITIES: dict[str, dict[str, Any]] = {
    "release": {"auxiliary_encoder_steps": 2, "actor_encoder": "release"},
}
"""Settings of SAC under which an update is a published code's; docs/training.md says what else differs."""


EVALUATION = {"eval_every": "every_frames", "eval_episodes": "episodes"}
"""The fields of `EvaluationSettings` by the names under which users give them."""

COUNT, AMOUNT, SHARE = (1, math.inf), (0, math.inf), (0, 1)
"""The least and the greatest value of settings that count, that measure, and that are shares."""


def check_ranges(settings: Any) -> None:
    """Raise `A2lError` where a setting is out of the range that its class gives it in `ranges`."""
    called = {attribute: name for name, attribute in EVALUATION.items()}
    for name, (low, high) in settings.ranges.items():
        value = getattr(settings, name)
        if not (low <= value <= high and math.isfinite(value)):
            fix = f"use {low} or more" if high == math.inf else f"use a number from {low} to {high}"
            raise A2lError(f"{called.get(name, name)} is {value}", fix)


@dataclass(frozen=True)
class SacSettings:
    """How one member learns. Steps are agent steps; one agent step is `action_repeat` frames."""

    replay_capacity: int = 100_000  # agent steps
    random_steps: int = 1_000  # uniform actions first, then one update per agent step
    batch_size: int = (
        128  # RL and auxiliary batch; CURL's paper: 512 on cheetah (the release: 512 everywhere)
    )
    learning_rate: float = 1e-3  # actor, critic, encoder, auxiliary loss; 2e-4 on cheetah
    temperature_learning_rate: float = 1e-4
    temperature_beta1: float = 0.5  # Adam's first beta; 0.9 for all other parameters
    initial_temperature: float = 0.1
    discount: float = 0.99  # per agent step
    critic_tau: float = 0.01  # share of the online critic that enters the target critic
    encoder_tau: float = 0.05  # the same for the encoder
    target_update_every: int = 2  # updates
    actor_update_every: int = 2  # updates
    auxiliary_update_every: int = 1  # updates
    auxiliary_weight: float = 1.0
    hidden: int = 1024  # units in both hidden layers of actor and critics
    log_std_range: tuple[float, float] = (-10.0, 2.0)
    auxiliary_encoder_steps: int = 1  # Adam steps of the encoder on the auxiliary gradient; 2 in the release
    actor_encoder: str = "shared"  # on vectors: with the critics; "release": its own, whose first layer stays
    # Who trains the encoder; the auxiliary loss alone does in TD7, MR.Q, iQRL and TCRL. Without one it then
    # stays as it was drawn.
    encoder_gradient: str = "critic+auxiliary"
    target_entropy: float = 1.0  # policies are held at minus that many nats for each number of an action
    weight_decay: float = 0.0  # of actor and critics, and of the encoder where critics train it, as in AdamW

    ranges = MappingProxyType(
        {
            **dict.fromkeys(("replay_capacity", "hidden"), COUNT),
            **dict.fromkeys(("target_update_every", "actor_update_every", "auxiliary_update_every"), COUNT),
            **dict.fromkeys(("random_steps", "learning_rate", "temperature_learning_rate"), AMOUNT),
            **dict.fromkeys(("initial_temperature", "auxiliary_weight", "weight_decay"), AMOUNT),
            **dict.fromkeys(("discount", "critic_tau", "encoder_tau"), SHARE),
            "batch_size": (2, math.inf),
            "auxiliary_encoder_steps": (1, 2),
            "temperature_beta1": (0, 0.9999),
        }
    )

    def __post_init__(self) -> None:
        """Raises `A2lError` for a value that means nothing."""
        check_ranges(self)
        if self.encoder_gradient not in ENCODER_GRADIENTS:
            raise unknown("encoder_gradient", self.encoder_gradient, ENCODER_GRADIENTS)
        if self.actor_encoder not in ACTOR_ENCODERS:
            raise unknown("actor_encoder", self.actor_encoder, ACTOR_ENCODERS)
        if self.log_std_range[0] >= self.log_std_range[1]:
            raise A2lError(
                f"log_std_range is {list(self.log_std_range)}", "use a range whose end is above its start"
            )

    @property
    def updates_per_step(self) -> int:
        """Updates an agent step."""
        return 1

    @property
    def cycle(self) -> int:
        """Updates after which it is the same parts' turn again."""
        return math.lcm(self.actor_update_every, self.target_update_every, self.auxiliary_update_every)


@dataclass(frozen=True)
class PixelSettings:
    """What an agent sees of rendered frames: random crops in training, the centre in evaluation.

    random_crops: False for the centre in training, too, as in SAC from pixels before augmentation. Crops that
    a loss calls for are random all the same.
    """

    rendering: Rendering = field(default_factory=Rendering)  # frames of 100 x 100 pixels
    crop: int = 84  # pixels of a side
    stack: int = 3  # frames
    random_crops: bool = True


@dataclass(frozen=True)
class Computation:
    """How updates are computed; but for the precision it changes no result beyond the order of sums.

    capture: launch whole updates as CUDA graphs; compile: let torch.compile fuse the losses. It takes a
    minute or so at the start, once a stack, whatever its losses are. padding, spare: see `StackedLoss`; by
    default what suits the device.
    """

    precision: Precision = Precision.TF32
    capture: bool = True
    compile: bool = False
    padding: float | None = None
    spare: bool | None = None


@dataclass(frozen=True)
class EvaluationSettings:
    """When and how a policy is scored: deterministic mean actions, as in the paper."""

    every_frames: int = 10_000
    episodes: int = 10

    ranges = MappingProxyType({"every_frames": COUNT, "episodes": COUNT})

    def __post_init__(self) -> None:
        """Raises `A2lError` where there would be no score."""
        check_ranges(self)


@dataclass(frozen=True)
class Scale:
    """How large the agents of a task with vectors are, how long they train and how they are scored."""

    frames: int
    sac: SacSettings
    evaluation: EvaluationSettings


SCALES = {
    "laptop": Scale(
        50_000, SacSettings(hidden=64, batch_size=64, learning_rate=1e-3), EvaluationSettings(10_000, 3)
    )
}
"""laptop: for a CPU with two cores; agents and evaluations are those of `results/signal_64.toml`."""


def paper_settings(task: Task) -> SacSettings:
    """The paper's settings for a task, where its suite knows of no better ones."""
    return SacSettings(**suite_of(task).tuned(task).get("sac", {}))
