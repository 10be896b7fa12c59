"""A plain Rainbow agent, one member alone, out of loops and ordinary modules: the stack's reference."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.rl.rainbow.networks import ActionValues, FrameEncoder, NoisyLinear
from a2ls_dsl.rl.rainbow.replay import Experience
from a2ls_dsl.rl.rainbow.stack import RainbowStack


def looped(
    probabilities: list[float], reward: float, discount: float, low: float, high: float
) -> list[float]:
    """The projection of Bellemare et al. 2017, Algorithm 1, atom by atom."""
    atoms = len(probabilities)
    width = (high - low) / (atoms - 1)
    out = [0.0] * atoms
    for number, share in enumerate(probabilities):
        value = min(max(reward + discount * (low + number * width), low), high)
        place = (value - low) / width
        below, above = math.floor(place + 1e-12), math.ceil(place - 1e-12)
        if below == above:
            out[below] += share
        else:
            out[below] += share * (above - place)
            out[above] += share * (place - below)
    return out


class PlainNoisy(nn.Module):
    """A noisy layer as Fortunato et al. 2017 write it, of one agent: y = (mu + sigma eps) x + ..."""

    def __init__(self, layer: NoisyLinear, member: int) -> None:
        super().__init__()
        self.mu, self.sigma, self.mu_bias, self.sigma_bias = (
            nn.Parameter(parameter.detach().clone())
            for parameter in (
                layer.weight[member].T,
                layer.weight_sigma[member].T,
                layer.bias[member, 0],
                layer.bias_sigma[member, 0],
            )
        )

    def forward(self, x: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
        def f(noise: Tensor) -> Tensor:
            return torch.copysign(noise.abs().sqrt(), noise)

        weight = self.mu + self.sigma * torch.outer(f(outputs), f(inputs))
        return F.linear(x, weight, self.mu_bias + self.sigma_bias * f(outputs))


class PlainHead(nn.Module):
    def __init__(self, head: nn.Module, member: int) -> None:
        super().__init__()
        self.hidden, self.out = PlainNoisy(head.hidden, member), PlainNoisy(head.out, member)
        self.split = [head.hidden.inputs, head.hidden.outputs, head.out.inputs, head.out.outputs]

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        parts = noise.split(self.split)
        return self.out(torch.relu(self.hidden(x, *parts[:2])), *parts[2:])


class PlainValues(nn.Module):
    def __init__(self, values: ActionValues, member: int) -> None:
        super().__init__()
        self.advantage, self.value = PlainHead(values.advantage, member), PlainHead(values.value, member)
        self.actions, self.atoms = values.actions, values.atoms

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        split = sum(self.advantage.split)
        advantage = self.advantage(x, noise[:split]).view(-1, self.actions, self.atoms)
        return self.value(x, noise[split:])[:, None] + advantage - advantage.mean(dim=1, keepdim=True)


class PlainFrames(nn.Module):
    """Convolutions in channels-last order, and the projection for losses behind them."""

    def __init__(self, encoder: FrameEncoder, member: int) -> None:
        super().__init__()
        self.kernels = nn.ParameterList(conv.weight[member].detach().clone() for conv in encoder.convs)
        self.biases = nn.ParameterList(conv.bias[member].detach().clone() for conv in encoder.convs)
        self.strides = [conv.stride for conv in encoder.convs]
        self.channels = encoder.convs[0].weight.shape[2]
        self.weight = nn.Parameter(encoder.linear.weight[member, 0].detach().clone())
        self.bias = nn.Parameter(encoder.linear.bias[member, 0, 0].detach().clone())
        self.norm_weight = nn.Parameter(encoder.norm.weight[member, 0].detach().clone())
        self.norm_bias = nn.Parameter(encoder.norm.bias[member, 0].detach().clone())

    def base(self, frames: Tensor) -> Tensor:
        side = math.isqrt(frames[0].numel() // self.channels)
        x = frames.reshape(-1, self.channels, side, side).to(self.weight) / 255
        for kernel, bias, stride in zip(self.kernels, self.biases, self.strides, strict=True):
            x = torch.relu(F.conv2d(x, kernel, bias, stride))
        return x.permute(0, 2, 3, 1).flatten(1)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.base(frames) @ self.weight + self.bias
        return F.layer_norm(x, x.shape[1:], self.norm_weight, self.norm_bias)


class PlainRainbow:
    """Hessel et al. 2018, every piece switched on, for the first member of a stack."""

    def __init__(self, stack: RainbowStack) -> None:
        self.settings = stack.settings
        self.encoder, self.target_encoder, self.slow_encoder = (
            PlainFrames(encoder, 0) for encoder in (stack.encoder, stack.target_encoder, stack.slow_encoder)
        )
        self.values, self.target_values = (
            PlainValues(values, 0) for values in (stack.values, stack.target_values)
        )
        self.loss: CompiledLoss | None = None
        trained = [*self.encoder.parameters(), *self.values.parameters()]
        if stack.losses[0] is not None:
            seen = math.prod(stack.observations.seen)
            spaces = Spaces(seen, stack.action_size, stack.encoder.features)
            self.loss = compile_loss(stack.losses[0], spaces).double()
            self.loss.load_state_dict(stack.auxiliary.member_state(0))
            trained += list(self.loss.parameters())
        self.trained = trained
        self.adam = torch.optim.Adam(trained, lr=self.settings.learning_rate, eps=self.settings.adam_eps)
        self.updates = 0

    def pairs(self, stack: RainbowStack) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Our parameters with those of the stack's first member."""
        for name in ("encoder", "target_encoder", "slow_encoder"):
            theirs = PlainFrames(getattr(stack, name), 0)
            for (key, mine), its in zip(
                getattr(self, name).named_parameters(), theirs.parameters(), strict=True
            ):
                yield f"{name}.{key}", mine, its
        for name in ("values", "target_values"):
            heads = PlainValues(getattr(stack, name), 0)
            for (key, mine), its in zip(
                getattr(self, name).named_parameters(), heads.parameters(), strict=True
            ):
                yield f"{name}.{key}", mine, its

    def update(
        self, batch: Experience, noise: Tensor, target_noise: Tensor, window: Window | None
    ) -> list[float]:
        """One update; gives the errors, sample by sample. Noise: standard normal numbers."""
        chosen = self.settings
        low, high = chosen.value_range
        atoms = torch.linspace(low, high, chosen.atoms, dtype=torch.float64)
        with torch.no_grad():
            base = self.encoder.base(batch.next_observation[0])
            action = (self.values(base, noise).softmax(dim=2) * atoms).sum(dim=2).argmax(dim=1)
            later = self.target_values(self.target_encoder.base(batch.next_observation[0]), target_noise)
        beta = chosen.priority_weight + (1 - chosen.priority_weight) * min(
            1.0, self.updates / chosen.priority_updates
        )
        weights = batch.priority[0] ** -beta
        weights = weights / weights.max()
        logits = self.values(self.encoder.base(batch.observation[0]), noise)
        errors = []
        for i, best in enumerate(action.tolist()):
            share = later[i, best].softmax(dim=0).tolist()
            goal = looped(share, float(batch.reward[0, i]), float(batch.discount[0, i]), low, high)
            log = logits[i, int(batch.action[0, i].argmax())].log_softmax(dim=0)
            errors.append(-(torch.tensor(goal, dtype=torch.float64) * log).sum())
        loss = sum(weight * error for weight, error in zip(weights, errors, strict=True)) / len(errors)
        if self.loss is not None:
            loss = loss + chosen.auxiliary_weight * self.loss(self.encoder, self.slow_encoder, window)
        self.adam.zero_grad()
        loss.backward()
        self.length = float(nn.utils.clip_grad_norm_(self.trained, chosen.gradient_norm))
        self.adam.step()
        self.updates += 1
        with torch.no_grad():
            if self.loss is not None:
                for slow, new in zip(self.slow_encoder.parameters(), self.encoder.parameters(), strict=True):
                    slow.copy_((1 - chosen.encoder_tau) * slow + chosen.encoder_tau * new)
            # Counted in steps, of which the first are random; an update a step.
            if (chosen.random_steps + self.updates) % chosen.target_period == 0:
                self.target_encoder.load_state_dict(self.encoder.state_dict())
                self.target_values.load_state_dict(self.values.state_dict())
        return [float(error.detach()) for error in errors]
