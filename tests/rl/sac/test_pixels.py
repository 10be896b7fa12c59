"""The stacked learner on frames: its encoder, and its loss, against plain modules and the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.interpreter import evaluate
from a2ls_dsl.backend.module import Agent, Alone, CompiledLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.networks.encoders import PixelEncoder
from a2ls_dsl.rl.networks.members import of_members
from a2ls_dsl.rl.replay.buffer import PixelWindow
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner

FRAMES, ACTION, BATCH = Observations((3, 20, 20), stack=3, crop=17), 2, 6
SETTINGS = SacSettings(batch_size=BATCH, hidden=16)


def plain(encoder: PixelEncoder, member: int) -> nn.Sequential:
    """One member's encoder as anybody would write it; features of convolutions are channels last."""
    layers: list[nn.Module] = []
    for conv in encoder.convs:
        outputs, inputs = conv.weight.shape[1:3]
        layer = nn.Conv2d(inputs, outputs, 3, conv.stride)
        layer.weight.data, layer.bias.data = conv.weight[member], conv.bias[member]
        layers += [layer, nn.ReLU()]
    linear, norm = encoder._head.linear, encoder._head.norm
    out, scale = nn.Linear(*linear.weight.shape[2:]), nn.LayerNorm(50)
    out.weight.data, out.bias.data = linear.weight[member, 0].T, linear.bias[member, 0, 0]
    scale.weight.data, scale.bias.data = norm.weight[member, 0], norm.bias[member, 0]
    return nn.Sequential(*layers, ChannelsLast(), nn.Flatten(), out, scale)


class ChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


def learner(names: Sequence[str | None], seeds: Sequence[int]) -> Learner:
    """In float64, with a ring that has wrapped around."""
    losses: list[Loss | None] = [None if name is None else load_one(name)[1] for name in names]
    made = Learner(losses, seeds, FRAMES, ACTION, 50, SETTINGS)
    generators = [np.random.default_rng(seed) for seed in seeds]

    def each(draw: str, *arguments: object, **kwargs: object) -> np.ndarray:
        return np.stack([getattr(generator, draw)(*arguments, **kwargs) for generator in generators])

    for step in range(70):
        if step % 12 == 0:
            begun = each("integers", 0, 256, (3, 20, 20), dtype=np.uint8)
            made.begin(begun, np.ones(len(seeds), np.bool_))
        last = np.full(len(seeds), step % 12 == 11)
        action, reward = each("uniform", -1, 1, ACTION), each("uniform", 0, 1)
        seen = each("integers", 0, 256, (3, 20, 20), dtype=np.uint8)
        made.append(action.astype(np.float32), reward.astype(np.float32), last, seen, last)
    for stack, replay in zip(made.stacks, made.replays, strict=True):
        stack.double()
        replay.double()
    return made


def test_the_encoder_is_four_convolutions_a_linear_map_and_a_norm() -> None:
    encoder = PixelEncoder(3, 9, 17)
    for member in range(3):
        encoder.reset(member, CounterRng(torch.tensor([member])))
    encoder.double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    frames = torch.randint(0, 256, (3, 5, 9, 17, 17), dtype=torch.uint8)
    features = encoder(frames)
    assert features.shape == (3, 5, 50)
    for member in range(3):
        torch.testing.assert_close(features[member], plain(encoder, member)(frames[member].double() / 255))
    assert PixelEncoder(1, 9, 84).width == 39_200


def test_convolutions_start_delta_orthogonal() -> None:
    encoder = PixelEncoder(1, 9, 17)
    encoder.reset(0, CounterRng(torch.tensor([3])))
    for conv in encoder.convs:
        weight = conv.weight.detach()[0].clone()
        centre = weight[:, :, 1, 1]
        inputs = weight.shape[1]
        torch.testing.assert_close(centre.T @ centre, 2 * torch.eye(inputs), rtol=0, atol=1e-5)
        weight[:, :, 1, 1] = 0
        assert not weight.any()


@pytest.mark.parametrize(
    "names", [["curl_a2ls"], ["a2_winner", "curl_a2ls", "atc"], ["spr", None, "curl_a2ls"]]
)
def test_a_stack_on_frames_equals_the_interpreter(names: list[str | None]) -> None:
    """Value and gradients, with `s[t]` under one draw of the crop and each `crop(s[t])` under its own."""
    made = learner(names, range(len(names)))
    stack, replay = made.stacks[0], made.replays[0]
    capacity = stack.auxiliary.capacity
    window = replay.sample_windows(stack.rng, stack.updates, BATCH, capacity.horizon + 1, capacity.views)
    assert isinstance(window, PixelWindow)
    values = stack.auxiliary(of_members(stack.encoder), of_members(stack.target_encoder), window)
    gradients = torch.autograd.grad(values.sum(), list(stack.encoder.parameters()))
    by_name = dict(zip([name for name, _ in stack.encoder.named_parameters()], gradients, strict=True))
    for member, loss in enumerate(stack.losses):
        if loss is None:
            assert values[member] == 0
            continue
        alone = CompiledLoss(loss, Spaces(0, ACTION, 50), lower(loss)).double()
        alone.load_state_dict(stack.auxiliary.member_state(member))

        def seen(step: int, draw: int, member: int = member) -> Tensor:
            steps, draws = (torch.full((len(names), 1), number) for number in (step, draw))
            return window.states(steps, draws)[member, 0].double() / 255

        class Cut(Alone):
            def crop(self, draw: int, offset: int, seen: Callable[[int, int], Tensor] = seen) -> Tensor:
                return seen(offset, draw)

        shared = torch.stack([seen(step, 0) for step in range(loss.horizon + 1)], dim=1)
        encoder, target = plain(stack.encoder, member), plain(stack.target_encoder, member)
        own = Window(shared, window.action[member], window.reward[member])
        value = evaluate(lower(loss), Cut(alone, own, 0, None), Agent(encoder, target, None))
        torch.testing.assert_close(values[member], value, rtol=1e-9, atol=1e-9)
        (first,) = torch.autograd.grad(value, [encoder[0].weight])
        torch.testing.assert_close(by_name["convs.0.weight"][member], first, rtol=1e-7, atol=1e-10)


def test_the_actor_trains_its_own_head_and_leaves_the_convolutions() -> None:
    made = learner(["curl_a2ls", None], [0, 1])
    stack, replay = made.stacks[0], made.replays[0]

    def moved(update: object) -> set[str]:
        before = {name: value.detach().clone() for name, value in stack.named_parameters()}
        update()  # type: ignore[operator]
        return {name for name, value in stack.named_parameters() if not torch.equal(value, before[name])}

    batch = replay.sample_steps(stack.rng, stack.updates, BATCH)
    by_actor = moved(lambda: stack._update_actor(batch.observation))
    by_critic = moved(lambda: stack._update_critic(batch))
    by_loss = moved(lambda: stack._update_auxiliary(replay))
    everything = {name for name, _ in stack.named_parameters()}
    assert by_actor == {name for name in everything if name.startswith(("actor.", "log_temperature"))}
    assert any(name.startswith("actor.head.") for name in by_actor)
    assert by_critic == {name for name in everything if name.startswith(("encoder.", "critic."))}
    assert {name for name in everything if name.startswith("encoder.")} <= by_loss
    assert not any(name.startswith(("actor.", "critic.", "target_")) for name in by_loss)


def test_a_member_on_frames_does_not_depend_on_its_neighbours() -> None:
    names, seeds = ["curl_a2ls", None, "a2_winner"], [4, 5, 6]
    crowd = learner(names, seeds)
    for _ in range(4):
        crowd.update()
    for member, (name, seed) in enumerate(zip(names, seeds, strict=True)):
        alone = learner([name], [seed])
        for _ in range(4):
            alone.update()
        for part in ("encoder", "actor", "critic", "target_encoder"):
            mine, its = (dict(getattr(x.stacks[0], part).named_parameters()) for x in (crowd, alone))
            for key, value in its.items():
                torch.testing.assert_close(mine[key][member], value[0], rtol=1e-7, atol=1e-8)


def test_too_small_a_crop_is_refused() -> None:
    with pytest.raises(A2lError, match="does not fit frames of 20 pixels"):
        Observations((3, 20, 20), 3, 21)
    with pytest.raises(A2lError, match="of 14 pixels does not fit"):
        Observations((3, 20, 20), 3, 14)
    assert isinstance(SacStack([None], [0], FRAMES, ACTION, SETTINGS).encoder, PixelEncoder)
