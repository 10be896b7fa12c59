"""The networks of Rainbow for a whole stack: encoder of frames, noisy layers, heads of action values."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.arithmetic import product_dtype
from a2ls_dsl.rl.networks.convolutions import Conv
from a2ls_dsl.rl.networks.encoders import DenseEncoder
from a2ls_dsl.rl.networks.layers import LayerNorm, Linear, Rows
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations


class FrameEncoder(nn.Module):
    """Convolutions with ReLU; the values of actions are read from what they give.

    (members, M, channels, size, size) uint8 -> (members, M, features): behind the convolutions stand a linear
    layer and a layer norm for the auxiliary losses alone, or with a projection of 0 nothing.
    """

    def __init__(self, members: int, observations: Observations, settings: RainbowSettings) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        channels, size = observations.seen[0], observations.seen[1]
        for filters, kernel, stride in settings.convolutions:
            if size < kernel:
                raise A2lError(
                    f"frames of {observations.crop} pixels are too small for the convolutions",
                    "use smaller kernels or strides",
                )
            self.convs.append(Conv(members, channels, filters, stride, kernel))
            channels, size = filters, (size - kernel) // stride + 1
        self.filters, self.width = channels, size * size * channels
        self.features = settings.projection or self.width
        self.linear = Linear(members, self.width, settings.projection) if settings.projection else None
        self.norm = LayerNorm(members, settings.projection) if settings.projection else None

    def forward(self, observation: Tensor) -> Tensor:
        base = self.base(observation)
        if self.linear is None or self.norm is None:
            return base
        features: Tensor = self.norm(self.linear(base))
        return features

    def base(self, observation: Tensor) -> Tensor:
        """What the convolutions give: (members, M, width), 576 for frames of 84 pixels."""
        x = observation.transpose(0, 1).flatten(1, 2)
        kind = product_dtype(x.device, next(self.parameters()).dtype)
        x = x.to(kind, memory_format=torch.channels_last)
        for number, conv in enumerate(self.convs):
            x = F.relu(conv(x, scale=1 / 255 if number == 0 else 1.0))
        x = x.permute(0, 2, 3, 1)
        return x.reshape(*x.shape[:3], -1, self.filters).permute(3, 0, 1, 2, 4).flatten(2)

    @torch.no_grad()
    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members, as torch initialises convolutions."""
        for number, conv in enumerate(self.convs):
            if isinstance(conv, Conv):
                conv.reset_uniform(members, rng, Purpose.INIT_ENCODER, number)
        if self.linear is not None and self.norm is not None:
            self.linear.reset_orthogonal(members, rng, Purpose.INIT_ENCODER, 2 * len(self.convs))
            self.norm.reset(members)


class VectorEncoder(DenseEncoder):
    """The paper's dense encoder of vectors; values of actions are read from its features, too.

    (members, M, observation) -> (members, M, observation + 40).
    """

    def __init__(self, members: int, observations: Observations, settings: RainbowSettings) -> None:
        super().__init__(members, observations.shape[0])
        self.width = self.features


def make_encoder(
    members: int, observations: Observations, settings: RainbowSettings
) -> FrameEncoder | VectorEncoder:
    """The encoder of frames, or of vectors."""
    kind = VectorEncoder if observations.crop is None else FrameEncoder
    return kind(members, observations, settings)


class NoisyLinear(nn.Module):
    """A linear layer with factorised Gaussian noise on its weights (Fortunato et al. 2017, arXiv 1706.10295).

    (members, M, inputs) -> (members, M, outputs). sigma: the noise's first size; 0 makes it a plain layer.
    """

    def __init__(self, members: int, inputs: int, outputs: int, sigma: float) -> None:
        super().__init__()
        self.inputs, self.outputs, self.sigma = inputs, outputs, sigma
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))
        if sigma:
            self.weight_sigma = nn.Parameter(torch.zeros(members, inputs, outputs))
            self.bias_sigma = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """noise: (members, inputs + outputs) of `shaped` numbers, or None for the mean weights."""
        if noise is None or not self.sigma:
            return torch.baddbmm(self.bias, x, self.weight)
        row, column = noise[:, : self.inputs, None], noise[:, None, self.inputs :]
        weight = self.weight + self.weight_sigma * (row * column)
        return torch.baddbmm(self.bias + self.bias_sigma * column, x, weight)

    @torch.no_grad()
    def reset(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Fresh parameters for members: means uniform within 1 / sqrt(inputs)."""
        count = self.inputs * self.outputs + self.outputs
        drawn = (2 * rng.uniform(purpose, layer, count) - 1) / math.sqrt(self.inputs)
        self.weight[members] = drawn[:, : -self.outputs].reshape(-1, self.inputs, self.outputs)
        self.bias[members, 0] = drawn[:, -self.outputs :]
        if self.sigma:
            self.weight_sigma[members] = self.sigma / math.sqrt(self.inputs)
            self.bias_sigma[members] = self.sigma / math.sqrt(self.outputs)


def shaped(normal: Tensor) -> Tensor:
    """Standard normal numbers as factorised noise wants them: sign(x) sqrt(|x|)."""
    return normal.sign() * normal.abs().sqrt()


class ValueHead(nn.Module):
    """A hidden noisy layer with ReLU and a noisy layer."""

    def __init__(self, members: int, inputs: int, outputs: int, settings: RainbowSettings) -> None:
        super().__init__()
        sigma = settings.noisy_sigma if settings.noisy else 0.0
        self.hidden = NoisyLinear(members, inputs, settings.hidden, sigma)
        self.out = NoisyLinear(members, settings.hidden, outputs, sigma)
        self.noise = sum(layer.inputs + layer.outputs for layer in (self.hidden, self.out))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """noise: (members, self.noise)."""
        split = self.hidden.inputs + self.hidden.outputs
        first, second = (None, None) if noise is None else (noise[:, :split], noise[:, split:])
        hidden = F.relu(self.hidden(x, first))
        # Values are not rounded to the few digits of operands, nor are softmax and sums of them.
        with unrounded(x.device):
            out: Tensor = self.out(hidden.to(self.out.bias.dtype), second)
            return out


class ActionValues(nn.Module):
    """Logits of the distribution of every action's value, or the values alone, as one atom.

    (members, M, width) -> (members, M, actions, atoms).
    Duelling (Wang et al. 2016): a head for the state's value and one for advantages, whose mean is taken out.
    """

    def __init__(self, members: int, inputs: int, actions: int, settings: RainbowSettings) -> None:
        super().__init__()
        self.actions, self.atoms = actions, settings.atoms if settings.distributional else 1
        self.advantage = ValueHead(members, inputs, actions * self.atoms, settings)
        self.value = ValueHead(members, inputs, self.atoms, settings) if settings.duelling else None

    @property
    def noise(self) -> int:
        """How many numbers of noise a member takes."""
        return self.advantage.noise + (self.value.noise if self.value is not None else 0)

    def forward(self, base: Tensor, noise: Tensor | None = None) -> Tensor:
        """noise: (members, self.noise) of `shaped` numbers, or None for none."""
        split = self.advantage.noise
        given: Tensor = self.advantage(base, noise if noise is None else noise[:, :split])
        advantage = given.view(*given.shape[:2], self.actions, self.atoms)
        if self.value is None:
            return advantage
        value: Tensor = self.value(base, noise if noise is None else noise[:, split:])
        return value[:, :, None] + advantage - advantage.mean(dim=2, keepdim=True)

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        heads = [self.advantage] if self.value is None else [self.advantage, self.value]
        layers = [layer for head in heads for layer in (head.hidden, head.out)]
        for number, layer in enumerate(layers):
            layer.reset(members, rng, Purpose.INIT_CRITIC, number)


def of_action(logits: Tensor, action: Tensor) -> Tensor:
    """(members, B, atoms) of one-hot actions (members, B, actions)."""
    return (logits * action[..., None]).sum(dim=2)


class Logits(nn.Module):
    """Action values of observations, without noise."""

    def __init__(self, encoder: FrameEncoder | VectorEncoder, values: ActionValues) -> None:
        super().__init__()
        self.encoder, self.values = encoder, values

    def forward(self, observations: Tensor) -> Tensor:
        logits: Tensor = self.values(self.encoder.base(observations))
        return logits
