"""Members that flow through slots, on real physics: each is what it would be alone, whoever was before it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

# An odd number of random steps, and evaluations that are not done when the next ones are due.
TASK = replace(find_task("cartpole-swingup"), episode_frames=8 * 40)
TRAINING = Training(
    TASK,
    frames=8 * 60,
    settings=SacSettings(hidden=16, batch_size=8, random_steps=15, replay_capacity=40),
    evaluation=EvaluationSettings(every_frames=8 * 25, episodes=1),
)
NAMES = ("a2_winner", "none", "curl_a2ls", "a2_winner_v", "spr")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def loss_of(name: str) -> Loss | None:
    return None if name == "none" else load_one(name)[1]


MEMBERS = [Member(loss_of(name), seed) for seed, name in enumerate(NAMES)]


def alone(member: Member) -> list[Score]:
    with Slots(TRAINING, [member], Running(workers=1, exact=True)) as slots:
        scores: list[Score] = []
        while slots.members[0] is not None:
            scores += slots.tick()
    return scores


def flow(exact: bool, culled: int | None = None) -> dict[int, list[Score]]:
    """All members through three slots, the third of which stays empty at first; scores by member."""
    waiting = list(range(len(MEMBERS)))
    inside = {0: waiting.pop(0), 1: waiting.pop(0)}
    scores: dict[int, list[Score]] = {member: [] for member in range(len(MEMBERS))}
    first = [MEMBERS[0], MEMBERS[1], None]
    with Slots(TRAINING, first, Running(workers=1, exact=exact, refill=True)) as slots:
        for tick in range(400):
            if tick >= 7:  # the third slot takes its first member at an odd moment
                for slot in slots.free():
                    if waiting:
                        inside[slot] = waiting.pop(0)
                        slots.fill(slot, MEMBERS[inside[slot]])
            for score in slots.tick():
                scores[inside[score.member]].append(score)
            if tick == 30 and culled is not None:
                slots.clear(culled)
            if not waiting and len(slots.free()) == 3:
                return scores
    raise AssertionError("the members did not end")


@pytest.fixture(scope="module")
def flowed() -> dict[int, list[Score]]:
    """The scores of all members."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return flow(exact=True)
    finally:
        torch.set_num_threads(threads)


def test_a_member_is_the_same_in_whatever_slot_it_trains(flowed: dict[int, list[Score]]) -> None:
    """To the last bit: scores, training returns and metrics of every evaluation."""
    for number, member in enumerate(MEMBERS):
        expected = alone(member)
        assert [score.frames for score in expected] == [200, 400, 480]
        for mine, its in zip(flowed[number], expected, strict=True):
            assert (mine.returns, mine.number) == (its.returns, its.number)
            np.testing.assert_array_equal(list(mine.metrics.values()), list(its.metrics.values()))


@pytest.mark.parametrize("padding", [1.3, math.inf], ids=["several buckets", "one bucket"])
@pytest.mark.parametrize("loss", ["a2_winner", "a2_winner_v"], ids=["in place", "refitted"])
def test_in_one_stack_a_new_member_learns_as_alone(padding: float, loss: str) -> None:
    """In float64, 20 updates after it took the slot of another in the middle of a run; neighbours go on."""
    next_one = Member(loss_of(loss), 3)

    def made(members: list[Member], refill: bool, padding: float = padding) -> Learner:
        losses, seeds = [member.loss for member in members], [member.seed for member in members]
        learner = Learner(
            losses,
            seeds,
            Observations((5,)),
            2,
            60,
            TRAINING.settings,
            refill=refill,
            computation=Computation(padding=padding),
        )
        learner.stacks[0].double()
        learner.replays[0].double()
        return learner

    def experience(learner: Learner, seeds: list[int], steps: int) -> None:
        """Steps that depend on each member's seed alone; `steps` after an episode's begin."""
        generators = [np.random.default_rng(seed) for seed in seeds]
        every = np.ones(len(seeds), np.bool_)
        learner.begin(np.stack([generator.normal(size=5) for generator in generators]), every)
        for _ in range(steps):
            action = np.stack([generator.uniform(-1, 1, 2) for generator in generators])
            reward = np.array([generator.uniform() for generator in generators])
            seen = np.stack([generator.normal(size=5) for generator in generators])
            learner.append(action, reward, ~every, seen, ~every)

    def updated(learner: Learner) -> None:
        for _ in range(20):
            learner.update()

    def crowded(padding: float = padding) -> Learner:
        crowd = made([MEMBERS[0], replace(MEMBERS[0], seed=1), MEMBERS[2]], refill=True, padding=padding)
        experience(crowd, [0, 1, 2], 30)
        updated(crowd)
        before = crowd.stacks[0].auxiliary
        crowd.reset(1, next_one.loss, next_one.seed)
        assert (crowd.stacks[0].auxiliary is before) == (loss == "a2_winner")
        experience(crowd, [3, 3, 3], 30)  # what the neighbours see is not compared
        crowd.activate(1)
        updated(crowd)
        return crowd

    crowd = crowded()
    single = made([next_one], refill=False)
    experience(single, [3], 30)
    updated(single)
    mine, its = crowd.stacks[0], single.stacks[0]
    for name in ("encoder", "actor", "critic", "target_encoder", "target_critic"):
        for ours, other in zip(
            getattr(mine, name).parameters(), getattr(its, name).parameters(), strict=True
        ):
            torch.testing.assert_close(ours[1], other[0], rtol=1e-6, atol=1e-6)
    for name, value in its.auxiliary.member_state(0).items():
        torch.testing.assert_close(mine.auxiliary.member_state(1)[name], value, rtol=1e-6, atol=1e-6)
    # Its neighbours are what they are in a stack of the other kind.
    others = crowded(2.0).stacks[0].auxiliary
    for member in (0, 2):
        for name, value in others.member_state(member).items():
            torch.testing.assert_close(mine.auxiliary.member_state(member)[name], value, rtol=1e-5, atol=1e-5)


def test_culling_one_disturbs_no_other(flowed: dict[int, list[Score]]) -> None:
    whole, rest = flowed, flow(exact=True, culled=0)
    assert [score.frames for score in rest[0]] == []
    assert [score.frames for score in whole[0]] == [200, 400, 480]
    for number in range(1, len(MEMBERS)):
        assert [score.returns for score in rest[number]] == [score.returns for score in whole[number]]


def test_members_catch_up_on_their_evaluations_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations that end after the next are due take no more steps for three members than for one."""

    def steps(members: list[Member]) -> int:
        played = 0
        with Slots(TRAINING, members, Running(workers=1)) as slots:
            act = slots.learner.act_frozen

            def counted(seen: NDArray[Any], counter: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
                nonlocal played
                played += 1
                return act(seen, counter)

            monkeypatch.setattr(slots.learner, "act_frozen", counted)
            while slots.busy.any() or slots.evaluator.running:
                slots.tick()
        return played

    assert steps(MEMBERS[:1]) == steps(MEMBERS[:3]) == 3 * TASK.episode_steps


def test_updates_stay_in_step_with_the_stack() -> None:
    """Members begin at any tick; their first update is one with the actor's part, as alone."""
    with Slots(TRAINING, [MEMBERS[0], None], Running(workers=1, refill=True)) as slots:
        for _ in range(3):
            slots.tick()
        slots.fill(1, MEMBERS[2])
        begun = None
        for tick in range(3, 40):
            slots.tick()
            if begun is None and slots.busy[1]:
                begun = tick
        stack = slots.learner.stacks[0]
        assert begun in (3, 4)
        assert stack.updates.tolist() == [40 - 15, 40 - begun - 15]
        assert (begun + 15 - 15) % TRAINING.settings.cycle == 0


def test_only_slots_that_are_taken_are_computed_and_a_later_process_goes_on_with_them() -> None:
    """Bit for bit from a state that was stored in a narrow stack."""
    running = Running(workers=1, refill=True)

    def ended(slots: Slots) -> list[Score]:
        scores: list[Score] = []
        while any(slots.members):
            scores += slots.tick()
        return scores

    with Slots(TRAINING, [None] * 4, running) as slots:
        slots.fill(0, MEMBERS[0])
        slots.fill(3, MEMBERS[2])
        for _ in range(30):
            slots.tick()
        assert slots.learner.roster.slots == [0, 3]
        slots.clear(0)
        slots.fill(1, MEMBERS[4])
        for _ in range(11):
            slots.tick()
        assert slots.learner.roster.slots == [1, 3]
        arrays, values = copy.deepcopy(slots.state())
        whole = ended(slots)
        assert slots.learner.roster.slots == [1]
    assert [score.frames for score in whole if score.member == 1] == [200, 400, 480]
    with Slots(TRAINING, [None] * 4, running) as later:
        later.restore(arrays, json.loads(json.dumps(values)))
        assert [score.returns for score in ended(later)] == [score.returns for score in whole]


def test_room_for_the_stack_that_takes_another_width_is_counted() -> None:
    """For a moment both are there: what a stack and its replay hold has to fit a second time."""
    memory = []
    for refill in (False, True):
        with Slots(TRAINING, [MEMBERS[0]] * 4, Running(workers=1, refill=refill)) as slots:
            memory.append(slots.memory_bytes)
            modules = (*slots.learner.stacks, *slots.learner.replays)
            held = sum(tensor.nbytes for module in modules for tensor in module.state_dict().values())
    assert memory[1] - memory[0] == pytest.approx(held, rel=0.1)
