"""Rainbow in the engine, on a real game: it repeats, resumes, keeps members apart, and scores honestly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import published_settings
from a2ls_dsl.rl.envs.tasks import find_task, suite_of
from a2ls_dsl.rl.rainbow.settings import EFFICIENT, RainbowSettings
from a2ls_dsl.rl.runs.checkpoint import load, save
from a2ls_dsl.rl.runs.folder import RunFolder, columns
from a2ls_dsl.rl.runs.keeping import train
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Ticked, Trainer
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

pytest.importorskip("ale_py")

# Cut after 40 steps: nobody scores, or ends, before that, so the episodes of all members end together.
GAME = replace(find_task("Pong"), episode_frames=4 * 40)
SMALL = RainbowSettings(
    random_steps=30,
    batch_size=4,
    multi_step=5,
    convolutions=((4, 8, 8), (6, 4, 3)),
    hidden=8,
    atoms=11,
    projection=6,
    target_period=7,
    evaluation_epsilon=0.3,
    updates_per_step=2,
)
WINNER = load_one("a2_winner")[1]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def plan(*losses: Loss | None, seeds: tuple[int, ...], settings: RainbowSettings = SMALL) -> Plan:
    training = Training(GAME, 4 * 80, settings, EvaluationSettings(4 * 40, 1))
    return Plan(training, losses, seeds)


def scores(trainer: Trainer) -> list[list[dict[str, object]]]:
    evaluations = [event for event in trainer.run() if isinstance(event, Evaluation)]
    return [[vars(score) for score in evaluation.scores] for evaluation in evaluations]


def test_a_member_is_the_same_in_any_company_and_after_an_interruption(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    with Trainer(plan(WINNER, None, seeds=(7, 1)), exact=True, workers=1) as crowd:
        among = scores(crowd)
        mine = crowd.slots.first.learner.stacks[0].state_dict()
    with Trainer(plan(WINNER, seeds=(7,)), exact=True, workers=1) as first:
        for event in first.run():
            if isinstance(event, Ticked) and first.frames == 4 * 40:
                save(path, *first.state())
                break
    assert first.frames == 4 * 40
    with Trainer(plan(WINNER, seeds=(7,)), exact=True, workers=1) as second:
        second.restore(*load(path))
        after = scores(second)
        its = second.slots.first.learner.stacks[0].state_dict()
    assert json.dumps(after[-1][0]) == json.dumps(among[-1][0])
    assert [key for key, value in mine.items() if not torch.equal(value, its[key])] == []
    assert len(among) == 2
    assert among[0][0]["metrics"] != among[0][1]["metrics"]


def test_updates_begin_after_the_random_steps_and_are_so_many_a_step() -> None:
    training = plan(None, seeds=(0,)).training
    with Slots(training, [Member(None, 0)], Running(workers=1)) as slots:
        for _ in range(35):
            slots.tick()
        assert slots.learner.stacks[0].updates.tolist() == [2 * 5]
        assert slots.learner.updates == 2 * 5


def test_an_evaluation_is_a_plain_loop_with_its_own_chances() -> None:
    """Of the frozen policy: episodes by their names, actions by their numbers, returns unclipped."""
    training = replace(plan(None, seeds=(3,)).training, evaluation=EvaluationSettings(4 * 40, 2))
    with Slots(training, [Member(None, 3)], Running(workers=1)) as slots:
        for _ in range(40):
            slots.tick()
        learner = slots.learner
        score = slots.evaluator.finish()[0]
        learner.freeze()  # nothing was learned since the evaluation began
        env = suite_of(GAME).make(GAME, None, life_loss=False)
        for episode in range(2):
            seed = int(learner.episode_seeds(Purpose.EVALUATION, np.array([episode]))[0])
            frames, total, last = [env.reset(seed)] * 4, 0.0, False
            for step in range(40):
                seen = np.concatenate(frames[-4:])[None]
                action = learner.act_frozen(seen, np.array([episode * 2**24 + step]))
                done = env.step(int(action[0].argmax()))
                frames.append(done.observation)
                total, last = total + done.reward, done.last
            assert last
            assert score.returns[episode] == total


def test_a_runs_folder_holds_rainbows_figures(tmp_path: Path) -> None:
    made = plan(None, seeds=(0,))
    with Trainer(made, workers=1) as trainer, RunFolder(tmp_path / "run", trainer) as folder:
        train(trainer, folder)
    header = (tmp_path / "run" / "seed-0.csv").read_text().splitlines()[0]
    assert tuple(header.split(",")) == columns(made.training)
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["settings"]
    assert stored["evaluation_epsilon"] == 0.3
    assert stored["multi_step"] == 5


def test_each_algorithm_refuses_the_others_actions() -> None:
    with pytest.raises(A2lError, match="SAC can't act in Pong"):
        Training(GAME, 400, SacSettings())
    with pytest.raises(A2lError, match="Rainbow can't act in walker-walk"):
        Training(find_task("walker-walk"), 400, SMALL)
    assert published_settings(find_task("Pong"), 400_000) == EFFICIENT
