"""The training loop on real physics: it repeats, resumes, and keeps members apart, bit for bit on the CPU."""

from __future__ import annotations

import json
import math
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
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.checkpoint import Pace, load, save
from a2ls_dsl.rl.runs.curve import area
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Ticked, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings, paper_settings
from a2ls_dsl.rl.slots.slots import Slots

SMALL = SacSettings(hidden=32, batch_size=16, random_steps=20)
TASK = replace(find_task("cartpole-swingup"), episode_frames=200)  # 25 steps, so that evaluations are short
WINNER = load_one("a2_winner")[1]
WIDE = load_one("a2_winner_v")[1]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def plan(*losses: Loss | None, frames: int = 600, every: int = 200, seeds: tuple[int, ...] = ()) -> Plan:
    training = Training(TASK, frames, SMALL, EvaluationSettings(every, 1))
    return Plan(training, losses, seeds or tuple(range(len(losses))))


def evaluations(trainer: Trainer, count: int | None = None) -> list[Evaluation]:
    reached: list[Evaluation] = []
    for event in trainer.run():
        if isinstance(event, Evaluation):
            reached.append(event)
            if len(reached) == count:
                break
    return reached


def scores(reached: list[Evaluation]) -> str:
    """All that evaluations hold, as a text: NaN equals NaN there."""
    return json.dumps([vars(score) for evaluation in reached for score in evaluation.scores])


def parameters(trainer: Trainer, member: int) -> dict[str, torch.Tensor]:
    """What a member of an exact trainer learned."""
    stack = trainer.slots.first.learner.stacks[member]
    return {name: value.detach().clone() for name, value in stack.named_parameters()}


def test_a_member_is_the_same_in_any_company() -> None:
    with Trainer(plan(WINNER, None, WIDE, seeds=(7, 1, 2)), exact=True) as crowd:
        among = evaluations(crowd)
    with Trainer(plan(WINNER, seeds=(7,)), workers=1, exact=True) as lonely:
        alone = evaluations(lonely)
    assert len(among) == len(alone) == 3
    for evaluation, other in zip(among, alone, strict=True):
        np.testing.assert_array_equal(evaluation.returns[:1], other.returns)
    mine, its = parameters(crowd, 0), parameters(lonely, 0)
    assert mine.keys() == its.keys()
    assert all(torch.equal(mine[name], its[name]) for name in mine)


def test_a_resumed_run_is_the_uninterrupted_run(tmp_path: object) -> None:
    path = tmp_path / "checkpoint.npz"  # type: ignore[operator]
    with Trainer(plan(WINNER, None)) as whole:
        expected = evaluations(whole)
    with Trainer(plan(WINNER, None)) as first:
        begun = evaluations(first, count=1)
        save(path, *first.state())
    with Trainer(plan(WINNER, None)) as second:
        second.restore(*load(path))
        resumed = begun + evaluations(second)
    assert scores(resumed) == scores(expected)


def test_evaluation_does_not_disturb_training() -> None:
    with Trainer(plan(WINNER, every=104, frames=400)) as often:
        evaluations(often)
    with Trainer(plan(WINNER, every=400, frames=400)) as rarely:
        evaluations(rarely)
    mine, its = parameters(often, 0), parameters(rarely, 0)
    assert all(torch.equal(mine[name], its[name]) for name in mine)


def test_evaluations_beside_the_training_score_the_policies_of_their_frames() -> None:
    """Against a plain loop: one environment, the policy as it was, one episode after the other."""
    training = Training(TASK, 600, SMALL, EvaluationSettings(every_frames=200, episodes=2))
    made = Plan(training, (WINNER, None), (3, 4))
    with Trainer(made) as trainer:
        reached = evaluations(trainer)
    assert [evaluation.frames for evaluation in reached] == [200, 400, 600]
    with Slots(training, made.members) as slots:
        learner, env = slots.learner, DmcEnv(TASK)
        for number, expected in enumerate(reached):
            for _ in range(25):
                slots.tick()
            learner.freeze()
            for member, episode in ((0, 0), (1, 1)):
                names = learner.episode_seeds(Purpose.EVALUATION, np.full(2, 2 * number + episode))
                seen, last, total = env.reset(int(names[member])), False, 0.0
                while not last:
                    step = env.step(learner.act_frozen(np.stack([seen, seen]))[member])
                    seen, last = step.observation, step.last
                    total += float(np.float32(step.reward))
                assert total == expected.returns[member, episode]
            for member in range(2):
                slots.evaluator.cancel(member)  # it shares the frozen policies


def test_a_run_goes_on_in_the_middle_of_an_evaluation(tmp_path: Path) -> None:
    """Evaluations that end long after the episode that was stored, at another pace than the training's."""
    settings = EvaluationSettings(every_frames=400, episodes=3)
    made = Plan(Training(TASK, 1200, SMALL, settings), (WINNER, None), (0, 1))
    with Trainer(made) as whole:
        expected = evaluations(whole)
    path = tmp_path / "checkpoint.npz"
    with Trainer(made) as first:
        for event in first.run():
            if isinstance(event, Ticked) and event.frames == 600:
                assert first.slots.first.evaluator.running
                save(path, *first.state())
                break
    with Trainer(made) as second:
        second.restore(*load(path))
        resumed = evaluations(second)
    assert [evaluation.frames for evaluation in resumed] == [400, 800, 1200]
    assert scores(resumed) == scores(expected)


def test_a_run_that_has_ended_goes_on_with_more_frames(tmp_path: Path) -> None:
    """In the middle of an episode, with a larger replay: as if it had had them from the start."""
    path = tmp_path / "checkpoint.npz"
    with Trainer(plan(WINNER, None, every=104, frames=624)) as whole:
        expected = evaluations(whole)
    with Trainer(plan(WINNER, None, every=104, frames=312)) as short:
        begun = evaluations(short)
        assert short.finished
        save(path, *short.state())
        rows = short.slots.first.parts.replay_rows
    with Trainer(plan(WINNER, None, every=104, frames=624)) as longer:
        assert longer.slots.first.parts.replay_rows > rows
        longer.restore(*load(path))
        assert not longer.finished
        reached = begun + evaluations(longer)
    assert scores(reached) == scores(expected)


def test_seeds_differ() -> None:
    with Trainer(plan(None, None, frames=200)) as trainer:
        (only,) = evaluations(trainer)
    assert only.returns[0] != only.returns[1]
    assert only.scores[0].training_return != only.scores[1].training_return


def test_a_diverged_member_scores_nothing_and_hurts_nobody() -> None:
    """It stops at the evaluation that finds it, which stands for those that it doesn't come to."""
    with Trainer(plan(WINNER, WINNER, frames=704)) as healthy:
        expected = evaluations(healthy)
    with Trainer(plan(WINNER, WINNER, frames=704)) as trainer:
        with torch.no_grad():
            trainer.slots.first.learner.stacks[0].log_temperature[1] = float("nan")
        reached = evaluations(trainer)
        assert trainer.finished
        assert trainer.slots.frames.tolist() == [704, 200]
    assert [evaluation.frames for evaluation in reached] == [200, 400, 600, 704]
    for mine, its in zip(reached, expected, strict=True):
        assert mine.diverged.tolist() == [False, True]
        assert mine.returns[1] == 0
        assert [score.number for score in mine.scores] == [mine.frames // 200 - 1 + (mine.frames == 704)] * 2
        np.testing.assert_array_equal(mine.returns[0], its.returns[0])
    assert np.isfinite(reached[0].scores[1].training_return)
    assert np.isnan(reached[1].scores[1].training_return)


def test_a_run_ends_with_the_last_member_that_is_finite(tmp_path: Path) -> None:
    """What is interrupted there goes on, too."""
    short = plan(WINNER, None, frames=600)
    with Trainer(short) as trainer:
        with torch.no_grad():
            trainer.slots.first.learner.stacks[0].log_temperature[:] = float("nan")
        for _ in trainer.run():
            if trainer.slots.first.evaluator.running:
                save(tmp_path / "half.npz", *trainer.state())
                break
        reached = evaluations(trainer)
        assert trainer.finished
        assert trainer.frames == 200
    assert [evaluation.frames for evaluation in reached] == [200, 400, 600]
    assert all(evaluation.diverged.all() for evaluation in reached)
    with Trainer(short) as other:
        other.restore(*load(tmp_path / "half.npz"))
        assert scores(evaluations(other)) == scores(reached)


def test_the_last_evaluation_is_at_the_end_of_the_budget() -> None:
    with Trainer(plan(None, frames=504)) as trainer:
        assert [evaluation.frames for evaluation in evaluations(trainer)] == [200, 400, 504]


def test_frames_are_whole_agent_steps() -> None:
    """Else the last evaluation would come after the end of training, and its label would be wrong."""
    for frames, every in ((12_500, 1000), (3, 1000), (2000, 777)):
        with pytest.raises(A2lError, match="not a whole number of agent steps"):
            plan(None, frames=frames, every=every)


def test_cheetah_has_settings_of_its_own() -> None:
    assert paper_settings(find_task("cheetah-run")).learning_rate == 2e-4
    assert paper_settings(find_task("walker-walk")).learning_rate == 1e-3


def test_the_area_is_the_mean_of_the_curve() -> None:
    assert area([(1, 0.0), (2, 100.0), (3, 500.0)]) == 200.0


@pytest.mark.parametrize(("seconds", "hours"), [(math.nan, None), (60.0, math.nan)])
def test_a_time_that_never_comes_is_refused(seconds: float, hours: float | None) -> None:
    with pytest.raises(A2lError, match=r"nan (seconds|hours) are no time"):
        Pace(seconds, hours)
