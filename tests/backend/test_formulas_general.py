"""The shipped losses beyond those of the paper against formulas written out by hand, as `test_formulas.py`.

Observations are vectors, which crops, shifts and intensities leave alone. Heads and matrices are numbered in
the order of a loss' canonical terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from backend import formulas_of_models
from backend.by_hand import (
    bilinear,
    ce,
    contrast,
    diffuse,
    done,
    estimate,
    gain,
    head,
    huber,
    infonce,
    mean,
    metric,
    nmse,
    rolled,
    row,
    stop,
    value,
)
from backend.test_formulas import EXACT, SPACES, Problem, mean_square
from interpret import interpret
from paper_losses import paper_shaped
from random_windows import windows
from torch import Tensor

from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one, loads

BATCH = 6


def curl(p: Problem) -> Tensor:
    return contrast(p.g(0) @ p.module.bilinear["0"] @ p.g_target(0).T)


def curl_atari(p: Problem) -> Tensor:
    return contrast(p.g(0) @ p.module.bilinear["0"] @ p.g_target(0).T / 10)


def curl_atari_a2ls(p: Problem) -> Tensor:
    y, z = p.h(p.g(0)), p.g_target(0)
    return contrast(z @ p.module.bilinear["0"] @ y.T / 10)


def masked(p: Problem, step: int, draw: int) -> Tensor:
    """A state with half of its numbers dropped, by the numbers of a call of `mask`."""
    seen = p.window.observation[:, step]
    numbers = torch.rand(seen.shape, generator=torch.Generator().manual_seed(draw))
    return p.encode(torch.where(numbers < 0.5, 0.0, seen))


def later(p: Problem, steps: int, ratio: float) -> Tensor:
    """For each sample the state that its number of the first draw picks, which is looked up in a list."""
    shares = [ratio**i for i in range(steps)]
    rows = []
    for sample, number in enumerate(torch.rand(BATCH, generator=torch.Generator().manual_seed(1)).tolist()):
        bounds = [sum(shares[: i + 1]) / sum(shares) for i in range(steps)]
        place = next(i for i, bound in enumerate(bounds) if number < bound)
        rows.append(p.window.observation[sample, 1 + place])
    return torch.stack(rows)


def ac_state(p: Problem) -> Tensor:
    return ce(head(p, 0, p.g(0), p.encode(later(p, 5, 1))), p.a(0), 65, -1, 1, log=False)


def byol_gamma(p: Problem) -> Tensor:
    return mean_square(head(p, 0, p.g(0), p.a(0)), p.encode_target(later(p, 20, 0.9)))


def contrastive_rl(p: Problem) -> Tensor:
    y = head(p, 0, head(p, 1, p.g(0)), p.a(0))
    return contrast(y @ head(p, 1, p.encode(later(p, 20, 0.9))).T)


def cpc(p: Problem) -> Tensor:
    states = [p.g(step) for step in range(4)]
    terms = []
    for k in range(3):
        y = head(p, k, *states, *(p.a(step) for step in range(4 + k)))
        terms.append(bilinear(p, k, y, p.g(4 + k)))
    return 3 * mean(terms)


def drac(p: Problem) -> Tensor:
    return 0.05 * mean_square(head(p, 0, p.g(0)), value(p, 0))


def icm(p: Problem) -> Tensor:
    forward = mean_square(head(p, 0, p.g(0), p.a(0)), p.g_target(1))
    return 0.2 * forward + 0.8 * mean_square(head(p, 1, p.g(0), p.g(1)), p.a(0))


def lewm(p: Problem) -> Tensor:
    # The only draw is that of the directions.
    directions = torch.randn(p.g(0).shape[1], 256, generator=torch.Generator().manual_seed(1)).double()
    points = torch.linspace(-5, 5, 17, dtype=torch.float64)
    normal = torch.exp(-(points**2) / 2)
    statistics = []
    for k in range(256):
        unit = directions[:, k] / torch.sqrt((directions[:, k] ** 2).sum())
        angles = (p.g(0) @ unit)[:, None] * points
        distance = (torch.cos(angles).mean(dim=0) - normal) ** 2 + torch.sin(angles).mean(dim=0) ** 2
        statistics.append(BATCH * torch.trapezoid(distance * normal, points))
    latents = mean(mean_square(z, p.g(i + 1)) for i, z in enumerate(rolled(p, 3)))
    return latents + 0.1 * mean(statistics)


def mico(p: Problem) -> Tensor:
    return 0.01 * metric(p.g(0), p.r(0), p.g_target(1), diffuse)


def mlr(p: Problem) -> Tensor:
    # Each state is shifted and masked: two calls, the second one with even numbers.
    seen = [masked(p, step, 2 * step + 2) for step in range(4)]
    y = head(p, 0, *seen, *(p.a(step) for step in range(4)))
    return nmse(y, row(*(p.g_target(step) for step in range(4))))


def hl_gauss(p: Problem) -> Tensor:
    """Farebrother et al. 2024, equations 3 and 4: classes are 0.2 apart, a target's deviation is 0.15."""
    logs = torch.log_softmax(head(p, 0, p.g(0), p.a(0)), dim=1)
    total, targets = torch.zeros((), dtype=torch.float64), stop(p.r(0) + 0.99 * value(p, 1))
    for i, number in enumerate(targets[:, 0].tolist()):
        center = min(max(math.copysign(math.log(1 + abs(number)), number), -10.0), 10.0)
        edges = [(-10.1 + 0.2 * k - center) / (0.15 * math.sqrt(2)) for k in range(102)]
        below = [math.erf(edge) / 2 for edge in edges]
        mass = [right - left for left, right in pairwise(below)]
        total = total - sum(share * logs[i, k] for k, share in enumerate(mass)) / sum(mass)
    return total / len(targets)


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


def st_dim(p: Problem) -> Tensor:
    return bilinear(p, 0, p.g(0), p.g(1))


def svea(p: Problem) -> Tensor:
    target = p.r(0) + 0.99 * value(p, 1)
    views = (masked(p, 0, 1), p.g(0))
    return mean(mean_square(head(p, 0, view, p.a(0)), target) for view in views)


def taco(p: Problem) -> Tensor:
    actions = [p.a(step) for step in range(3)]
    curl = bilinear(p, 0, p.g(0), stop(p.g(0)))
    contrasts = bilinear(p, 1, head(p, 0, p.g(0), *actions), stop(p.g(3)))
    return curl + contrasts + mean_square(head(p, 1, p.g(0), *actions), gain(p, 0, 2, 0.99))


def termination(p: Problem) -> Tensor:
    logs = torch.log_softmax(head(p, 0, p.g(0), p.a(0)), dim=1)
    return -torch.where(done(p, 1)[:, 0] == 1, logs[:, 1], logs[:, 0]).mean()


def unreal_reward(p: Problem) -> Tensor:
    return ce(head(p, 0, p.g(0), p.g(1), p.g(2)), p.r(2))


FORMULAS: dict[str, Callable[[Problem], Tensor]] = {
    formula.__name__: formula
    for formula in (
        *(
            ac_state,
            byol_gamma,
            contrastive_rl,
            cpc,
            curl,
            curl_atari,
            curl_atari_a2ls,
            drac,
            hl_gauss,
            icm,
            lewm,
            mico,
            mlr,
            multi_horizon,
        ),
        *(pisac, rcrl, reconstruction, st_dim, svea, taco, termination, unreal_reward),
        *formulas_of_models.FORMULAS,
    )
}

WITH_DRAWS = ("ac_state", "byol_gamma", "contrastive_rl", "lewm", "mlr", "svea")


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
    for result in values:
        for computed, wanted in zip(p.value_and_gradients(result), expected, strict=True):
            torch.testing.assert_close(computed, wanted, **EXACT)


def vjepa2_ac(p: Problem) -> Tensor:
    def transition(z: Tensor, step: int) -> Tensor:
        return head(p, -1, z, p.a(step))

    forced = [transition(p.g(0), 0), transition(p.g(1), 1)]
    ahead = transition(forced[0], 1)
    errors = [torch.abs(forced[0] - stop(p.g(1))), torch.abs(forced[1] - stop(p.g(2)))]
    return sum(error.mean() for error in [*errors, torch.abs(ahead - stop(p.g(2)))])


def koopman(p: Problem) -> Tensor:
    return mean_square(head(p, -1, p.g(0), p.a(0)), stop(p.g(1)))


WRITTEN = (
    # Assran et al. 2025 (arXiv 2506.09985): two steps teacher-forced, and the second one rolled out.
    (
        "2.0 * l1({ rollout(s[t], a[t..t+1]) } -> { stop(s[t+1..t+2]) })"
        " with head = none, transition = mlp(16)"
        " + l1({ rollout(s[t+1], a[t+1]) } -> { stop(s[t+2]) }) with head = none, transition = mlp(16)",
        vjepa2_ac,
    ),
    # A linear model of the latents (Koopman).
    (
        "mse({ rollout(s[t], a[t]) } -> { stop(s[t+1]) }) with head = none, transition = linear",
        koopman,
    ),
)


@pytest.mark.parametrize(("text", "formula"), WRITTEN)
def test_loss_of_a_paper(text: str, formula: Callable[[Problem], Tensor]) -> None:
    loss = loads(f"loss it = {text}")["it"]
    module = compile_loss(loss, SPACES).double()
    p = Problem(module, windows(SPACES, BATCH, loss.horizon + 1, seed=3))
    computed = p.value_and_gradients(module(p.encode, p.encode_target, p.window, estimate))
    for value_of_it, wanted in zip(computed, p.value_and_gradients(formula(p)), strict=True):
        torch.testing.assert_close(value_of_it, wanted, **EXACT)
