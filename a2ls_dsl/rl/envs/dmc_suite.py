"""The tasks of the DeepMind Control suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from a2ls_dsl.diagnostics import A2lError, near
from a2ls_dsl.rl.envs.suite import Protocol, Suite, Way
from a2ls_dsl.rl.envs.task import OBSERVATIONS, PIXELS, VECTORS, Arguments, Task

if TYPE_CHECKING:
    from a2ls_dsl.rl.envs.dmc import DmcEnv
    from a2ls_dsl.rl.envs.rendering import Rendering

# Every task of dm_control.suite with bounded actions and episodes of 1,000 frames.
SUITE: dict[str, tuple[str, ...]] = {
    "acrobot": ("swingup", "swingup_sparse"),
    "ball_in_cup": ("catch",),
    "cartpole": (
        "balance",
        "balance_sparse",
        "swingup",
        "swingup_sparse",
        "two_poles",
        "three_poles",
    ),
    "cheetah": ("run",),
    "dog": ("stand", "walk", "trot", "run", "fetch"),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "fish": ("upright", "swim"),
    "hopper": ("stand", "hop"),
    "humanoid": ("stand", "walk", "run", "run_pure_state"),
    "humanoid_CMU": ("stand", "walk", "run"),
    "manipulator": ("bring_ball", "bring_peg", "insert_ball", "insert_peg"),
    "pendulum": ("swingup",),
    "point_mass": ("easy", "hard"),
    "quadruped": ("walk", "run", "fetch"),
    "reacher": ("easy", "hard"),
    "stacker": ("stack_2", "stack_4"),
    "swimmer": ("swimmer6", "swimmer15"),
    "walker": ("stand", "walk", "run"),
}

# The rest of the suite, and why it is not offered.
LEFT_OUT: dict[str, str] = {
    "lqr-lqr_2_1": "its episodes never end and its actions have no bounds",
    "lqr-lqr_6_2": "its episodes never end and its actions have no bounds",
    "quadruped-escape": "it needs a renderer to start an episode, even for vector observations",
}

# Frames per agent step: the defaults of the A2LS release (He et al. 2022), which are those of CURL.
_ACTION_REPEAT = {"finger": 2, "walker": 2, "cartpole": 8}


@dataclass(frozen=True)
class ControlTask(Task):
    """A control task: `domain` and `task` as dm_control calls them."""

    suite: ClassVar[str] = "dm_control"

    @property
    def name(self) -> str:
        """`walker-walk`, `ball_in_cup-catch`."""
        return f"{self.domain}-{self.task}"

    @property
    def discrete(self) -> bool:
        """Actions are torques and forces."""
        return False

    @property
    def observations(self) -> tuple[str, ...]:
        """Positions and velocities, or frames of a camera."""
        return OBSERVATIONS


class DmControl(Suite):
    """The DeepMind Control suite. Its tasks need no prefix."""

    name = ControlTask.suite
    title = "DeepMind Control"
    prefixed = False
    task_type = ControlTask
    protocol = Protocol(frames=500_000, eval_every=10_000)  # He et al. 2022
    shadows = True
    diverged_return = 0.0  # the least: no reward is negative

    def find(self, name: str, arguments: Arguments) -> Task | None:
        """See `Suite.find`; case doesn't matter, nor whether words are joined by `-` or `_`."""
        task = _TASKS.get(_key(name))
        if task is None:
            for left_out, reason in LEFT_OUT.items():
                if _key(name) == _key(left_out):
                    raise A2lError(
                        f"the task `{left_out}` can't be used here: {reason}", "choose another task"
                    )
        elif arguments:
            raise A2lError(f"{task.name} takes no argument `{next(iter(arguments))}`", "leave it out")
        return task

    def make(self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False) -> DmcEnv:
        """See `DmcEnv`."""
        from a2ls_dsl.rl.envs.dmc import DmcEnv

        return DmcEnv(task, rendering)

    def tasks(self) -> tuple[Task, ...]:
        """All tasks, by domain."""
        return tuple(_TASKS.values())

    def nearest(self, name: str) -> str | None:
        """See `Suite.nearest`."""
        guess = near(_key(name), _TASKS)
        return _TASKS[guess].name if guess else None

    def hint(self, name: str) -> str:
        """The tasks of the same domain."""
        domain = [task.name for task in _TASKS.values() if _key(name).startswith(_key(task.domain))]
        return f"there is {', '.join(domain)}" if domain else ""

    @property
    def listing(self) -> str:
        """How names are made, and the domains."""
        return f"DOMAIN-TASK of DeepMind Control, as walker-walk: the domains are {', '.join(SUITE)}"

    def ways(self, task: Task) -> tuple[Way, ...]:
        """As vectors, and with each renderer."""
        from a2ls_dsl.rl.envs.rendering import PACKAGES, Rendering

        rendered = (
            Way(renderer, task, PIXELS, Rendering(), {"MUJOCO_GL": renderer}) for renderer in PACKAGES
        )
        return (Way(VECTORS, task, VECTORS), *rendered)

    def tuned(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """He et al. 2022 use another batch size and learning rate for cheetah."""
        return {"sac": {"batch_size": 512, "learning_rate": 2e-4}} if task.domain == "cheetah" else {}


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


_TASKS: dict[str, ControlTask] = {
    _key(f"{domain}-{task}"): ControlTask(domain, task, _ACTION_REPEAT.get(domain, 4))
    for domain, tasks in SUITE.items()
    for task in tasks
}
