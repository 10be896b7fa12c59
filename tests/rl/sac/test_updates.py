"""What an update of a stack of SAC moves, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_sac import OBSERVATION, PlainSac
from rl.sac.small_sac import BATCH, SETTINGS, learner, state


def test_a_value_is_the_least_target_critic_at_the_policys_mean_action() -> None:
    stack, _ = learner(["vcr"], [3])
    plain = PlainSac(stack)
    seen = torch.randn(1, 7, OBSERVATION, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    latents = stack.target_encoder(seen)
    estimates = stack.estimates(latents, seen)
    mean, _ = plain.actor(plain.encoder(seen[0])).chunk(2, dim=1)
    pair = torch.cat([plain.target_encoder(seen[0]), torch.tanh(mean)], dim=1)
    expected = torch.minimum(*(critic(pair)[:, 0] for critic in plain.target_critics))
    torch.testing.assert_close(estimates[0], expected)
    of_one = stack.estimates(latents, seen, torch.tensor([0]))
    torch.testing.assert_close(of_one, estimates)
    with torch.no_grad():
        stack.updates += 4
    stack.action_repeat = 8
    asked = stack._asked(stack.encoder, stack.target_encoder)
    assert asked.frames.tolist() == [8 * (SETTINGS.random_steps + 4)]


def test_updates_of_every_other_number() -> None:
    """Actor, temperature and targets move at updates 0, 2, ...; critic, encoder and loss at each."""
    stack, replay = learner(["a2_winner"], [0])
    for number in range(4):
        before = state(stack, 0)
        stack.update(replay)
        moved = {key for key, value in state(stack, 0).items() if not torch.equal(value, before[key])}
        rare = {key for key in before if key.startswith(("actor", "target_", "log_temperature"))}
        assert moved == (set(before) if number % 2 == 0 else set(before) - rare)


def test_targets_are_moving_averages_and_get_no_gradients() -> None:
    stack, replay = learner(["a2_winner", "curl_a2ls"], [0, 1])
    for _ in range(2):
        # Two updates without an auxiliary step in between: encoders then only move by the critic.
        before = [state(stack, member) for member in range(2)]
        stack._update_critic(replay.sample_steps(stack.rng, stack.updates, BATCH))
        stack._update_targets()
        for member in range(2):
            after = state(stack, member)
            for network, tau in (("encoder", 0.05), ("critic", 0.01)):
                for key in (key for key in after if key.startswith(f"{network}.")):
                    expected = (1 - tau) * before[member][f"target_{key}"] + tau * after[key]
                    torch.testing.assert_close(after[f"target_{key}"], expected, rtol=1e-12, atol=1e-12)
    stack.update(replay)
    targets = [*stack.target_encoder.parameters(), *stack.target_critic.parameters()]
    assert all(parameter.grad is None for parameter in targets)
    optimised = {id(parameter) for optimizer in stack.optimizers.values() for parameter in optimizer.trained}
    assert not optimised & {id(parameter) for parameter in targets}


def test_the_actor_update_leaves_encoder_and_critic() -> None:
    stack, replay = learner([None], [0])
    before = state(stack, 0)
    stack._update_actor(replay.sample_steps(stack.rng, stack.updates, BATCH).observation)
    moved = {
        key.split(".")[0] for key, value in state(stack, 0).items() if not torch.equal(value, before[key])
    }
    assert moved == {"actor", "log_temperature"}


def test_the_auxiliary_update_moves_encoders_of_members_with_a_loss_alone() -> None:
    stack, replay = learner([None, "a2_winner", None], [0, 1, 2])
    for _ in range(3):
        before = [state(stack, member) for member in range(3)]
        stack._update_auxiliary(replay)
        for member in range(3):
            after = state(stack, member)
            moved = {key for key in after if not torch.equal(after[key], before[member][key])}
            own = {key for key in after if key.startswith(("encoder.", "loss."))}
            assert moved == (own if member == 1 else set())


def test_metrics_are_means_since_the_last_call() -> None:
    stack, replay = learner(["a2_winner", None], [0, 1])

    def popped() -> dict[str, list[float]]:
        first, second = stack.metrics.pop(0), stack.metrics.pop(1)
        return {name: [first[name], second[name]] for name in first}

    stack.update(replay)
    first = popped()
    assert first["temperature"] == pytest.approx([0.1] * 2, rel=1e-6)
    assert first["auxiliary_loss"][0] > 0
    assert np.isnan(first["auxiliary_loss"][1])
    # The second update leaves the temperature alone, the third sees what the first made of it.
    stack.update(replay)
    assert np.isnan(popped()["temperature"]).all()
    now = stack.log_temperature.exp().tolist()
    stack.update(replay)
    second = popped()
    assert second["temperature"] == pytest.approx(now)
    assert second["critic_loss"] != first["critic_loss"]
    assert all(np.isnan(values).all() for values in popped().values())
