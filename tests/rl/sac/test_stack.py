"""The stacked learner: equal to a plain SAC agent, and no member touches another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from reference_sac import ACTION, OBSERVATION, VECTORS, PlainSac
from rl.sac.small_sac import BATCH, CAPACITY, SETTINGS, fill, learner, loss_of, state
from torch import Tensor

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.backend.window import Window
from a2ls_dsl.rl.settings import PARITIES
from a2ls_dsl.rl.slots.learner import Learner


def assert_close(computed: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert computed.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            computed[name],
            value,
            rtol=tolerance,
            atol=tolerance,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize(
    ("name", "release"),
    [
        *((name, False) for name in (None, "a2_winner", "curl", "curl_a2ls", "spr", "mrq")),
        *((name, True) for name in (None, "a2_winner", "mrq")),
    ],
)
def test_a_stack_of_one_is_plain_sac(name: str | None, release: bool) -> None:
    """And with `--parity release` it is the release of He et al. 2022."""
    settings = replace(SETTINGS, **PARITIES["release"]) if release else SETTINGS
    stack, replay = learner([name], [3], settings)
    plain = PlainSac(stack, release)
    start = state(stack, 0)
    for number in range(4):
        counter = torch.tensor([number])
        batch = replay.sample_steps(stack.rng, counter, BATCH)
        next_noise, noise = (
            stack.rng.normal(purpose, number, BATCH * ACTION).view(BATCH, ACTION).double()
            for purpose in (Purpose.NEXT_ACTION, Purpose.POLICY)
        )
        steps = stack.auxiliary.capacity.horizon + 1
        window = replay.sample_windows(stack.rng, counter, BATCH, steps, done=True)
        plain.update(
            number, batch, next_noise, noise, Window(*(x[0] for x in vars(window).values() if x is not None))
        )
        stack.update(replay)
        for ours, theirs in plain.pairs(stack):
            torch.testing.assert_close(ours.detach(), theirs, rtol=1e-8, atol=1e-9)
        if plain.loss is not None:
            assert_close(stack.auxiliary.member_state(0), dict(plain.loss.state_dict()), 1e-8)
    # Everything moved, so everything was compared, but for the first layer of the release's actor.
    still = [key for key, value in state(stack, 0).items() if torch.equal(value, start[key])]
    frozen = [f"actor.head.encoder.hidden.{part}" for part in ("weight", "bias")]
    assert still == (frozen if release else [])


@pytest.mark.parametrize(
    "names",
    [
        ("mrq", "curl_a2ls", "svea"),
        (None, "a2_winner", None),
        ("a2_winner", "curl_a2ls", "a2_winner_v"),
        ("spr", None, "atc"),
        (None,) * 3,
    ],
)
def test_a_member_does_not_depend_on_its_neighbours(names: tuple[str | None, ...]) -> None:
    """Other order of additions is all that differs; see the exact mode for equality."""
    seeds = [4, 5, 6]
    stack, replay = learner(names, seeds)
    alone = [learner([name], [seed]) for name, seed in zip(names, seeds, strict=True)]
    for _ in range(20):
        stack.update(replay)
        for single, own in alone:
            single.update(own)
    for member, (single, _) in enumerate(alone):
        assert_close(state(stack, member), state(single, 0), 1e-7)
        observation = torch.ones(3, OBSERVATION, dtype=torch.float64)
        action = stack.act(observation, 7)[member]
        torch.testing.assert_close(action, single.act(observation[:1], 7)[0], rtol=1e-7, atol=1e-7)
        assert torch.equal(stack.random_action(7)[member], single.random_action(7)[0])


def test_at_parity_with_the_release_a_slot_is_filled_as_if_alone() -> None:
    """Its second optimizer of the encoder and its actor's own encoder are new, and no neighbour's."""
    settings, name = replace(SETTINGS, **PARITIES["release"]), "a2_winner"
    stack, replay = learner([name, name], [4, 5], settings)
    alone, own = learner([name], [5], settings)
    for _ in range(3):
        stack.update(replay)
    alone.ticks = stack.ticks
    for agent, member in ((stack, 1), (alone, 0)):
        agent.reset(member, loss_of(name), 6)
        agent.activate(member)
    for _ in range(4):
        stack.update(replay)
        alone.update(own)
    assert_close(state(stack, 1), state(alone, 0), 1e-7)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("names", [(None, "a2_winner", "a2_winner_v"), ("curl_a2ls", "curl_a2ls", None)])
def test_the_exact_mode_is_exact(names: tuple[str | None, ...]) -> None:
    """In float32, to the last bit: a member alone, and the same member in company."""
    seeds = [4, 5, 6]
    losses = [loss_of(name) for name in names]
    learner = Learner(losses, seeds, VECTORS, ACTION, CAPACITY, SETTINGS, exact=True)
    for replay, seed in zip(learner.replays, seeds, strict=True):
        fill(replay, [seed])
    for _ in range(20):
        learner.update()
    assert learner.finite().tolist() == [True] * 3
    observation = np.ones((3, OBSERVATION), np.float32)
    learner.freeze()
    frozen = learner.act_frozen(observation)
    for member, (loss, seed) in enumerate(zip(losses, seeds, strict=True)):
        alone = Learner([loss], [seed], VECTORS, ACTION, CAPACITY, SETTINGS)
        fill(alone.replays[0], [seed])
        for _ in range(20):
            alone.update()
        expected, computed = state(alone.stacks[0], 0), state(learner.stacks[member], 0)
        assert computed.keys() == expected.keys()
        assert [key for key, value in computed.items() if not torch.equal(value, expected[key])] == []
        np.testing.assert_array_equal(
            list(learner.pop_metrics(member).values()), list(alone.pop_metrics(0).values())
        )
        for random in (True, False):
            counters, chosen = np.full(3, 7), np.full(3, random)
            action = learner.act(observation, counters, chosen)[member]
            assert np.array_equal(action, alone.act(observation[:1], counters[:1], chosen[:1])[0])
        alone.freeze()
        assert np.array_equal(frozen[member], alone.act_frozen(observation[:1])[0])


def test_a_diverged_member_stays_alone() -> None:
    """NaN everywhere in one member: its neighbours go on to the last bit as beside a healthy one."""
    names, seeds = [None, "a2_winner", "curl_a2ls"], [0, 1, 2]
    (healthy, replay), (sick, other) = learner(names, seeds), learner(names, seeds)
    assert healthy.finite().tolist() == [True] * 3
    with torch.no_grad():
        for network in (sick.encoder, sick.actor, sick.critic):
            for parameter in network.parameters():
                parameter[1] = torch.nan
    for _ in range(6):
        healthy.update(replay)
        sick.update(other)
    assert sick.finite().tolist() == [True, False, True]
    for member in (0, 2):
        expected = state(healthy, member)
        assert all(torch.equal(value, expected[key]) for key, value in state(sick, member).items())
    for member in (0, 2):
        np.testing.assert_equal(sick.metrics.pop(member), healthy.metrics.pop(member))  # nan equals nan
