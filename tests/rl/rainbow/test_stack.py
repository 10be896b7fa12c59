"""The stacked Rainbow: equal to a plain agent, and no member touches another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_rainbow import PlainRainbow
from rl.rainbow.small_rainbow import ACTIONS, FRAMES, SETTINGS, fill, learner, loss_of, only
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.window import Window
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.slots.learner import Learner


def state(stack: RainbowStack, member: int) -> dict[str, Tensor]:
    """All parameters of a member, with those of its loss as they stand alone."""
    networks = ("encoder", "values", "target_encoder", "target_values", "slow_encoder")
    tensors = {
        f"{network}.{name}": value[member].detach().clone()
        for network in networks
        for name, value in getattr(stack, network).named_parameters()
    }
    return tensors | {f"loss.{name}": value for name, value in stack.auxiliary.member_state(member).items()}


@pytest.mark.parametrize("name", [None, "a2_winner"])
def test_a_stack_of_one_is_plain_rainbow(name: str | None) -> None:
    """Eight updates: targets are copied twice, the importance exponent reaches 1, the gradient is cut."""
    stack, replay = only(learner([name], [3]))
    plain = PlainRainbow(stack)
    start, cut = state(stack, 0), 0
    for number in range(8):
        counter = torch.tensor([number])
        batch = replay.sample(stack.rng, counter, SETTINGS.batch_size)
        noise, target_noise = (
            stack.rng.normal(purpose, number, stack.values.noise)[0].double()
            for purpose in (Purpose.NOISE, Purpose.TARGET_NOISE)
        )
        window = None
        if name is not None:
            horizon = stack.auxiliary.capacity.horizon
            drawn = replay.sample_windows(stack.rng, counter, SETTINGS.batch_size, horizon + 1)
            step = torch.arange(horizon + 1)[None]
            seen = drawn.states(step, torch.zeros_like(step))[0].transpose(0, 1)
            window = Window(seen.flatten(2), drawn.action[0], drawn.reward[0])
        errors = plain.update(batch, noise, target_noise, window)
        stack.update(replay)
        cut += plain.length > SETTINGS.gradient_norm
        for key, ours, theirs in plain.pairs(stack):
            torch.testing.assert_close(
                ours.detach(),
                theirs.detach(),
                rtol=1e-7,
                atol=1e-8,
                msg=lambda text, key=key: f"{key}: {text}",
            )
        if plain.loss is not None:
            torch.testing.assert_close(
                stack.auxiliary.member_state(0), dict(plain.loss.state_dict()), rtol=1e-7, atol=1e-8
            )
        # Priorities are the errors' roots, the loss of the values alone.
        expected = dict(zip(batch.row[0].tolist(), np.sqrt(errors), strict=True))
        for row, priority in expected.items():
            assert float(replay.priorities.rows[0, row]) == pytest.approx(priority, rel=1e-6)
        assert stack.metrics.pop(0)["gradient_norm"] == pytest.approx(plain.length, rel=1e-6)
    assert cut > 0
    still = {key for key, value in state(stack, 0).items() if torch.equal(value, start[key])}
    alone = {
        key for key in start if key.startswith(("encoder.linear", "encoder.norm", "slow", "target_encoder.l"))
    }
    alone |= {key for key in start if key.startswith("target_encoder.norm")}
    # A bias before a normalisation has no gradient but rounding, and that may be none.
    assert still - {"loss.heads.0.0.bias"} == (alone if name is None else set())


@pytest.mark.parametrize("names", [(None, "a2_winner", "curl_a2ls"), ("spr", None, None)])
def test_a_member_does_not_depend_on_its_neighbours(names: tuple[str | None, ...]) -> None:
    seeds = [4, 5, 6]
    crowd = learner(names, seeds)
    for _ in range(7):
        crowd.update()
    for member, (name, seed) in enumerate(zip(names, seeds, strict=True)):
        alone = learner([name], [seed])
        for _ in range(7):
            alone.update()
        mine, its = only(crowd), only(alone)
        expected = state(its[0], 0)
        for key, value in state(mine[0], member).items():
            if name is None and key.startswith("slow_encoder"):
                continue  # no loss reads it, and alone it doesn't even follow
            torch.testing.assert_close(
                value, expected[key], rtol=1e-7, atol=1e-8, msg=lambda text, key=key: f"{key}: {text}"
            )
        torch.testing.assert_close(mine[1].priorities.rows[member], its[1].priorities.rows[0])
        seen = torch.full((3, *FRAMES.seen), 77, dtype=torch.uint8)
        assert torch.equal(mine[0].act(seen, 7)[member], its[0].act(seen[:1], 7)[0])
        assert torch.equal(mine[0].random_action(7)[member], its[0].random_action(7)[0])


def test_the_exact_mode_is_exact() -> None:
    """In float32, to the last bit, also for frames under random shifts."""
    names, seeds = ("a2_winner", None), [4, 5]
    settings = replace(SETTINGS, augment=True)
    observations = replace(FRAMES, random_crops=True)
    losses = [loss_of(name) for name in names]

    def made(which: slice) -> Learner:
        learner = Learner(losses[which], seeds[which], observations, ACTIONS, 70, settings, exact=True)
        fill(learner, seeds[which])
        for _ in range(5):
            learner.update()
        return learner

    crowd = made(slice(0, 2))
    for member in range(2):
        alone = made(slice(member, member + 1)).stacks[0]
        for name, value in crowd.stacks[member].state_dict().items():
            assert torch.equal(value, alone.state_dict()[name]), name


@pytest.mark.parametrize("augment", [False, True])
def test_an_update_and_all_around_it_depend_on_tensors_alone(augment: bool) -> None:
    """On tensors without values: see test_capture.py."""
    names = (None, "a2_winner", "curl_a2ls")
    losses = [loss_of(name) for name in names]
    observations = replace(FRAMES, random_crops=augment)
    made = Learner(losses, range(3), observations, ACTIONS, 70, replace(SETTINGS, augment=augment), "meta")
    _, replay = only(made)
    seen = torch.empty(3, *FRAMES.shape, dtype=torch.uint8, device="meta")
    numbers = torch.empty(3, device="meta")
    where = torch.empty(3, dtype=torch.bool, device="meta")
    for parts in ((True, True), (False, True), (False, False)):
        made._run_update((parts,))
    replay.begin(seen, where)
    made._run_append(None, torch.empty(3, ACTIONS, device="meta"), numbers, where, seen, where)
    policy = torch.empty(3, *FRAMES.seen, dtype=torch.uint8, device="meta")
    counters = torch.empty(3, dtype=torch.int64, device="meta")
    assert made._run_act((True, False), policy, counters, where).is_meta
    assert made._run_act_frozen(None, policy, counters).is_meta


def test_an_update_writes_in_place() -> None:
    made = learner([None, "a2_winner"], [0, 1])

    def places() -> dict[str, int]:
        tensors = dict(made.stacks[0].state_dict()) | made.replays[0].state_dict()
        return {name: tensor.data_ptr() for name, tensor in tensors.items()}

    before = places()
    for _ in range(4):
        made.update()
    fill(made, [0, 1])
    assert places() == before


def test_a_new_member_learns_as_alone() -> None:
    """It takes another's slot in the middle of a run, in a stack whose losses are refitted."""
    crowd = learner(["a2_winner", "curl_a2ls"], [0, 1], refill=True)
    for _ in range(5):
        crowd.update()
    crowd.reset(1, loss_of("spr"), 9)
    fill(crowd, [0, 9])
    crowd.activate(1)
    alone = learner(["spr"], [9])
    for _ in range(5):
        crowd.update()
        alone.update()
    expected = state(only(alone)[0], 0)
    for key, value in state(only(crowd)[0], 1).items():
        torch.testing.assert_close(
            value, expected[key], rtol=1e-6, atol=1e-7, msg=lambda text, key=key: f"{key}: {text}"
        )


def test_a_diverged_member_stays_alone() -> None:
    healthy, sick = (
        learner([None, "a2_winner", None], [0, 1, 2]),
        learner([None, "a2_winner", None], [0, 1, 2]),
    )
    with torch.no_grad():
        for parameter in (*sick.stacks[0].encoder.parameters(), *sick.stacks[0].values.parameters()):
            parameter[1] = torch.nan
    for _ in range(4):
        healthy.update()
        sick.update()
    assert sick.finite().tolist() == [True, False, True]
    for member in (0, 2):
        expected = state(only(healthy)[0], member)
        assert all(torch.equal(value, expected[key]) for key, value in state(only(sick)[0], member).items())


def test_rows_are_drawn_by_each_members_own_stream() -> None:
    _, replay = only(learner([None, None], [0, 0]))
    counter = torch.zeros(2, dtype=torch.int64)
    same = replay.sample(CounterRng(torch.tensor([1, 1])), counter, 6).row
    other = replay.sample(CounterRng(torch.tensor([1, 2])), counter, 6).row
    assert torch.equal(same[0], same[1])
    assert not torch.equal(other[0], other[1])
