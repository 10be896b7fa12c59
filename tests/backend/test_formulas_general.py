"""The shipped losses beyond those of the paper against formulas written out by hand, as `test_formulas.py`.

Observations are vectors, which crops, shifts and intensities leave alone. Heads and matrices are numbered in
the order of a loss' canonical terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from backend.test_formulas import EXACT, SPACES, Problem, mean_square, rows_to_unit_length
from interpret import interpret
from strategies import paper_shaped, windows
from torch import Tensor

from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one

BATCH = 6


def estimate(features: Tensor) -> Tensor:
    return 3 * torch.sin(features.sum(dim=1))


def row(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


def mean(values: Iterable[Tensor]) -> Tensor:
    found = list(values)
    return sum(found[1:], start=found[0]) / len(found)


def layers(parameters: Iterable[Tensor], x: Tensor) -> Tensor:
    """Linear layers with ReLUs between them."""
    found = list(parameters)
    for place in range(0, len(found), 2):
        x = torch.clamp(x, min=0) if place else x
        x = x @ found[place].T + found[place + 1]
    return x


def head(p: Problem, number: int, *parts: Tensor) -> Tensor:
    return layers(p.module.heads[number].parameters(), row(*parts))


def rolled(p: Problem, steps: int, after: Callable[[Tensor], Tensor] = lambda z: z) -> list[Tensor]:
    """The latents of the steps that follow the first one."""
    found = [after(p.g(0))]
    for step in range(steps):
        found.append(after(layers(p.module.transition.parameters(), row(found[-1], p.a(step)))))
    return found[1:]


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


def curl(p: Problem) -> Tensor:
    return contrast(p.g(0) @ p.module.bilinear["0"] @ p.g_target(0).T)


def curl_atari(p: Problem) -> Tensor:
    return contrast(p.g(0) @ p.module.bilinear["0"] @ p.g_target(0).T / 10)


def curl_atari_a2ls(p: Problem) -> Tensor:
    y, z = p.h(p.g(0)), p.g_target(0)
    return contrast(z @ p.module.bilinear["0"] @ y.T / 10)


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


def masked(p: Problem, step: int, draw: int) -> Tensor:
    """A state with half of its numbers dropped, by the numbers of a call of `mask`."""
    seen = p.window.observation[:, step]
    numbers = torch.rand(seen.shape, generator=torch.Generator().manual_seed(draw))
    return p.encode(torch.where(numbers < 0.5, 0.0, seen))


def covariances(x: Tensor) -> Tensor:
    centred = x - x.mean(dim=0)
    return centred.T @ centred / (len(x) - 1)


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def ac_state(p: Problem) -> Tensor:
    terms = (ce(head(p, k - 1, p.g(0), p.g(k)), p.a(0), 65, -1, 1, log=False) for k in range(1, 6))
    return mean(terms)


def barlow_twins(p: Problem) -> Tensor:
    normal = (p.g(0) - p.g(0).mean(dim=0)) / torch.sqrt(p.g(0).var(dim=0, unbiased=False) + 1e-5)
    c = normal.T @ normal / len(normal)
    return ((1 - c.diagonal()) ** 2).sum() + 0.005 * (off_diagonal(c) ** 2).sum()


def byol_explore(p: Problem) -> Tensor:
    return mean(nmse(head(p, 0, z), p.g_target(i)) for i, z in enumerate(rolled(p, 8), start=1))


def cpc(p: Problem) -> Tensor:
    states = [p.g(step) for step in range(4)]
    terms = []
    for k in range(3):
        y = head(p, k, *states, *(p.a(step) for step in range(4 + k)))
        terms.append(bilinear(p, k, y, p.g(4 + k)))
    return 3 * mean(terms)


def dbc(p: Problem) -> Tensor:
    (z,) = rolled(p, 1)
    distances = metric(p.g(0), p.r(0), stop(p.g(1)), lambda u, v: torch.abs(u - v).sum())
    return 0.5 * distances + mean_square(head(p, 0, z), p.r(0)) + 0.5 * mean_square(z, stop(p.g(1)))


def deepmdp(p: Problem) -> Tensor:
    (z,) = rolled(p, 1)
    return mean_square(z, p.g(1)) + mean_square(head(p, 0, z), p.r(0))


def dr_q(p: Problem) -> Tensor:
    steps = list(enumerate(rolled(p, 5)))
    rewards = mean(ce(head(p, 0, z), p.r(i)) for i, z in steps)
    contrasts = mean(infonce(z, p.g_target(i + 1), 0.1) for i, z in steps)
    latents = mean(mean_square(z, p.g_target(i + 1)) for i, z in steps)
    return 5 * latents + 0.5 * rewards + 0.5 * contrasts


def drac(p: Problem) -> Tensor:
    return 0.05 * mean_square(head(p, 0, p.g(0)), value(p, 0))


def efficientzero(p: Problem) -> Tensor:
    steps = list(enumerate(rolled(p, 5)))
    rewards = mean(ce(head(p, 0, z), p.r(i)) for i, z in steps)
    target = gain(p, 0, 4, 0.988) + 0.988**5 * value(p, 5)
    latents = mean(nmse(head(p, 2, z), stop(p.g(i + 1))) for i, z in steps)
    return 2 * latents + rewards + 0.25 * ce(head(p, 1, p.g(0)), target)


def icm(p: Problem) -> Tensor:
    forward = mean_square(head(p, 0, p.g(0), p.a(0)), p.g_target(1))
    return 0.2 * forward + 0.8 * mean_square(head(p, 1, p.g(0), p.g(1)), p.a(0))


def mico(p: Problem) -> Tensor:
    return 0.01 * metric(p.g(0), p.r(0), p.g_target(1), diffuse)


def mlr(p: Problem) -> Tensor:
    # Each state is shifted and masked: two calls, the second one with even numbers.
    seen = [masked(p, step, 2 * step + 2) for step in range(4)]
    y = head(p, 0, *seen, *(p.a(step) for step in range(4)))
    return nmse(y, row(*(p.g_target(step) for step in range(4))))


def mrq(p: Problem) -> Tensor:
    steps = list(enumerate(rolled(p, 5)))
    rewards = mean(ce(head(p, 0, z), p.r(i)) for i, z in steps)
    flags = mean(mean_square(head(p, 1, z), done(p, i + 1)) for i, z in steps)
    return 5 * mean(mean_square(z, p.g_target(i + 1)) for i, z in steps) + 0.5 * rewards + 0.5 * flags


def multi_horizon(p: Problem) -> Tensor:
    returns = [gain(p, 0, last, discount) for last, discount in ((1, 0.5), (4, 0.8), (9, 0.9), (19, 0.95))]
    return huber(head(p, 0, p.g(0), p.a(0)), row(*returns))


def pisac(p: Problem) -> Tensor:
    y = head(p, 0, p.g(0), p.a(0), p.a(1), p.a(2))
    return infonce(y, row(p.g_target(3), p.r(0), p.r(1), p.r(2)), 1)


def rcrl(p: Problem) -> Tensor:
    return ce(head(p, 0, p.g(0), p.a(0)), gain(p, 0, 9, 0.99))


def reconstruction(p: Problem) -> Tensor:
    return mean_square(head(p, 0, p.g(0)), p.window.observation[:, 0])


def self_prediction(p: Problem) -> Tensor:
    return mean_square(rolled(p, 1)[0], p.g_target(1))


def spr_rollout(p: Problem) -> Tensor:
    return mean(nmse(head(p, 0, z), p.g_target(i)) for i, z in enumerate(rolled(p, 5), start=1))


def st_dim(p: Problem) -> Tensor:
    return bilinear(p, 0, p.g(0), p.g(1))


def svea(p: Problem) -> Tensor:
    target = p.r(0) + 0.99 * value(p, 1)
    views = (masked(p, 0, 1), p.g(0))
    return mean(mean_square(head(p, 0, each, p.a(0)), target) for each in views)


def taco(p: Problem) -> Tensor:
    actions = [p.a(step) for step in range(3)]
    curl = bilinear(p, 0, p.g(0), stop(p.g(0)))
    contrasts = bilinear(p, 1, head(p, 0, p.g(0), *actions), stop(p.g(3)))
    return curl + contrasts + mean_square(head(p, 1, p.g(0), *actions), gain(p, 0, 2, 0.99))


def td7(p: Problem) -> Tensor:
    def normal(z: Tensor) -> Tensor:
        return z / torch.abs(z).mean(dim=1, keepdim=True)

    return mean_square(head(p, 0, normal(p.g(0)), p.a(0)), normal(stop(p.g(1))))


def tdmpc2(p: Problem) -> Tensor:
    # Latents of five numbers are one group, which is smaller than eight.
    def simplex(z: Tensor) -> Tensor:
        return torch.exp(z) / torch.exp(z).sum(dim=1, keepdim=True)

    steps = [(0.5**i, i, z) for i, z in enumerate(rolled(p, 3, simplex))]
    rewards = mean(weight * ce(head(p, 0, z), p.r(i), 101) for weight, i, z in steps)
    targets = [p.r(i + 1) + 0.99 * value(p, i + 2) for i in range(3)]
    values = mean(weight * ce(head(p, 1, z), targets[i], 101) for weight, i, z in steps)
    latents = mean(weight * mean_square(z, simplex(stop(p.g(i + 1)))) for weight, i, z in steps)
    return 20 * latents + 0.1 * rewards + 0.1 * values


def termination(p: Problem) -> Tensor:
    logs = torch.log_softmax(head(p, 0, p.g(0), p.a(0)), dim=1)
    return -torch.where(done(p, 1)[:, 0] == 1, logs[:, 1], logs[:, 0]).mean()


def unreal_reward(p: Problem) -> Tensor:
    return ce(head(p, 0, p.g(0), p.g(1), p.g(2)), p.r(2))


def vcr(p: Problem) -> Tensor:
    return mean(mean_square(head(p, 0, z), value(p, i)) for i, z in enumerate(rolled(p, 5), start=1))


def vicreg(p: Problem) -> Tensor:
    # Two views of a vector are that vector: their distance is 0.
    c = covariances(p.g(0))
    spread = torch.clamp(1 - torch.sqrt(c.diagonal() + 1e-4), min=0).mean()
    return 50 * spread + 2 * (off_diagonal(c) ** 2).sum() / len(c)


FORMULAS: dict[str, Callable[[Problem], Tensor]] = {
    each.__name__: each
    for each in (
        *(
            ac_state,
            barlow_twins,
            byol_explore,
            cpc,
            curl,
            curl_atari,
            curl_atari_a2ls,
            dbc,
            deepmdp,
            dr_q,
            drac,
            efficientzero,
            icm,
            mico,
        ),
        *(mlr, mrq, multi_horizon, pisac, rcrl, reconstruction, self_prediction, spr_rollout, st_dim, svea),
        *(taco, td7, tdmpc2, termination, unreal_reward, vcr, vicreg),
    )
}

WITH_DRAWS = ("mlr", "svea")


def test_every_shipped_loss_has_a_formula() -> None:
    assert {*FORMULAS, *paper_shaped()} == set(shipped("losses", ".a2l"))


@pytest.mark.parametrize("name", FORMULAS)
def test_shipped_loss(name: str) -> None:
    loss = load_one(name)[1]
    module = compile_loss(loss, SPACES).double()
    p = Problem(module, windows(SPACES, BATCH, loss.horizon + 1, seed=2))
    expected = p.value_and_gradients(FORMULAS[name](p))
    arguments = (p.encode, p.encode_target, p.window, estimate)
    values = [interpret(program, module, *arguments, crop=0) for program in (lower(loss), module.program)]
    if name not in WITH_DRAWS:
        values.append(module(*arguments))
    for value in values:
        for found, wanted in zip(p.value_and_gradients(value), expected, strict=True):
            torch.testing.assert_close(found, wanted, **EXACT)
