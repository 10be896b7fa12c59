"""Every shipped loss trains, as a member of one stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

NAMES = shipped("losses", ".a2l")
LARGE = (  # more than 130,000 parameters on vectors
    *("tdmpc2", "tcrl", "mrq", "dr_q", "lewm", "barlow_twins", "vicreg", "cpc", "mlr", "taco"),
    "efficientzero",
)
SMALL = tuple(name for name in NAMES if name not in LARGE)
ON_FRAMES = (
    *("tdmpc2", "curl", "curl_a2ls", "vicreg", "mlr", "svea", "reconstruction", "taco", "termination"),
    None,
)
SETTINGS = SacSettings(hidden=8, batch_size=8, random_steps=30)


def filled(names: tuple[str | None, ...], observations: Observations) -> Learner:
    """A learner with two episodes of 40 random steps, the first of which the task itself ended."""
    losses = [None if name is None else load_one(name)[1] for name in names]
    learner, rng = (
        Learner(losses, range(len(names)), observations, 2, 120, SETTINGS),
        np.random.default_rng(0),
    )
    members = len(names)

    def seen() -> np.ndarray:
        if observations.crop is None:
            return rng.normal(size=(members, *observations.shape)).astype(np.float32)
        return rng.integers(0, 256, (members, *observations.shape), dtype=np.uint8)

    for step in range(80):
        if step % 40 == 0:
            learner.begin(seen(), np.ones(members, np.bool_))
        last = np.full(members, step % 40 == 39)
        action = rng.uniform(-1, 1, (members, 2)).astype(np.float32)
        reward = rng.uniform(size=members).astype(np.float32)
        learner.append(action, reward, last & (step < 40), seen(), last)
    return learner


@pytest.mark.parametrize(
    ("names", "observations", "updates"),
    [(NAMES, Observations((5,)), 4), (ON_FRAMES, Observations((3, 20, 20), 3, 17), 2)],
    ids=["vectors", "frames"],
)
def test_every_loss_trains(names: tuple[str | None, ...], observations: Observations, updates: int) -> None:
    learner = filled(names, observations)
    stack = learner.stacks[0]
    before = [stack.auxiliary.member_state(member) for member in range(len(names))]
    for _ in range(updates):
        learner.update()
    assert learner.finite().all()
    for member, name in enumerate(names):
        assert np.isfinite(learner.pop_metrics(member)["auxiliary_loss"]) == (name is not None), name
        for parameter, value in stack.auxiliary.member_state(member).items():
            assert value.isfinite().all(), (name, parameter)
            assert not torch.equal(value, before[member][parameter]), (name, parameter)


def test_a_state_is_kept_and_taken_up() -> None:
    names = ("vcr", "curl_a2ls", "vcr")
    learner, other = (filled(names, Observations((5,))) for _ in range(2))
    for _ in range(3):
        learner.update()
    other.restore(learner.state())
    for trained in (learner, other):
        trained.update()
    first, second = learner.state(), other.state()
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def test_slots_take_losses_of_other_structure() -> None:
    """The stack is rebuilt; the member that stays goes on as it was."""
    observations = Observations((5,))
    losses = [load_one("vcr")[1], load_one("curl_a2ls")[1]]
    learner = Learner(losses, [0, 1], observations, 2, 120, SETTINGS, refill=True)
    stack = learner.stacks[0]
    kept = stack.auxiliary.member_state(0)
    learner.reset(1, load_one("mrq")[1], 7)
    state = stack.auxiliary.member_state(0)
    assert all(torch.equal(state[name], value) for name, value in kept.items())
    assert stack.horizon.tolist() == [4, 4]
    fresh = Learner([load_one("mrq")[1]], [7], observations, 2, 120, SETTINGS)
    expected = fresh.stacks[0].auxiliary.member_state(0)
    state = stack.auxiliary.member_state(1)
    assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_a_stack_goes_on_when_its_last_general_loss_has_left() -> None:
    losses = [load_one(name)[1] for name in ("vcr", "a2_winner")]
    learner = Learner(losses, [0, 1], Observations((5,)), 2, 120, SETTINGS, refill=True)
    learner.reset(0, losses[1], 5)
    rng, every, none = np.random.default_rng(0), np.ones(2, np.bool_), np.zeros(2, np.bool_)

    def seen() -> np.ndarray:
        return rng.normal(size=(2, 5)).astype(np.float32)

    learner.begin(seen(), every)
    for _ in range(40):
        action = rng.uniform(-1, 1, (2, 2)).astype(np.float32)
        learner.append(action, np.ones(2, np.float32), none, seen(), none)
    for member in range(2):
        learner.activate(member)
    learner.update()
    assert learner.finite().all()
    assert all(np.isfinite(learner.pop_metrics(member)["auxiliary_loss"]) for member in range(2))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("names", [LARGE, SMALL], ids=["large", "small"])
def test_every_loss_trains_for_2000_steps_on_cartpole(names: tuple[str, ...]) -> None:
    """In two stacks, because every member has room for the largest loss of its stack."""
    task = find_task("cartpole-swingup")
    settings = SacSettings(hidden=16, batch_size=16, random_steps=200)
    frames = task.steps_to_frames(2200)
    training = Training(task, frames, settings, EvaluationSettings(frames, 1))
    members = [Member(load_one(name)[1], seed) for seed, name in enumerate(names)]
    scores: dict[int, Score] = {}
    with Slots(training, members, Running(workers=2)) as slots:
        while len(scores) < len(names):
            for score in slots.tick():
                scores[score.member] = score
        state = slots.learner.state()
    assert not [names[member] for member, score in scores.items() if score.diverged]
    assert all(np.isfinite(value).all() for name, value in state.items() if "auxiliary" in name)
