"""Slots in several processes are the slots of one: same scores, same places after a stop, clear ends."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forked import ForkedStack

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.policies.policy import load_policy
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.runs.folder import RunFolder
from a2ls_dsl.rl.runs.keeping import train
from a2ls_dsl.rl.runs.trainer import Plan, Trainer
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, PixelSettings, SacSettings
from a2ls_dsl.rl.slots import stack_process
from a2ls_dsl.rl.slots import stacks as stacks_module
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots
from a2ls_dsl.rl.slots.stacks import Stacks, stacks_for

TRAINING = Training(
    replace(find_task("cartpole-swingup"), episode_frames=8 * 40),  # so that evaluations are short
    frames=8 * 60,
    settings=SacSettings(hidden=16, batch_size=8, random_steps=15, replay_capacity=40),
    evaluation=EvaluationSettings(every_frames=8 * 25, episodes=1),
)
LOSSES = ("a2_winner", "forward_dynamics", "spr", "a2_winner_v", "curl_a2ls")
MEMBERS = [Member(load_one(name)[1], seed) for seed, name in enumerate(LOSSES)]
SLOTS = 3


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack's process doesn't import torch again, but for the test that sees one end."""
    if "processes_end" not in request.node.name:
        monkeypatch.setattr(stack_process, "launch", ForkedStack)


def flow(slots: Slots | Stacks, stop: int = 10**9) -> list[tuple[int, Score]]:
    """All members through few slots, one of which is cleared on the way; scores with their ticks."""
    waiting, scores, tick = list(MEMBERS), list[tuple[int, Score]](), 0
    with slots:
        while (waiting or any(slots.members)) and tick < stop:
            for slot in slots.free():
                if waiting:
                    slots.fill(slot, waiting.pop(0))
            if tick == 40:
                slots.clear(1)
            scores += [(tick, score) for score in slots.tick()]
            tick += 1
    return scores


@pytest.fixture(scope="module")
def scores() -> list[tuple[int, Score]]:
    return flow(Slots(TRAINING, [None] * SLOTS, Running(workers=1, exact=True, refill=True)))


@pytest.mark.parametrize("stacks", [2, 3])
def test_stacks_give_what_one_gives(stacks: int, scores: list[tuple[int, Score]]) -> None:
    slots = Stacks(TRAINING, [None] * SLOTS, Running(workers=2, exact=True, refill=True), stacks)
    assert len(scores) > 5
    assert str(flow(slots)) == str(scores)  # as text: numbers that aren't there are equal, too


def to_the_end(stacks: Stacks) -> list[Score]:
    scores = list[Score]()
    while stacks.busy.any():
        scores += stacks.tick()
    while stacks.evaluating:
        scores += stacks.evaluate()
    return scores


def test_stored_stacks_go_on_in_any_number_of_processes(tmp_path: Path) -> None:
    """By ones that would have been divided otherwise: they take the number that there was."""
    path = tmp_path / "checkpoint.npz"
    for before, after in ((2, 1), (1, 2)):
        with Stacks(TRAINING, MEMBERS[:SLOTS], Running(workers=1), before) as first:
            for _ in range(30):
                first.tick()
            checkpoint.save(path, *first.state())
            expected, frames = to_the_end(first), first.frames
        arrays, values = checkpoint.load(path)
        with Stacks(TRAINING, MEMBERS[:SLOTS], Running(workers=1), after) as second:
            second.restore(arrays, values)
            assert second.count == before
            assert second.busy.all()
            assert second.frames.tolist() == [8 * 30] * SLOTS
            assert str(to_the_end(second)) == str(expected)
            np.testing.assert_array_equal(second.frames, frames)


def test_policies_are_found_in_whatever_process_they_were_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks_module, "WORTH", 1)
    monkeypatch.setattr(stacks_module, "usable_cores", lambda: 2)
    losses, seeds = tuple(member.loss for member in MEMBERS[:SLOTS]), tuple(range(SLOTS))
    with Trainer(Plan(TRAINING, losses, seeds), workers=1) as trainer:
        with RunFolder(tmp_path / "run", trainer) as folder:
            train(trainer, folder)
        assert trainer.slots.count == 2
        for seed in seeds:
            stored = load_policy(tmp_path / "run", f"seed-{seed}").trained.networks
            networks = trainer.slots.trained(seed)
            assert stored.evaluations == networks.evaluations == 3
            assert stored.arrays.keys() == networks.arrays.keys()
            for name, array in networks.arrays.items():
                np.testing.assert_array_equal(stored.arrays[name], array, err_msg=name)


def test_a_process_that_dies_is_an_error_with_a_way_on() -> None:
    with Stacks(TRAINING, MEMBERS[:2], Running(workers=1), 2) as slots:
        slots.tick()
        os.kill(slots._others[0]._process.pid, signal.SIGKILL)
        with pytest.raises(A2lError, match="was killed by SIGKILL") as error:
            slots.tick()
    assert "continues from what was stored" in error.value.fix


def test_what_a_stack_refuses_is_refused() -> None:
    """Also where only another process sees it: here a loss that looks beyond an episode's end."""
    far = Member(loads("loss far = mse({ s[t] } -> { s[t+45] })")["far"], 0)
    with pytest.raises(A2lError, match="45"):
        Stacks(TRAINING, [MEMBERS[0], far], Running(workers=1), 2)


def test_processes_end_with_the_one_that_started_them() -> None:
    slots = Stacks(TRAINING, MEMBERS[:2], Running(workers=1), 2)
    process = slots._others[0]._process
    slots.close()
    assert process.poll() is not None
    with pytest.raises(A2lError, match="pool is closed"):
        slots.first.pool.reset([0])


def test_a_core_has_a_stack_where_that_pays() -> None:
    cores = len(os.sched_getaffinity(0))
    long = Training(TRAINING.task, 8 * 20_000, TRAINING.settings, TRAINING.evaluation)
    pixels = Training(TRAINING.task, 8 * 20_000, TRAINING.settings, TRAINING.evaluation, PixelSettings())
    assert stacks_for(long, 100, "cpu") == cores
    assert stacks_for(long, 1, "cpu") == 1
    assert stacks_for(TRAINING, 100, "cpu") == 1  # over before another process has started
    assert stacks_for(long, 100, "cuda") == 1
    assert stacks_for(pixels, 100, "cpu") == 1
