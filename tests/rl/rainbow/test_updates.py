"""What a stack of Rainbow learns from, when it copies its targets, and how it acts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rl.rainbow.small_rainbow import ACTIONS, FRAMES, SETTINGS, learner, only


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
