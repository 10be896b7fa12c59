"""What a stack held is free the moment nobody holds it: without a collection, which may come much later."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from rl.slots.test_poison import CASES, SICK, Run

from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.trainer import Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.rl.slots.roster import Roster


@pytest.fixture(autouse=True)
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(learner: Learner) -> list[weakref.ref[object]]:
    """The learner, its stacks and replays, and all of their tensors."""
    modules = [*learner.stacks, *learner.replays]
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return [weakref.ref(item) for item in (*modules, *tensors)]


def alive(references: list[weakref.ref[object]]) -> int:
    return sum(reference() is not None for reference in references)


@pytest.mark.parametrize("case", CASES)
def test_a_learner_dies_with_its_last_reference(case: str) -> None:
    run = Run(case)
    run.live(2, learn=True)
    learner = run.learner
    seen = np.zeros((3, *learner.observations.seen), np.float32)
    learner.act(seen, np.zeros(3, np.int64), np.arange(3) == 1)
    references = [weakref.ref(learner), *held(learner)]
    assert alive(references) > 60
    del learner, run
    assert alive(references) == 0


@pytest.mark.parametrize("case", CASES)
def test_a_closed_learner_holds_nothing(case: str) -> None:
    run = Run(case)
    run.live(2, learn=True)
    references = held(run.learner)
    run.learner.close()
    assert alive(references) == 0


def test_a_slot_that_is_computed_alone_is_empty_before_it_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("vectors", exact=True)
    run.live(2, learn=True)
    references = [weakref.ref(run.learner.stacks[SICK]), weakref.ref(run.learner.replays[SICK])]
    made, survivors = Roster._made, []

    def watched(*arguments: object) -> object:
        survivors.append(alive(references))
        return made(*arguments)

    monkeypatch.setattr(Roster, "_made", watched)
    run.learner.reset(SICK, run.next, 7)
    assert survivors == [0]


def test_a_trainer_leaves_nothing() -> None:
    training = Training(
        *(find_task("cartpole-swingup"), 8 * 20, SacSettings(hidden=8, batch_size=4, random_steps=10)),
        EvaluationSettings(8 * 20, 1),
    )
    with Trainer(Plan(training, (None, None), (0, 1)), workers=1) as trainer:
        references = held(trainer.slots.first.learner)
        for _ in trainer.run():
            pass
    del trainer
    assert alive(references) == 0
