"""The tasks of the DeepMind Control suite by name, and the one conversion between frames and agent steps.

Everything a user sees is counted in **environment frames**. An agent acts once in `action_repeat` frames:
that is an **agent step**. Nothing here imports an environment package, so naming a task costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.diagnostics import A2lError, near

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

# The rest of the suite, and why it isn't offered.
LEFT_OUT: dict[str, str] = {
    "lqr-lqr_2_1": "its episodes never end and its actions have no bounds",
    "lqr-lqr_6_2": "its episodes never end and its actions have no bounds",
    "quadruped-escape": "it needs a renderer to start an episode, even for vector observations",
}

# Frames per agent step: the defaults of the A2LS release (He et al. 2022), which are those of CURL.
_ACTION_REPEAT = {"finger": 2, "walker": 2, "cartpole": 8}


@dataclass(frozen=True)
class Task:
    """A control task: `domain` and `task` as dm_control calls them.

    `action_repeat` is the number of frames that one agent step lasts; `episode_frames` the length of a
    full episode.
    """

    domain: str
    task: str
    action_repeat: int
    episode_frames: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.action_repeat <= self.episode_frames:
            raise A2lError(
                f"an action repeat of {self.action_repeat} frames does not fit {self.name}",
                f"use 1 to {self.episode_frames} frames",
            )

    @property
    def name(self) -> str:
        """What users and files call the task: `walker-walk`, `ball_in_cup-catch`."""
        return f"{self.domain}-{self.task}"

    @property
    def episode_steps(self) -> int:
        """Agent steps of a full episode; the last one is cut short where frames don't divide evenly."""
        return -(-self.episode_frames // self.action_repeat)

    def frames_to_steps(self, frames: int) -> int:
        """The whole agent steps that fit in a number of environment frames."""
        return frames // self.action_repeat

    def check_frames(self, what: str, frames: int) -> None:
        """Raise A2lError unless a number of frames, called `what`, is a whole number of agent steps."""
        if frames < 1 or frames % self.action_repeat:
            below = frames - frames % self.action_repeat
            choices = [f"{each:,}" for each in (below, below + self.action_repeat) if each > 0]
            raise A2lError(
                f"{what}, {frames:,} frames, is no whole number of agent steps: one is {self.action_repeat} "
                f"frames of {self.name}",
                f"use {' or '.join(choices)}",
            )

    def steps_to_frames(self, steps: int) -> int:
        """The environment frames that a number of agent steps lasts."""
        return steps * self.action_repeat


def find_task(name: str) -> Task:
    """The task of that name, whatever its case and whether words are joined by `-` or `_`.

    Raises A2lError with the nearest name, or with what there is, when there is no such task.
    """
    key = _key(name)
    if key in _TASKS:
        return _TASKS[key]
    for left_out, reason in LEFT_OUT.items():
        if key == _key(left_out):
            raise A2lError(f"the task `{left_out}` can't be used here: {reason}", "choose another task")
    raise A2lError(f"there is no task `{name}`", _suggestion(key))


def all_tasks() -> tuple[Task, ...]:
    """Every task that `find_task` knows, by domain."""
    return tuple(_TASKS.values())


def _suggestion(key: str) -> str:
    guess = near(key, _TASKS)
    if guess:
        return f"did you mean `{_TASKS[guess].name}`?"
    same_domain = [task.name for task in _TASKS.values() if key.startswith(_key(task.domain))]
    if same_domain:
        return f"there is {', '.join(same_domain)}"
    return f"a task is DOMAIN-TASK, as in walker-walk; the domains are {', '.join(SUITE)}"


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


_TASKS = {
    _key(f"{domain}-{task}"): Task(domain, task, _ACTION_REPEAT.get(domain, 4))
    for domain, tasks in SUITE.items()
    for task in tasks
}
