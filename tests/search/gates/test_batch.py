"""Gates on real experience: what is stopped, and what is not."""

from __future__ import annotations

import pytest

from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.search.gates.batch import BatchGate


@pytest.fixture(scope="module")
def gate() -> BatchGate:
    return BatchGate(find_task("cartpole-swingup"), SacSettings(), 0)


def verdict(gate: BatchGate, text: str) -> str:
    return gate.stops(loads(f"loss candidate = {text}")["candidate"])


@pytest.mark.parametrize("name", ["a2_winner", "a2_winner_v", "spr", "reward_prediction", "curl", "atc"])
def test_published_losses_pass(gate: BatchGate, name: str) -> None:
    assert gate.stops(load_one(name)[1]) == ""


def test_no_loss_passes(gate: BatchGate) -> None:
    assert gate.stops(None) == ""


def test_a_loss_that_falls_by_running_away_is_judged_by_its_features(gate: BatchGate) -> None:
    """mse against batch has no lower bound: it falls, and what it makes of the features decides."""
    first = verdict(gate, "mse({ s[t], a[t] } -> { s[t+1] }) against batch")
    assert first == verdict(gate, "mse({ s[t], a[t] } -> { s[t+1] }) against batch")
    assert first == "" or first.startswith(("the features collapse", "the loss"))


def test_windows_longer_than_an_episode_are_stopped(gate: BatchGate) -> None:
    assert verdict(gate, "mse({ s[t] } -> { s[t+300] })") == "no episode is long enough for a window"


def test_a_loss_that_blows_up_is_stopped() -> None:
    hot = BatchGate(find_task("cartpole-swingup"), SacSettings(learning_rate=1e38), 0)
    assert verdict(hot, "mse({ s[t], a[t] } -> { s[t+1] })") == "the loss is not finite"
