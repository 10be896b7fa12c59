"""All tasks by name, DeepMind Control and Atari, and the one conversion between frames and agent steps.

Everything a user sees is counted in **environment frames**. An agent acts once in `action_repeat` frames:
that is an **agent step**. Nothing here imports an environment package, so naming a task costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from a2ls_dsl.diagnostics import A2lError, near, unknown
from a2ls_dsl.rl.envs.games import GAMES, game_key

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

BACK_ENDS = ("ale-py", "atari-py")
"""The packages that emulate Atari games."""

# Half an hour of play at 60 frames a second (Mnih et al. 2015), and frames per agent step.
_GAME_FRAMES, _FRAME_SKIP = 108_000, 4


@dataclass(frozen=True)
class Task:
    """A control task: `domain` and `task` as dm_control calls them.

    `action_repeat` is the number of frames that one agent step lasts; `episode_frames` the length of a
    full episode, which one that ends by its task's rules doesn't reach.
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
    def discrete(self) -> bool:
        """Whether an action is one of a few, given by its number; else it is a vector in [-1, 1]."""
        return False

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


@dataclass(frozen=True)
class Game(Task):
    """An Atari 2600 game: `task` is its plain name, `episode_frames` the limit after which a game is cut.

    noops: a game begins with 1 to so many frames of doing nothing, 0 for none (Mnih et al. 2015); sticky: the
    probability that a frame repeats the action of the frame before (Machado et al. 2018), which Atari-100k
    doesn't use; back_end: the package that emulates, ale-py or atari-py.
    """

    noops: int = 30
    sticky: float = 0.0
    back_end: str = "ale-py"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noops < 0 or not 0.0 <= self.sticky < 1.0:
            raise A2lError(
                f"{self.name} can't begin with {self.noops} frames of nothing, or repeat an action with "
                f"probability {self.sticky}",
                "use 0 frames or more, and a probability from 0 to below 1",
            )
        if self.back_end not in BACK_ENDS:
            raise unknown("package that emulates Atari", self.back_end, BACK_ENDS)

    @property
    def name(self) -> str:
        """The game's plain name: `Pong`, `MsPacman`."""
        return self.task

    @property
    def discrete(self) -> bool:
        """An action is the number of one of the game's own actions."""
        return True


def find_task(name: str) -> Task:
    """The task of that name, whatever its case and whether words are joined by `-` or `_`.

    Games are also found by an id of Gymnasium, as `ALE/Pong-v5`. Raises A2lError with the nearest name, or
    with what there is, when there is no such task.
    """
    key = _key(name)
    if key in _TASKS:
        return _TASKS[key]
    if game_key(name) in _GAMES:
        return _GAMES[game_key(name)]
    for left_out, reason in LEFT_OUT.items():
        if key == _key(left_out):
            raise A2lError(f"the task `{left_out}` can't be used here: {reason}", "choose another task")
    raise A2lError(f"there is no task `{name}`", _suggestion(key, game_key(name)))


def emulated_by(task: Task, back_end: str) -> Task:
    """The same game, played by another package. Raises `A2lError` for what is no game, or no such package."""
    if isinstance(task, Game):
        return replace(task, back_end=back_end)
    if back_end != BACK_ENDS[0]:
        raise A2lError(f"{task.name} is no Atari game, so nothing emulates it", "leave its emulator out")
    return task


def all_tasks() -> tuple[Task, ...]:
    """Every task that `find_task` knows, by domain; games come last."""
    return (*_TASKS.values(), *_GAMES.values())


def _suggestion(key: str, game: str) -> str:
    for each, tasks in ((key, _TASKS), (game, _GAMES)):
        if guess := near(each, tasks):
            return f"did you mean `{tasks[guess].name}`?"
    same_domain = [task.name for task in _TASKS.values() if key.startswith(_key(task.domain))]
    if same_domain:
        return f"there is {', '.join(same_domain)}"
    if key.startswith("ale/"):
        return f"the games are {', '.join(GAMES)}"
    return (
        f"a task is DOMAIN-TASK, as in walker-walk, or a game of Atari-100k, as Pong; the domains are "
        f"{', '.join(SUITE)}; the games are {', '.join(GAMES)}"
    )


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


_TASKS: dict[str, Task] = {
    _key(f"{domain}-{task}"): Task(domain, task, _ACTION_REPEAT.get(domain, 4))
    for domain, tasks in SUITE.items()
    for task in tasks
}

_GAMES: dict[str, Task] = {game_key(game): Game("atari", game, _FRAME_SKIP, _GAME_FRAMES) for game in GAMES}
