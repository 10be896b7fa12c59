"""The parts of losses written out by hand, number by number where that is short."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from backend.test_formulas import Problem, mean_square, rows_to_unit_length
from torch import Tensor, nn


def estimate(features: Tensor) -> Tensor:
    return 3 * torch.sin(features.sum(dim=1))


def row(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


def mean(values: Iterable[Tensor]) -> Tensor:
    terms = list(values)
    return sum(terms[1:], start=terms[0]) / len(terms)


def through(module: nn.Module, x: Tensor) -> Tensor:
    """Layers one after the other."""
    for part in module if isinstance(module, nn.Sequential) else [module]:
        match part:
            case nn.Linear():
                x = x @ part.weight.T + part.bias
            case nn.ReLU():
                x = torch.clamp(x, min=0)
            case nn.ELU():
                x = torch.where(x > 0, x, torch.exp(torch.clamp(x, max=0)) - 1)
            case nn.LayerNorm():
                centred = x - x.mean(dim=1, keepdim=True)
                x = centred / torch.sqrt((centred**2).mean(dim=1, keepdim=True) + 1e-5)
                x = x * part.weight + part.bias
            case nn.Mish():
                x = x * torch.tanh(torch.log(1 + torch.exp(x)))
            case _:
                raise TypeError(part)
    return x


def head(p: Problem, number: int, *parts: Tensor) -> Tensor:
    return through(p.module.heads[number], row(*parts))


def rolled(
    p: Problem,
    steps: int,
    after: Callable[[Tensor], Tensor] = lambda z: z,
    start: Tensor | None = None,
) -> list[Tensor]:
    """The latents of the steps that follow the first one; the transition is the last of the maps."""
    latents = [after(p.g(0) if start is None else start)]
    for step in range(steps):
        latents.append(after(through(p.module.heads[-1], row(latents[-1], p.a(step)))))
    return latents[1:]


def value(p: Problem, step: int) -> Tensor:
    """The agent's estimate of a step's state, 0 if it is terminal."""
    return estimate(p.g_target(step))[:, None] * (1 - done(p, step))


def done(p: Problem, step: int) -> Tensor:
    return p.window.done[:, step : step + 1]


def gain(p: Problem, first: int, last: int, discount: float) -> Tensor:
    return sum(discount ** (step - first) * p.r(step) for step in range(first, last + 1))


def stop(x: Tensor) -> Tensor:
    return x.detach()


def nmse(y: Tensor, z: Tensor) -> Tensor:
    return mean_square(rows_to_unit_length(y), rows_to_unit_length(z))


def ce(y: Tensor, z: Tensor, bins: int = 65, low: float = -10, high: float = 10, log: bool = True) -> Tensor:
    """Each number of z lies between two bins, and counts for both by its nearness."""
    total = torch.zeros((), dtype=y.dtype)
    centres = torch.linspace(low, high, bins, dtype=y.dtype)
    width = (high - low) / (bins - 1)
    for i in range(z.shape[0]):
        for d in range(z.shape[1]):
            number = z[i, d]
            number = torch.sign(number) * torch.log(1 + torch.abs(number)) if log else number
            number = min(max(float(number), low), high)
            left = min(int((number - low) / width), bins - 2)
            share = (number - float(centres[left])) / width
            logs = torch.log_softmax(y[i, d * bins : (d + 1) * bins], dim=0)
            total = total - (1 - share) * logs[left] - share * logs[left + 1]
    return total / z.numel()


def contrast(similarities: Tensor) -> Tensor:
    """Cross-entropy whose right answers lie on the diagonal of (B, B)."""
    return -torch.log(torch.softmax(similarities, dim=1).diagonal()).mean()


def infonce(y: Tensor, z: Tensor, temperature: float) -> Tensor:
    return contrast(rows_to_unit_length(y) @ rows_to_unit_length(z).T / temperature)


def bilinear(p: Problem, term: int, y: Tensor, z: Tensor) -> Tensor:
    return contrast(z @ p.module.bilinear[str(term)] @ y.T)


def huber(y: Tensor, z: Tensor) -> Tensor:
    error = torch.abs(y - z)
    return torch.where(error < 1, error**2 / 2, error - 0.5).mean()


def metric(y: Tensor, r: Tensor, z: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Distances of each sample and the one before it, from those of reward and next state."""
    errors = []
    for i in range(len(y)):
        goal = torch.abs(r[i, 0] - r[i - 1, 0]) + 0.99 * distance(z[i], z[i - 1])
        errors.append((distance(y[i], y[i - 1]) - goal) ** 2)
    return mean(errors)


def diffuse(u: Tensor, v: Tensor) -> Tensor:
    angle = torch.arccos(torch.dot(u, v) / torch.sqrt(torch.dot(u, u) * torch.dot(v, v)))
    return (torch.dot(u, u) + torch.dot(v, v)) / 2 + 0.1 * angle


def covariances(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.T @ centred / (len(x) - 1)


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]
