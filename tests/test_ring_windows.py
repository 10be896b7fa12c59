"""Windows from other replay buffers: against a list of all episodes, in the buffers and in agents."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.windows import Ring, of_sb3, of_torchrl, sample

AGENTS = Path(__file__).parent.parent / "examples" / "agents"


def written(capacity: int, envs: int, lengths: list[int], total: int) -> tuple[Ring, set[tuple[int, ...]]]:
    """A ring into which `total` steps were written in order; the windows of three steps that are in it.

    The observation of a step is its number and its environment; what is in the ring is known from the history
    alone, which doesn't know of rows.
    """
    arrays = {name: np.zeros((capacity, envs), np.int64) for name in ("step", "end")}
    history: list[list[tuple[int, int]]] = [[] for _ in range(envs)]  # (step, episode)
    for env in range(envs):
        episode, left = 0, lengths[env % len(lengths)]
        for step in range(total):
            left -= 1
            row = step % capacity
            arrays["step"][row, env], arrays["end"][row, env] = step, left == 0
            history[env].append((step, episode))
            if left == 0:
                episode += 1
                left = lengths[(episode + env) % len(lengths)]
    windows = set()
    for env, steps in enumerate(history):
        kept = steps[-capacity:]
        for three in zip(kept, kept[1:], kept[2:], strict=False):
            if len({episode for _, episode in three}) == 1:
                windows.add((env, *(step for step, _ in three)))
    envs_of = np.broadcast_to(np.arange(envs), (capacity, envs))
    observation = np.stack([arrays["step"], envs_of], axis=2).astype(np.float32)
    ended, nothing = arrays["end"].astype(bool), np.zeros((capacity, envs), bool)
    full = total >= capacity
    ring = Ring(
        observation,
        observation[..., :1] / 100,
        arrays["step"].astype(np.float32),
        *((ended, nothing) if total % 2 else (nothing, ended)),
        capacity if full else total,
        total % capacity if full else 0,
    )
    return ring, windows


@given(
    capacity=st.integers(1, 12),
    envs=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    total=st.integers(0, 30),
)
def test_windows_are_those_of_the_history(capacity: int, envs: int, lengths: list[int], total: int) -> None:
    ring, windows = written(capacity, envs, lengths, total)
    starts = ring.starts(3)
    assert len(starts) == len(windows)
    if not windows:
        with pytest.raises(A2lError, match="no 3 consecutive steps"):
            ring.sample(3, 4)
        return
    window = ring.sample(3, 40, np.random.default_rng(0))
    for observation, action, reward in zip(window.observation, window.action, window.reward, strict=True):
        steps, env = observation[:, 0], int(observation[0, 1])
        assert (env, *map(int, steps)) in windows
        assert torch.equal(reward, steps)
        assert torch.equal(action[:, 0], steps / 100)


def test_all_windows_are_drawn_evenly() -> None:
    ring, windows = written(12, 2, [4, 7], 31)
    window = ring.sample(3, 20_000, np.random.default_rng(0))
    counts = Counter(
        (int(window_rows[0, 1]), *map(int, window_rows[:, 0])) for window_rows in window.observation
    )
    assert counts.keys() == windows
    expected = 20_000 / len(windows)
    chi = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi < 2.5 * len(windows)
    # Where next to no row starts a window they are listed, not waited for.
    rare, _ = written(1000, 1, [1] * 200 + [3], 1000)
    assert rare.sample(3, 5).steps == 3


def test_arrays_without_environments_and_discrete_actions() -> None:
    rows = np.arange(6)
    ended = rows == 2
    window = sample(
        torch.zeros(6, 3, 8, 8, dtype=torch.uint8), rows % 3, rows * 1.0, ended, ended & False,
        steps=2, batch=8, actions=3,
    )  # fmt: skip
    assert window.observation.dtype == torch.uint8
    assert window.action.shape == (8, 2, 3)
    assert torch.equal(window.action.argmax(dim=2), window.reward.long() % 3)
    with pytest.raises(A2lError, match="the array action has the shape"):
        sample(rows, rows[:3], rows, ended, ended, steps=1, batch=1)
    with pytest.raises(A2lError, match="count rows"):
        Ring(rows, rows, rows, ended, ended, size=7)


@pytest.mark.parametrize("optimized", [False, True])
def test_a_replay_buffer_of_sb3(optimized: bool) -> None:
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    spaces = pytest.importorskip("gymnasium.spaces")
    vectors, numbers = spaces.Box(-1e9, 1e9, (2,)), spaces.Box(-1, 1, (1,))
    more = {"optimize_memory_usage": optimized, "handle_timeout_termination": not optimized}
    buffer = buffers.ReplayBuffer(20, vectors, numbers, n_envs=2, **more)
    kept = 9 if optimized else 10  # of each environment
    seen: dict[tuple[int, int], int] = {}
    for step in range(27):
        number = np.array([step, 100 + step], np.float32)
        last = np.array([step % 5 == 4, step % 7 == 6])
        after = np.stack([number + 1, number], axis=1)
        infos = [{"TimeLimit.truncated": bool(flag)} for flag in last]
        buffer.add(np.stack([number, number], axis=1), after, number[:, None] / 200, number, last, infos)
        for env, length in enumerate((5, 7)):
            seen[env, step] = step // length
    windows = {
        (env, step)
        for env in (0, 1)
        for step in range(27 - kept, 25)
        if len({seen[env, step + more] for more in range(3)}) == 1
    }
    drawn = of_sb3(buffer).sample(3, 3000, np.random.default_rng(0))
    starts = {
        (int(steps[0] >= 100), int(steps[0] % 100)) for steps in drawn.observation[..., 0].tolist() if steps
    }
    assert starts == windows
    assert torch.equal(drawn.observation[:, :, 0], drawn.reward)
    assert torch.equal(drawn.reward[:, 1:] - drawn.reward[:, :-1], torch.ones(3000, 2))


def test_a_replay_buffer_of_torchrl() -> None:
    data = pytest.importorskip("torchrl.data")
    tensordict = pytest.importorskip("tensordict")
    buffer = data.ReplayBuffer(storage=data.LazyTensorStorage(10), batch_size=4)
    for first in range(0, 28, 4):
        step = torch.arange(first, first + 4)
        after = {
            "reward": step[:, None].float(),
            "terminated": (step % 5 == 4)[:, None],
            "truncated": (step % 7 == 6)[:, None],
        }
        rows = {"observation": step[:, None].float(), "action": step[:, None] / 100, "next": after}
        buffer.extend(tensordict.TensorDict(rows, [4]))
    ends = {step for step in range(28) if step % 5 == 4 or step % 7 == 6}
    windows = {step for step in range(18, 26) if not ends & {step, step + 1}}
    drawn = of_torchrl(buffer).sample(3, 500, np.random.default_rng(0))
    assert {int(number) for number in drawn.reward[:, 0]} == windows
    assert torch.equal(drawn.observation[..., 0], drawn.reward)
    assert torch.equal(drawn.reward[:, 2] - drawn.reward[:, 0], torch.full((500,), 2.0))


def example(name: str) -> Any:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"{name}_agents", AGENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("agent", ["sac", "td3", "dqn", "ppo"])
def test_agents_of_sb3_learn_the_loss(agent: str) -> None:
    pytest.importorskip("stable_baselines3")
    script = example("sb3")
    first, last = (
        script.main(agent, "forward_dynamics", steps, 0) for steps in (240, {"ppo": 2500}.get(agent, 600))
    )
    assert last < 0.7 * first


def test_an_agent_of_torchrl_learns_the_loss() -> None:
    pytest.importorskip("torchrl")
    first, last = (example("torchrl_dqn").main("forward_dynamics", steps, 0) for steps in (210, 500))
    assert last < 0.7 * first


@pytest.mark.parametrize(("name", "package"), [("sb3", "stable_baselines3"), ("torchrl_dqn", "torchrl")])
def test_what_is_added_to_an_agent_is_short(name: str, package: str) -> None:
    pytest.importorskip(package)
    source = inspect.getsource(example(name).Auxiliary).splitlines()
    assert len([line for line in source if line.strip()]) < 30
