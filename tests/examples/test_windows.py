"""Windows of every example's buffer: consecutive steps of one episode, and all that there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
import torch
from torch import Tensor

STEPS = 4
CAPACITY = 40
# Episode lengths: shorter, as long as and longer than a window; in all less and more than the capacity.
EPISODES = [[4, 1, 3, 9, 5], [7, 2, 4, 11, 3, 3, 8, 20, 1, 5, 6], [90], [3, 3, 4, 1, 1, 1, 2, 3, 30, 3]]
Windows = Callable[[], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Step:
    """Step `number` of all, as an environment gives it; terminated or truncated where the episode is over."""

    number: int
    episode: int
    terminated: bool
    over: bool


def steps_of(episodes: list[int]) -> Iterator[Step]:
    """Every other episode ends by the task's rules, the others by the time limit; the last one goes on."""
    numbers = count()
    for episode, length in enumerate(episodes):
        for position in range(length):
            over = position == length - 1 and episode < len(episodes) - 1
            yield Step(next(numbers), episode, over and episode % 2 == 0, over)


def plain(steps: list[Step]) -> Windows:
    replay = importlib.import_module("plain_sac").Replay(CAPACITY, 1, 1)
    for step in steps:
        number = torch.tensor([float(step.number)])
        replay.add(number, -number, step.number / 2, number + 0.5, step.terminated, step.over)
    return lambda: replay.windows(50, STEPS)


def sb3(steps: list[Step]) -> Windows:
    """Two environments; the second one's steps have numbers of their own, 1,000 higher."""
    spaces = pytest.importorskip("gymnasium").spaces
    pytest.importorskip("stable_baselines3")
    box = spaces.Box(-np.inf, np.inf, (1,))
    buffer = importlib.import_module("sb3_sac").WindowReplayBuffer(2 * CAPACITY, box, box, "cpu", n_envs=2)
    for step in steps:
        number = np.array([[step.number], [step.number + 1000]], dtype=np.float32)
        infos = [{"TimeLimit.truncated": step.over and not step.terminated}] * 2
        buffer.add(number, number + 0.5, -number, number[:, 0] / 2, np.full(2, step.over), infos)
    return lambda: buffer.windows(50, STEPS)


def torchrl(steps: list[Step]) -> Windows:
    pytest.importorskip("torchrl")
    tensordict = pytest.importorskip("tensordict")
    module = importlib.import_module("torchrl_sac")
    before = module.CAPACITY
    module.CAPACITY = CAPACITY
    buffer, windows = module.make_buffers(STEPS)
    module.CAPACITY = before
    for step in steps:
        number = torch.tensor([float(step.number)])
        after = {
            "observation": number + 0.5,
            "reward": number / 2,
            "done": torch.tensor([step.over]),
            "terminated": torch.tensor([step.terminated]),
        }
        buffer.add(tensordict.TensorDict({"observation": number, "action": -number, "next": after}))
    return lambda: module.sample_windows(windows, STEPS)


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("episodes", EPISODES, ids=str)
@pytest.mark.parametrize("fill", [plain, sb3, torchrl], ids=lambda fill: fill.__name__)
def test_windows_are_the_whole_ones_inside_an_episode(
    fill: Callable[[list[Step]], Windows], episodes: list[int]
) -> None:
    steps = list(steps_of(episodes))
    kept = steps[-CAPACITY:]
    expected = {
        first.number
        for first, last in zip(kept, kept[STEPS - 1 :], strict=False)
        if first.episode == last.episode
    }
    sample = fill(steps)
    torch.manual_seed(0)
    np.random.seed(0)
    seen = set[int]()
    for _ in range(10):
        observation, action, reward = sample()
        assert observation.shape == action.shape == (*reward.shape, 1)
        assert reward.shape[1] == STEPS
        number = observation[..., 0]
        torch.testing.assert_close(number, number[:, :1] + torch.arange(STEPS))
        torch.testing.assert_close(action[..., 0], -number)
        torch.testing.assert_close(reward, number / 2)
        seen |= {int(entry) % 1000 for entry in number[:, 0]}
    assert seen == expected
