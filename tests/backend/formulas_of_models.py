"""Shipped losses of latent models and of statistics, written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from backend.by_hand import (
    ce,
    covariances,
    done,
    gain,
    head,
    infonce,
    mean,
    metric,
    nmse,
    off_diagonal,
    rolled,
    row,
    stop,
    through,
    value,
)
from backend.test_formulas import Problem, mean_square
from torch import Tensor


def length_1(z: Tensor) -> Tensor:
    return z / torch.sqrt((z**2).sum(dim=1, keepdim=True))


def cosine_distance(y: Tensor, z: Tensor) -> Tensor:
    return mean(1 - torch.dot(length_1(y)[i], length_1(z)[i]) for i in range(len(y)))


def sums(weights: float, terms: list[Tensor]) -> Tensor:
    """The mean over the steps, the i-th one times weights to the power of i."""
    return mean(weights**i * term for i, term in enumerate(terms))


def barlow_twins(p: Problem) -> Tensor:
    z = head(p, 0, p.g(0))
    normal = (z - z.mean(dim=0)) / torch.sqrt(z.var(dim=0, unbiased=False) + 1e-5)
    c = normal.T @ normal / len(normal)
    return ((1 - c.diagonal()) ** 2).sum() + 0.005 * (off_diagonal(c) ** 2).sum()


def byol_explore(p: Problem) -> Tensor:
    return mean(nmse(head(p, 0, z), p.g_target(i)) for i, z in enumerate(rolled(p, 8), start=1))


def dbc(p: Problem) -> Tensor:
    (z,), (model,) = rolled(p, 1), rolled(p, 1, start=stop(p.g(0)))
    distances = metric(p.g(0), p.r(0), stop(model), lambda u, v: torch.abs(u - v).sum())
    return 0.5 * distances + mean_square(head(p, 0, z), p.r(0)) + 0.5 * mean_square(z, stop(p.g(1)))


def deepmdp(p: Problem) -> Tensor:
    (z,) = rolled(p, 1)
    return mean_square(z, p.g(1)) + mean_square(head(p, 0, z), p.r(0))


def embedded(p: Problem, steps: int) -> tuple[list[Tensor], list[Tensor]]:
    """What MR.Q's hidden layers make of latent and action at each step, and the latents that follow."""
    z, embeddings, latents = p.g(0), list[Tensor](), list[Tensor]()
    for step in range(steps):
        embeddings.append(through(p.module.heads[0], row(z, p.a(step))))
        latents.append(z := through(p.module.heads[-1], embeddings[-1]))
    return embeddings, latents


def dr_q(p: Problem) -> Tensor:
    embeddings, latents = embedded(p, 5)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(5):
        total = total + mean_square(latents[i], p.g_target(i + 1))
        total = total + 0.1 * ce(head(p, 1, embeddings[i]), p.r(i))
        total = total + 0.1 * infonce(latents[i], p.g_target(i + 1), 0.1)
    return total


def efficientzero(p: Problem) -> Tensor:
    def more(z: Tensor, step: int) -> Tensor:
        return z + through(p.module.heads[4], row(z, p.a(step)))

    latents = [z := more(p.g(0), 0), *[z := more(z, step) for step in range(1, 5)]]
    rewards = mean(ce(head(p, 0, z), p.r(i)) for i, z in enumerate(latents))
    target = gain(p, 0, 4, 0.988) + 0.988**5 * value(p, 5)
    alike = mean(
        cosine_distance(head(p, 2, head(p, 3, z)), stop(head(p, 3, p.g(i + 1))))
        for i, z in enumerate(latents)
    )
    return 2 * alike + rewards + 0.25 * ce(head(p, 1, p.g(0)), target)


def iqrl(p: Problem) -> Tensor:
    def rounded(z: Tensor) -> Tensor:
        nearest = (torch.floor(torch.tanh(z) * 3.5) + 0.5) / 3.5
        return torch.tanh(z) + stop(nearest - torch.tanh(z))

    latents = rolled(p, 5, rounded)
    return 5 * sums(0.9, [cosine_distance(z, rounded(p.g_target(i + 1))) for i, z in enumerate(latents)])


def mrq(p: Problem) -> Tensor:
    embeddings, latents = embedded(p, 5)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(5):
        total = total + mean_square(latents[i], p.g_target(i + 1))
        total = total + 0.1 * ce(head(p, 1, embeddings[i]), p.r(i))
        total = total + 0.1 * mean_square(head(p, 2, embeddings[i]), done(p, i + 1))
    return total


def r2r2(p: Problem) -> Tensor:
    predicted = mean_square(head(p, 0, p.g(0), p.a(0)), stop(p.g(1)))
    spread = torch.clamp(1 - torch.sqrt(covariances(p.g(0)).diagonal() + 1e-4), min=0).mean()
    moments = p.g(0).T @ p.g(0) / (len(p.g(0)) - 1)
    return predicted + spread + (off_diagonal(moments) ** 2).mean()


def self_prediction(p: Problem) -> Tensor:
    return mean_square(rolled(p, 1)[0], p.g_target(1))


def simsr(p: Problem) -> Tensor:
    (z,) = rolled(p, 1, length_1)
    (model,) = rolled(p, 1, length_1, start=stop(p.g(0)))
    distances = metric(length_1(p.g(0)), p.r(0), stop(length_1(model)), lambda u, v: 1 - torch.dot(u, v))
    return distances + mean_square(z, length_1(stop(p.g(1))))


def spr_rollout(p: Problem) -> Tensor:
    steps = enumerate(rolled(p, 5), start=1)
    return 10 * mean(cosine_distance(head(p, 0, head(p, 1, z)), stop(head(p, 1, p.g(i)))) for i, z in steps)


def tcrl(p: Problem) -> Tensor:
    latents = [p.g(0), *rolled(p, 5)]
    alike = [cosine_distance(latents[i + 1], p.g_target(i + 1)) for i in range(5)]
    rewards = [mean_square(head(p, 0, latents[i], p.a(i)), p.r(i)) for i in range(5)]
    return 5 * (sums(0.99, alike) + sums(0.99, rewards))


def td7(p: Problem) -> Tensor:
    def normal(z: Tensor) -> Tensor:
        return z / torch.abs(z).mean(dim=1, keepdim=True)

    return mean_square(head(p, 0, normal(p.g(0)), p.a(0)), normal(stop(p.g(1))))


def tdmpc2(p: Problem) -> Tensor:
    # Latents of five numbers are one group, which is smaller than eight.
    def simplex(z: Tensor) -> Tensor:
        return torch.exp(z) / torch.exp(z).sum(dim=1, keepdim=True)

    z = [simplex(p.g(0)), *rolled(p, 3, simplex)]
    latents = [mean_square(z[i + 1], simplex(stop(p.g(i + 1)))) for i in range(3)]
    rewards = [ce(head(p, 0, z[i], p.a(i)), p.r(i), 101) for i in range(3)]
    targets = [p.r(i) + 0.99 * value(p, i + 1) for i in range(3)]
    values = [ce(head(p, 1, z[i], p.a(i)), targets[i], 101) for i in range(3)]
    return 20 * sums(0.5, latents) + 0.1 * sums(0.5, rewards) + 0.1 * sums(0.5, values)


def vcr(p: Problem) -> Tensor:
    return mean(mean_square(head(p, 0, z), value(p, i)) for i, z in enumerate(rolled(p, 5), start=1))


def vicreg(p: Problem) -> Tensor:
    # Two views of a vector are that vector.
    return vicreg_of(head(p, 0, p.g(0)), head(p, 0, p.g(0)))


def vicreg_of(x: Tensor, y: Tensor) -> Tensor:
    total = 25 * ((x - y) ** 2).mean()
    for c in map(covariances, (x, y)):
        spread = torch.clamp(1 - torch.sqrt(c.diagonal() + 1e-4), min=0).mean()
        total = total + 25 * spread + (off_diagonal(c) ** 2).sum() / len(c)
    return total


FORMULAS: tuple[Callable[[Problem], Tensor], ...] = (
    *(barlow_twins, byol_explore, dbc, deepmdp, dr_q, efficientzero, iqrl, mrq, r2r2, self_prediction),
    *(simsr, spr_rollout, tcrl, td7, tdmpc2, vcr, vicreg),
)
