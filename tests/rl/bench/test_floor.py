"""The floor's operations and bytes against counts by hand."""

from __future__ import annotations

import itertools

import pytest

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.agents import observations_of
from a2ls_dsl.rl.bench.floor import Ceilings, Work, count_work
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings

BATCH, HIDDEN, OBS, ACTION = 8, 16, 5, 2
FEATURES = OBS + 40
SETTINGS = SacSettings(batch_size=BATCH, hidden=HIDDEN)
VECTORS = Observations((OBS,))

ENCODER = OBS * 40 + FEATURES * FEATURES  # products of one sample
ACTOR = FEATURES * HIDDEN + HIDDEN * HIDDEN + HIDDEN * 2 * ACTION
CRITICS = 2 * ((FEATURES + ACTION) * HIDDEN + HIDDEN * HIDDEN + HIDDEN)
NORM = 2 * FEATURES  # parameters
BIASES = {"encoder": 40 + FEATURES + NORM, "actor": 2 * HIDDEN + 2 * ACTION, "critic": 2 * (2 * HIDDEN + 1)}


def test_operations_of_sac() -> None:
    """A product costs 2 operations going forward; backward as many for its input and for its weights."""
    # The observation needs no gradient: that saves the input's share in the first layer of the encoder.
    critic = ENCODER + ACTOR + ENCODER + CRITICS + 3 * (ENCODER + CRITICS) - OBS * 40
    # The features come without gradient; critics pass one to the action, which is joined with the features.
    actor = ENCODER + 3 * ACTOR - FEATURES * HIDDEN + 3 * CRITICS - CRITICS
    expected = 2 * BATCH * (critic + actor / 2)
    assert count_work(None, VECTORS, ACTION, SETTINGS).operations == expected


def test_bytes_of_sac() -> None:
    encoder = ENCODER + BIASES["encoder"]
    actor, critic = ACTOR + BIASES["actor"], CRITICS + BIASES["critic"]
    numbers = 10 * (encoder + critic)  # read twice, gradient written; Adam reads four, writes three
    numbers += encoder + actor + encoder + critic  # the target's networks and the next action
    numbers += (10 * actor + encoder + 2 * critic) / 2 + 3 * (encoder + critic) / 2
    numbers += 2 * BATCH * OBS
    assert count_work(None, VECTORS, ACTION, SETTINGS).bytes == 4 * numbers


def test_rainbow_without_a_loss_has_a_floor_too() -> None:
    """Its loss has no parameters then, and its optimizer of them nothing to train."""
    settings = RainbowSettings(batch_size=BATCH)
    game = observations_of(settings, (1, 84, 84), None)
    without, having = (count_work(loss, game, 6, settings) for loss in (None, load_one("a2_winner")[1]))
    assert 0 < without.operations < having.operations
    assert 0 < without.bytes < having.bytes


def test_a_loss_adds_work_and_wider_ones_more() -> None:
    losses = [None, load_one("forward_dynamics")[1], load_one("a2_winner_v")[1]]
    works = [count_work(loss, VECTORS, ACTION, SETTINGS) for loss in losses]
    for less, more in itertools.pairwise(works):
        assert less.operations < more.operations
        assert less.bytes < more.bytes


def test_the_floor_is_the_slower_of_moving_and_computing() -> None:
    ceilings = Ceilings(bytes_per_second=100.0, operations_per_second=1000.0)
    assert Work(bytes=50.0, operations=100.0).seconds(ceilings) == pytest.approx(0.5)
    assert Work(bytes=50.0, operations=2000.0).seconds(ceilings) == pytest.approx(2.0)
