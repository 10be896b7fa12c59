"""The stacked Rainbow: equal to a plain agent, and no member touches another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_rainbow import PlainRainbow
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.window import Window
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.slots.learner import Learner

SIZE, ACTIONS = 18, 4
FRAMES = Observations((1, SIZE, SIZE), 2, SIZE, random_crops=False, border=2)
SETTINGS = RainbowSettings(
    batch_size=6,
    hidden=8,
    atoms=7,
    value_range=(-3.0, 3.0),
    multi_step=3,
    random_steps=4,
    replay_capacity=70,
    target_period=3,
    priority_updates=5,
    convolutions=((4, 4, 3), (5, 3, 2)),
    stack=2,
    projection=6,
    shift=2,
    gradient_norm=0.2,
    encoder_tau=0.1,
)


def loss_of(name: str | None) -> Loss | None:
    return None if name is None else load_one(name)[1]


def learner(
    names: Sequence[str | None],
    seeds: Sequence[int],
    settings: RainbowSettings = SETTINGS,
    observations: Observations = FRAMES,
    **more: bool,
) -> Learner:
    """In float64, with a ring that has wrapped around; what a member saw depends on its seed alone."""
    losses = [loss_of(name) for name in names]
    made = Learner(losses, seeds, observations, ACTIONS, settings.replay_capacity, settings, **more)
    fill(made, seeds)
    for stack, replay in zip(made.stacks, made.replays, strict=True):
        stack.double()
        replay.double()
    return made


def fill(made: Learner, seeds: Sequence[int]) -> None:
    rngs = [np.random.default_rng(seed) for seed in seeds]
    every = np.ones(len(seeds), np.bool_)

    def seen() -> np.ndarray:
        return np.stack([rng.integers(0, 256, made.observations.shape, dtype=np.uint8) for rng in rngs])

    kind = "float64" if made.replays[0].reward.dtype == torch.float64 else "float32"
    for step in range(100):
        if step % 20 == 0:
            made.begin(seen(), every)
        action = np.stack([np.eye(ACTIONS, dtype=kind)[rng.integers(ACTIONS)] for rng in rngs])
        reward = np.array([rng.normal() for rng in rngs], kind)
        made.append(action, reward, every & (step % 40 == 39), seen(), every & (step % 20 == 19))


def only(made: Learner) -> tuple[RainbowStack, PrioritisedReplay]:
    stack, replay = made.stacks[0], made.replays[0]
    assert isinstance(stack, RainbowStack)
    assert isinstance(replay, PrioritisedReplay)
    return stack, replay


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


def test_the_online_network_chooses_and_the_target_network_values() -> None:
    """Heads that like different actions: doubly learned, the value is the target's of the online choice."""
    for double, value in ((True, -1.0), (False, 2.0)):
        chosen = replace(
            SETTINGS, double=double, distributional=False, duelling=False, noisy=False, epsilon=0.1
        )
        stack, _ = only(learner([None], [0], chosen))
        with torch.no_grad():
            for network, biases in (
                (stack.values, [0.0, 5.0, 0.0, 0.0]),
                (stack.target_values, [2.0, -1.0, 0.0, 1.0]),
            ):
                for parameter in network.parameters():
                    parameter.zero_()
                network.advantage.out.bias[0, 0] = torch.tensor(biases)
        seen = torch.zeros(1, 3, *FRAMES.seen, dtype=torch.uint8)
        action = torch.eye(ACTIONS, dtype=torch.float64)[[1, 1, 2]][None]
        reward, discount = torch.tensor([[0.5, 0.5, 0.0]]).double(), torch.tensor([[0.9, 0.0, 1.0]]).double()
        errors, mean = stack._critic_losses(seen, action, reward, discount, seen, None, None)
        goals = [0.5 + 0.9 * value, 0.5, value]
        differences = [5.0 - goals[0], 5.0 - goals[1], 0.0 - goals[2]]
        huber = [0.5 * d * d if abs(d) < 1 else abs(d) - 0.5 for d in differences]
        torch.testing.assert_close(errors[0], torch.tensor(huber, dtype=torch.float64))
        assert mean.item() == pytest.approx(10 / 3)


@pytest.mark.parametrize(
    ("random_steps", "updates_per_step", "first"),
    [(4, 1, [2, 5, 8, 11]), (4, 2, [4, 5, 10, 11]), (6, 1, [3, 6, 9])],
)
def test_targets_are_copied_every_so_many_steps_of_each_member(
    random_steps: int, updates_per_step: int, first: list[int]
) -> None:
    """Random steps count. One member begins two updates later: its copies come two updates later."""
    settings = replace(
        SETTINGS, target_period=3, random_steps=random_steps, updates_per_step=updates_per_step
    )
    made = learner([None, None], [0, 1], settings)
    stack, _ = only(made)
    made.deactivate(1)
    copied: list[list[int]] = [[], []]
    for number in range(1, 12):
        if number == 3:
            made.activate(1)
        made.update()
        for member in range(2):
            online, target = stack.values.advantage.hidden.weight, stack.target_values.advantage.hidden.weight
            if number > 1 and torch.equal(online[member], target[member]) and bool(stack.active[member]):
                copied[member].append(number)
    assert copied == [first, [number + 2 for number in first if number + 2 < 12]]


def test_a_run_that_goes_on_copies_at_the_same_updates() -> None:
    first, second = (learner(["a2_winner", None], [0, 1]) for _ in range(2))
    for _ in range(4):
        first.update()
    second.restore(first.state())
    for _ in range(4):
        first.update()
        second.update()
    for (name, mine), its in zip(first.state().items(), second.state().values(), strict=True):
        np.testing.assert_array_equal(mine, its, err_msg=name)


def test_actions_are_the_best_the_noise_the_chance() -> None:
    settings = replace(SETTINGS, epsilon=0.25, noisy=False, evaluation_epsilon=0.5)
    stack, _ = only(learner([None], [0], settings))
    seen = torch.full((1, *FRAMES.seen), 30, dtype=torch.uint8)
    best = int(
        stack.values(stack.encoder.base(seen[:, None]))[0, 0]
        .softmax(dim=1)
        .matmul(torch.linspace(-3, 3, 7, dtype=torch.float64))
        .argmax()
    )
    for act, epsilon in ((stack.act, 0.25), (stack.act_frozen, 0.5)):
        taken = torch.stack([act(seen, number)[0] for number in range(600)])
        assert (taken.sum(dim=1) == 1).all()
        share = taken.mean(dim=0)
        for action in range(ACTIONS):
            expected = epsilon / ACTIONS + (1 - epsilon) * (action == best)
            assert float(share[action]) == pytest.approx(expected, abs=4 * (expected / 600) ** 0.5)
    drawn = torch.stack([stack.random_action(number)[0] for number in range(600)]).mean(dim=0)
    assert drawn.tolist() == pytest.approx([0.25] * 4, abs=0.08)


def test_noise_acts_in_training_alone() -> None:
    settings = replace(SETTINGS, noisy_sigma=5.0, evaluation_epsilon=0.0)
    stack, _ = only(learner([None], [0], settings))
    seen = torch.full((1, *FRAMES.seen), 30, dtype=torch.uint8)
    assert len({tuple(stack.act(seen, number)[0].tolist()) for number in range(40)}) > 1
    assert len({tuple(stack.act_frozen(seen, number)[0].tolist()) for number in range(40)}) == 1


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
