"""What a stack trains: members, and how all of them train."""

from __future__ import annotations

from dataclasses import dataclass, field

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings, algorithm_of, check_actions
from a2ls_dsl.rl.envs.task import VECTORS
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings, SacSettings
from a2ls_dsl.rl.slots.learner_state import Arrays


@dataclass(frozen=True)
class Training:
    """How every member of a stack trains: the task, its budget in environment frames, the settings."""

    task: Task
    frames: int
    settings: AgentSettings = field(default_factory=SacSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    pixels: PixelSettings | None = None
    computation: Computation = field(default_factory=Computation)

    def __post_init__(self) -> None:
        """Raises `A2lError` where frames are not whole agent steps, or the learner can't take the actions."""
        check_actions(self.settings, self.task)
        if self.pixels is None:
            object.__setattr__(self, "pixels", algorithm_of(self.settings).pixels(self.task, None))
        self.task.check_frames("the budget", self.frames)
        self.task.check_frames("the distance of two evaluations", self.evaluation.every_frames)

    @property
    def learning(self) -> int:
        """The frames at which learning begins: up to there every member acts at random."""
        return self.task.steps_to_frames(self.settings.random_steps)

    @property
    def sees_vectors(self) -> bool:
        """Whether observations are vectors."""
        return self.pixels is None and self.task.observations[0] == VECTORS

    @property
    def steps(self) -> int:
        """Agent steps of each member."""
        return self.task.frames_to_steps(self.frames)


def check_learning(task: Task, frames: int, settings: AgentSettings) -> None:
    """Raise `A2lError` where a budget ends before learning begins: no evaluation could tell losses apart."""
    if task.frames_to_steps(frames) <= settings.random_steps:
        raise A2lError(
            f"{frames:,} frames of {task.name} end before learning begins: "
            f"the first {settings.random_steps:,} agent steps are random",
            f"train for {task.steps_to_frames(settings.random_steps + 1):,} frames or more",
        )


@dataclass(frozen=True)
class Member:
    """Who takes a slot: a loss (None: no auxiliary loss) and a seed."""

    loss: Loss | None
    seed: int


@dataclass(frozen=True)
class TrainedNetworks:
    """The networks of a member that act: `arrays` by name, as in a stack of one.

    observation: the shape of what the environment gives; action: size of an action, or how many there are;
    evaluations: that were begun.
    """

    observation: tuple[int, ...]
    action: int
    evaluations: int
    arrays: Arrays
