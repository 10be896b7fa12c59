"""What a stack takes of memory is known before anything takes it, and limits are those of this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from a2ls_dsl.backend.stacked import PADDING_ON_GPU
from a2ls_dsl.cli import _is_out_of_memory
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.agents import make_agent
from a2ls_dsl.rl.compute import footprint
from a2ls_dsl.rl.compute.footprint import Footprint, measure_member
from a2ls_dsl.rl.compute.memory import free_of_groups
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

GB = 10**9
MEMBER = Footprint(GB, 2 * GB, GB, exact=False, environment=GB // 2, process=GB // 4)


@pytest.mark.parametrize("name", ["a2_winner_v", "tdmpc2"])
def test_a_stack_takes_so_many_times_what_one_member_takes(name: str) -> None:
    """Tensors of a real stack of four, counted as they are made."""
    settings, observations = SacSettings(hidden=64, batch_size=32), Observations((5,))
    loss = load_one(name)[1]
    networks, update = measure_member(settings, (loss,), observations, 2)
    learner = Learner([loss] * 4, range(4), observations, 2, 60, settings)
    every, rng = np.ones(4, np.bool_), np.random.default_rng(0)
    learner.begin(rng.normal(size=(4, 5)).astype(np.float32), every)
    for _ in range(50):
        action, reward, seen = (rng.normal(size=size).astype(np.float32) for size in ((4, 2), 4, (4, 5)))
        learner.append(action, reward, ~every, seen, ~every)
    stack = learner.stacks[0]
    state = [*stack.parameters(), *stack.buffers()]
    assert 4 * networks == pytest.approx(sum(tensor.nbytes for tensor in state), rel=0.02)
    with footprint._Allocations([*state, *learner.replays[0].buffers()]) as made:
        learner.update()
        learner.update()
    assert 4 * update == pytest.approx(made.peak, rel=0.15)


def test_on_a_gpu_its_padding_and_its_spare_lanes_are_counted() -> None:
    """On tensors without values, in a stack that has room as one on a GPU has."""
    settings, observations = SacSettings(hidden=8, batch_size=8), Observations((5,))
    names = ("a2_winner", "curl_a2ls", "a2_winner_v", "forward_dynamics")
    losses = tuple(load_one(name)[1] for name in names)
    here, there = (measure_member(settings, losses, observations, 2, on_cpu) for on_cpu in (True, False))
    room = Computation(padding=PADDING_ON_GPU, spare=True)
    stack = make_agent(settings, losses, range(4), observations, 2, computation=room)
    size = sum(tensor.nbytes for tensor in (*stack.parameters(), *stack.buffers()))
    assert 4 * there[0] == pytest.approx(size, rel=0.01)
    assert there[0] > here[0]
    assert there[1] > here[1]


ALONE = """
import sys
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.compute.footprint import measure_member
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings

print(measure_member(SacSettings(hidden=8, batch_size=4), (load_one("a2_winner")[1],), Observations((3,)), 1))
print("torch._dynamo" in sys.modules)
"""


def test_counting_imports_no_compiler() -> None:
    """Importing torch's takes longer than all that is counted, at every start of a training."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.endswith("False\n"), (done.stdout, done.stderr)


def test_a_footprint_counts_two_environments_a_member() -> None:
    assert MEMBER.of_environments(6, workers=4) == GB + 6 * GB
    assert MEMBER.of_learner(6) == 24 * GB
    assert Footprint(GB, 2 * GB, GB, True, 0, 0).of_learner(6) == 19 * GB
    assert MEMBER.total(6, 4) == 31 * GB


def test_who_does_not_fit_is_refused_with_the_number_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "free_bytes", lambda device: 20 * GB)
    monkeypatch.setattr(footprint, "free_of_machine", lambda: 20 * GB)
    MEMBER.check(3, 4, "cpu")  # 15.75 GB
    with pytest.raises(
        A2lError, match=r"5 members take 26.00 GB .*replay 5.00.*but 20.00 GB are free"
    ) as error:
        MEMBER.check(5, 4, "cpu")
    assert "at most 3 at once: `a2l evolve --stack 3`" in error.value.fix
    monkeypatch.setattr(footprint, "free_of_machine", lambda: 2 * GB)
    with pytest.raises(A2lError, match=r"one member takes .*but 2.00 GB are free") as error:
        MEMBER.check(1, 4, "cpu")
    assert "smaller settings" in error.value.fix


LIMITED = """
import resource, sys
import torch
from a2ls_dsl.rl.compute.memory import free_of_process
from a2ls_dsl.rl.slots.slots import Slots
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.slots.parts import Running

kind, name = {"AS": (resource.RLIMIT_AS, "VmSize"), "DATA": (resource.RLIMIT_DATA, "VmData")}[sys.argv[1]]
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) * 1024
resource.setrlimit(kind, (used + 2**28, resource.getrlimit(kind)[1]))
assert 2**27 < free_of_process() <= 2**28, free_of_process()
settings = SacSettings(hidden=512, batch_size=64, replay_capacity=1000)
task = find_task("cartpole-swingup")
try:
    Slots(Training(task, 8000, settings), [Member(None, seed) for seed in range(40)], Running(workers=1))
except A2lError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["AS", "DATA"])
def test_limits_of_the_process_are_respected_before_environments_start(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, kind], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.startswith("40 members take "), done.stderr
    assert "fix: train at most " in done.stdout


def test_groups_of_both_versions_and_those_around_them_limit(tmp_path: Path) -> None:
    def group(place: str, **files: str) -> None:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (tmp_path / place / name.replace("__", ".")).write_text(text)

    group("job", memory__max="1000\n", memory__current="700\n", memory__stat="anon 5\ninactive_file 50\n")
    group("job/step", memory__max="max\n", memory__current="600\n")
    assert list(free_of_groups("0::/job/step\n", tmp_path)) == [350]
    old = {"memory__limit_in_bytes": "500", "memory__usage_in_bytes": "100"}
    group("memory/job", **old, memory__stat="total_inactive_file 7\n")
    group("memory", **(old | {"memory__limit_in_bytes": str(2**60)}))
    groups = "12:cpu,cpuacct:/job\n4:memory:/job\n0::/elsewhere\n"
    assert list(free_of_groups(groups, tmp_path)) == [407, 2**60 - 100]
    # In a container the place is the host's, and the group stands at the root.
    assert list(free_of_groups("4:memory:/docker/8f3\n", tmp_path)) == [2**60 - 100]


def test_what_could_not_be_allocated_is_a_message() -> None:
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as pythons:
        bytes(2**62)
    assert _is_out_of_memory(torchs.value)
    assert _is_out_of_memory(pythons.value)
    assert _is_out_of_memory(RuntimeError("can't start new thread"))
    assert not _is_out_of_memory(RuntimeError("shapes can't be multiplied"))
