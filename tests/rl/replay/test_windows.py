"""Losses that can't have a window are refused before anything begins; members that have none yet wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from a2ls_dsl.backend.window import reach
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.plan import read
from a2ls_dsl.experiment.run import run
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.bench.floor import Ceilings
from a2ls_dsl.rl.bench.updates import Case, measure_updates
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.replay.windows import check_windows, rows_needed
from a2ls_dsl.rl.runs.trainer import Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings, SacSettings
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.settings import SearchSettings

CARTPOLE = find_task("cartpole-swingup")  # 125 agent steps an episode
TRAINING = Training(CARTPOLE, 8 * 1000, SacSettings(random_steps=50), EvaluationSettings(8 * 100, 1))
FRAMES = replace(TRAINING, pixels=PixelSettings())  # three of them a state


def loss_of(text: str) -> Loss:
    return loads(f"loss it = {text}")["it"]


def far(steps: int, end: str = ", a[t]") -> Loss:
    return loss_of(f"mse({{ s[t]{end} }} -> {{ s[t+{steps}] }})")


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_the_rows_of_a_window_are_counted_exactly(stack: int, ahead: int) -> None:
    """Rings of that size hold one from an episode's first window to its end, of one row less not there."""
    shape = (5,) if stack == 1 else (3, 15, 15)
    observations = Observations(shape, stack, None if stack == 1 else 15)
    for capacity, possible in ((rows_needed(ahead, stack), True), (rows_needed(ahead, stack) - 1, False)):
        replay = Replay(torch.tensor([ahead]), capacity, observations, 2)
        seen = torch.zeros(1, *shape, dtype=observations.dtype)
        had = []
        for step in range(60):
            last = torch.tensor([step % 20 == 19])
            if step % 20 == 0:
                replay.begin(seen)
            replay.append(torch.zeros(1, 2), torch.zeros(1), last, seen, last)
            had.append(bool(replay.windows.any))
        assert [had[19], had[39], had[59]] == [possible] * 3
        assert not possible or all(had[ahead:20])


def into_a_last_state(steps: int) -> Loss:
    """Beyond the paper's losses; its window may end in an episode's last state."""
    return loads(f"loss it = mse({{ s[t] }} -> {{ s[t+{steps}] }}) with head = linear")["it"]


def test_a_window_may_end_in_a_last_state() -> None:
    """Losses beyond the paper's, that read nothing else there."""
    assert [reach(None), reach(far(7)), reach(load_one("spr_rollout")[1])] == [0, 7, 5 - 1]


def rainbow(**more: Any) -> RainbowSettings:
    return RainbowSettings(random_steps=100, replay_capacity=150, **more)


@pytest.mark.parametrize(
    ("training", "loss", "words"),
    [
        (TRAINING, far(125), "an episode of cartpole-swingup has 125"),
        (TRAINING, far(500), "124 steps ahead"),
        (TRAINING, far(124), None),
        (TRAINING, into_a_last_state(500), "125 steps ahead or fewer"),
        (TRAINING, into_a_last_state(126), "looks 126 agent steps ahead"),
        (TRAINING, into_a_last_state(125), None),
        (replace(TRAINING, settings=replace(SacSettings(), replay_capacity=100)), far(120), "123 or more"),
        (replace(TRAINING, settings=replace(SacSettings(), replay_capacity=123)), far(120), None),
        (
            replace(TRAINING, settings=SacSettings(replay_capacity=123), pixels=PixelSettings()),
            far(120),
            "125",
        ),
        (replace(TRAINING, settings=SacSettings(replay_capacity=2)), None, "no step to learn from"),
        (replace(TRAINING, settings=SacSettings(random_steps=0)), None, "before there is a step"),
        (replace(TRAINING, frames=8 * 100), far(99), "training ends after 100"),
        (replace(TRAINING, frames=8 * 100), far(98), None),
        (Training(find_task("Pong"), 4_000, rainbow()), far(145), "151 or more"),
        (Training(find_task("Pong"), 4_000, rainbow()), far(144), None),
    ],
)
def test_what_can_never_be_sampled_is_refused(
    training: Training, loss: Loss | None, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a process of the environments is started."""
    if words is None:
        return check_windows(training, [None, loss])

    def started(*_: object, **__: object) -> None:
        raise AssertionError("environments were started")

    monkeypatch.setattr(EnvPool, "__init__", started)
    with pytest.raises(A2lError) as caught:
        Trainer(Plan(training, (None, loss), (0, 1)))
    assert words in f"{caught.value.message}; {caught.value.fix}"


def test_a_search_refuses_a_grammar_of_such_losses(tmp_path: Path) -> None:
    grammar = tmp_path / "far.a2g"
    grammar.write_text(
        "grammar far for k in 1..130\n"
        "loss = mse({ s[t] } -> some of { s[t+1..t+k] })\n"
        "require an element in target\n"
    )
    settings = SearchSettings(
        *("cartpole-swingup",),
        grammar=str(grammar),
        operator="any",
        frames=2_000,
        agent=SacSettings(random_steps=20),
    )
    with pytest.raises(A2lError, match=r"in the grammar far .*130 agent steps ahead.* has 125"):
        evolve(settings, tmp_path / "study", workers=1)
    assert not (tmp_path / "study").exists()


def test_an_experiment_refuses_all_of_it_before_it_trains_any(tmp_path: Path) -> None:
    file = tmp_path / "it.toml"
    (tmp_path / "far.a2l").write_text("loss far = mse({ s[t] } -> { s[t+200] }) with head = linear\n")
    file.write_text(
        'name = "it"\nenvs = ["walker-walk", "cartpole-swingup"]\nseeds = 1\nframes = 16000\n'
        '[arms]\nnone = "none"\nfar = "far.a2l"\n[settings]\nhidden = 8\n'
    )
    with pytest.raises(A2lError, match="an episode of cartpole-swingup has 125"):
        run(read(file), workers=1)
    assert not list((tmp_path / "it").glob("*")) if (tmp_path / "it").exists() else True


def test_a_measurement_refuses_what_its_episodes_do_not_hold() -> None:
    with pytest.raises(A2lError, match="made-up episodes have 100"):
        next(measure_updates([Case("vectors", 2, 1)], far(100), Ceilings(1, 1), "cpu", Computation(), 1.0))


def sac() -> tuple[Observations, Any]:
    return Observations((5,)), SacSettings(hidden=8, batch_size=6)


def game() -> tuple[Observations, Any]:
    settings = RainbowSettings(
        batch_size=4,
        hidden=8,
        atoms=5,
        multi_step=3,
        random_steps=4,
        stack=2,
        convolutions=((4, 4, 3), (5, 3, 2)),
        projection=6,
    )
    return Observations((1, 18, 18), 2, 18, random_crops=False, border=2), settings


@pytest.mark.parametrize("made", [sac, game])
@pytest.mark.parametrize("name", ["a2_winner", "spr_rollout"])
def test_who_has_no_window_yet_takes_no_auxiliary_step(
    made: Callable[[], tuple[Observations, Any]], name: str
) -> None:
    """Episodes of three steps: the agent learns as without the loss, and the loss learns nothing."""
    observations, settings = made()
    loss = load_one(name)[1]

    def learner(own: Loss | None) -> Learner:
        built = Learner([own, load_one("curl")[1]], [0, 1], observations, 3, 60, settings)
        built.stacks[0].double()
        built.replays[0].double()
        return built

    with_loss, without = learner(loss), learner(None)
    before = with_loss.stacks[0].auxiliary.member_state(0)
    rng, every = np.random.default_rng(0), np.ones(2, np.bool_)

    def seen() -> np.ndarray:
        if observations.crop is None:
            return rng.normal(size=(2, *observations.shape))
        return rng.integers(0, 256, (2, *observations.shape), dtype=np.uint8)

    def live(steps: int, length: int, learners: tuple[Learner, ...], learn: bool) -> None:
        for step in range(steps):
            first, second = seen(), seen()
            action, reward = np.eye(3)[rng.integers(3, size=2)], rng.normal(size=2)
            last = every & (step % length == length - 1)
            for learner in learners:
                if step % length == 0:
                    learner.begin(first, every)
                if learn:
                    learner.update()
                learner.append(action, reward, ~every, second, last)

    live(12, 3, (with_loss, without), learn=False)
    live(9, 3, (with_loss, without), learn=True)
    assert not with_loss.replays[0].windows.any[0]

    def networks(built: Learner) -> dict[str, Tensor]:
        state = built.stacks[0].named_parameters()
        return {key: tensor[0].detach().clone() for key, tensor in state if not key.startswith("auxiliary.")}

    for key, value in networks(without).items():
        torch.testing.assert_close(networks(with_loss)[key], value, rtol=1e-9, atol=1e-10, msg=key)
    for key, value in with_loss.stacks[0].auxiliary.member_state(0).items():
        assert torch.equal(value, before[key]), key
    metrics = [with_loss.pop_metrics(member) for member in (0, 1)]
    assert [metric["auxiliary_skipped"] for metric in metrics] == [1.0, 0.0]
    assert [np.isfinite(metric["auxiliary_loss"]) for metric in metrics] == [False, True]

    live(20, 10, (with_loss,), learn=True)
    metrics = [with_loss.pop_metrics(member) for member in (0, 1)]
    assert 0 < metrics[0]["auxiliary_skipped"] < 1
    assert np.isfinite(metrics[0]["auxiliary_loss"])
    after = with_loss.stacks[0].auxiliary.member_state(0)
    assert not all(torch.equal(value, before[key]) for key, value in after.items())
