"""The learned maps from a source row onto a target row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from a2ls_dsl.words.registry import head

if TYPE_CHECKING:
    from torch import nn


@head("the predictor of He et al. 2022, the default", example="predictor")
def predictor(inputs: int, outputs: int) -> nn.Sequential:
    """The predictor of He et al. 2022: Linear, BatchNorm, ReLU, Linear, with 2 x inputs hidden units.

    The normalisation always uses the statistics of the batch: the loss is only ever taken in training.
    """
    hidden = 2 * inputs
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


@head("one linear layer", example="linear", latex="W")
def linear(inputs: int, outputs: int) -> nn.Linear:
    """One linear layer."""
    return nn.Linear(inputs, outputs)


@head("a hidden layer twice as wide as its inputs, with ReLU, then a linear layer", example="plain")
def plain(inputs: int, outputs: int) -> nn.Sequential:
    """A hidden layer of 2 x inputs units with a ReLU, then a linear layer."""
    return mlp(inputs, outputs, [2 * inputs])


@head(
    "hidden layers of these widths with ReLU, then a linear layer: mlp(256), mlp(512, 512)",
    example="mlp(256)",
    layers=True,
)
def mlp(inputs: int, outputs: int, layers: Sequence[int]) -> nn.Sequential:
    """Hidden layers with ReLUs, then a linear layer."""
    parts: list[nn.Module] = []
    for width in layers:
        parts += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


@head("as mlp, with ELU in place of ReLU", example="elu(256)", layers=True)
def elu(inputs: int, outputs: int, layers: Sequence[int]) -> nn.Sequential:
    """Hidden layers with ELUs, then a linear layer."""
    parts: list[nn.Module] = []
    for width in layers:
        parts += [nn.Linear(inputs, width), nn.ELU()]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


@head("as mlp, with layer norm and Mish in place of ReLU", example="mish(512)", layers=True)
def mish(inputs: int, outputs: int, layers: Sequence[int]) -> nn.Sequential:
    """Hidden layers with layer norm and Mish, then a linear layer (Hansen et al. 2024)."""
    parts: list[nn.Module] = []
    for width in layers:
        parts += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.Mish()]
        inputs = width
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


@head(
    "a transition that adds to a latent what mlp gives",
    example="residual(256)",
    layers=True,
    residual=True,
)
def residual(inputs: int, outputs: int, layers: Sequence[int]) -> nn.Sequential:
    """What is added to the latent: hidden layers with ReLUs, then a linear layer."""
    return mlp(inputs, outputs, layers)
