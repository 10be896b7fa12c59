"""Every shipped loss and every operator against a formula written out by hand, in value and in gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from interpret import interpret
from paper_losses import paper_shaped
from random_windows import windows
from torch import Tensor

from a2ls_dsl.backend.formulas import compare
from a2ls_dsl.backend.functions import spread
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.words import PAPER_OPERATORS

SPACES = Spaces(observation=3, action=2, features=5)
BATCH = 6
EXACT = {"rtol": 1e-10, "atol": 1e-11}


class Problem:
    """A window, both encoders (tanh of a linear map) and the learned parameters of one term."""

    def __init__(self, module: CompiledLoss, window: Window) -> None:
        generator = torch.Generator().manual_seed(1)
        shape = (2, SPACES.observation, SPACES.features)
        self.encoder, self.target_encoder = torch.randn(shape, dtype=torch.float64, generator=generator)
        self.encoder.requires_grad_()
        self.window, self.module = window, module
        self.parameters = [self.encoder, *module.parameters()]

    def encode(self, observation: Tensor) -> Tensor:
        return torch.tanh(observation @ self.encoder)

    def encode_target(self, observation: Tensor) -> Tensor:
        return torch.tanh(observation @ self.target_encoder)

    def g(self, step: int) -> Tensor:
        return self.encode(self.window.observation[:, step])

    def g_target(self, step: int) -> Tensor:
        return self.encode_target(self.window.observation[:, step])

    def a(self, step: int) -> Tensor:
        return self.window.action[:, step]

    def r(self, step: int) -> Tensor:
        return self.window.reward[:, step].reshape(-1, 1)

    @property
    def matrix(self) -> Tensor:
        return self.module.bilinear["0"]

    def h(self, *parts: Tensor) -> Tensor:
        """The predictor: Linear, batch norm with the statistics of the batch, ReLU, Linear."""
        w1, b1, gain, shift, w2, b2 = self.module.heads[0].parameters()
        hidden = torch.cat(parts, dim=1) @ w1.T + b1
        centred = hidden - hidden.mean(dim=0)
        normed = centred / torch.sqrt(centred.pow(2).mean(dim=0) + 1e-5)
        return torch.clamp(normed * gain + shift, min=0) @ w2.T + b2

    def value_and_gradients(self, value: Tensor) -> list[Tensor]:
        return [value.detach(), *torch.autograd.grad(value, self.parameters)]


def mean_square(y: Tensor, *targets: Tensor) -> Tensor:
    return ((y - torch.cat(targets, dim=1)) ** 2).sum() / y.numel()


def rows_to_unit_length(x: Tensor) -> Tensor:
    return x / torch.sqrt((x**2).sum(dim=1, keepdim=True))


def bilinear_contrast(p: Problem, y: Tensor, z: Tensor) -> Tensor:
    """Cross-entropy of z W y^T, a softmax over predictions for each target, the diagonal being right."""
    logits = z @ p.matrix @ y.T
    return -torch.log(torch.softmax(logits, dim=1).diagonal()).mean()


def forward_dynamics(p: Problem) -> Tensor:
    return mean_square(p.h(p.g(0), p.a(0)), p.g_target(1))


def inverse_dynamics(p: Problem) -> Tensor:
    return mean_square(p.h(p.g(1), p.a(0)), p.g_target(0))


def reward_prediction(p: Problem) -> Tensor:
    return mean_square(p.h(p.g(0), p.a(0)), p.r(0))


def action_inference(p: Problem) -> Tensor:
    return mean_square(p.h(p.g(0), p.g(1)), p.a(0))


def curl_a2ls(p: Problem) -> Tensor:
    # On vectors a crop is the identity: the two views are the same state.
    return bilinear_contrast(p, p.h(p.g(0)), p.g_target(0))


def atc(p: Problem) -> Tensor:
    z = torch.cat([p.g_target(1), p.g_target(2), p.g_target(3)], dim=1)
    return bilinear_contrast(p, p.h(p.g(0)), z)


def spr(p: Problem) -> Tensor:
    y = p.h(p.g(0), *(p.a(step) for step in range(5)))
    z = torch.cat([p.g_target(step) for step in range(1, 6)], dim=1)
    return mean_square(rows_to_unit_length(y), rows_to_unit_length(z))


def a2_winner(p: Problem) -> Tensor:
    y = p.h(p.g(1), p.a(1), p.a(2), p.a(3))
    return mean_square(y, p.g_target(2), p.g_target(3), p.r(0), p.r(1))


def a2_winner_release(p: Problem) -> Tensor:
    y = p.h(p.g(0), p.a(0), p.a(1), p.a(2), p.a(3), p.r(0), p.r(1), p.r(3))
    return mean_square(y, p.g_target(1), p.g_target(2), p.g_target(3), p.g_target(4))


def a2_winner_v(p: Problem) -> Tensor:
    actions = [p.a(step) for step in (0, 1, 2, 3, 4, 5, 7, 8)]
    y = p.h(p.g(0), p.g(2), p.g(8), *actions, p.r(3), p.r(4), p.r(8))
    return mean_square(y, p.g_target(1), p.g_target(3), p.g_target(6), p.g_target(9), p.a(4))


FORMULAS: dict[str, Callable[[Problem], Tensor]] = {
    formula.__name__: formula
    for formula in (
        forward_dynamics,
        inverse_dynamics,
        reward_prediction,
        action_inference,
        curl_a2ls,
        atc,
        spr,
        a2_winner,
        a2_winner_release,
        a2_winner_v,
    )
}


def test_every_loss_of_the_paper_has_a_formula() -> None:
    assert set(FORMULAS) == set(paper_shaped())


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("batch", [2, BATCH])
def test_shipped_loss(name: str, batch: int) -> None:
    loss = load_one(name)[1]
    module = compile_loss(loss, SPACES).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.sin(torch.arange(parameter.numel())).view_as(parameter)
    p = Problem(module, windows(SPACES, batch, loss.horizon + 1, seed=2))
    expected = p.value_and_gradients(FORMULAS[name](p))
    naive = interpret(lower(loss), module, p.encode, p.encode_target, p.window, crop=0.0)
    for value in (naive, module(p.encode, p.encode_target, p.window)):
        for computed, wanted in zip(p.value_and_gradients(value), expected, strict=True):
            torch.testing.assert_close(computed, wanted, **EXACT)


def dot(u: Tensor, v: Tensor) -> Tensor:
    return sum((a * b for a, b in zip(u, v, strict=True)), start=torch.zeros((), dtype=u.dtype))


def unit(u: Tensor) -> Tensor:
    return u / torch.sqrt(dot(u, u))


def squared_distance(u: Tensor, v: Tensor) -> Tensor:
    return dot(u - v, u - v) / len(u)


def negative_log_softmax(logits: list[Tensor], right: int) -> Tensor:
    return -torch.log(torch.exp(logits[right]) / sum(torch.exp(logit) for logit in logits))


def by_hand(operator: str, against: bool, y: Tensor, z: Tensor, matrix: Tensor) -> Tensor:
    """The operators sample by sample."""
    ys, zs = list(y), list(z)
    if operator in ("nmse", "cosine"):
        ys, zs = [unit(row) for row in ys], [unit(row) for row in zs]
    batch = len(ys)
    total = torch.zeros((), dtype=y.dtype)
    for i in range(batch):
        if operator in ("mse", "nmse"):
            total = total + squared_distance(ys[i], zs[i])
            if against:
                total = total - squared_distance(ys[i], zs[i - 1])
        elif not against:
            similarity = dot(zs[i], matrix @ ys[i]) if operator == "bilinear" else dot(ys[i], zs[i])
            zeros = [torch.zeros_like(similarity)] * (batch - 1)
            total = total + negative_log_softmax([similarity, *zeros], 0)
        elif operator == "bilinear":
            total = total + negative_log_softmax([dot(zs[i], matrix @ other) for other in ys], i)
        else:
            total = total + negative_log_softmax([dot(ys[i], other) for other in zs], i)
    return total / batch


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("against", [False, True])
@pytest.mark.parametrize("operator", PAPER_OPERATORS)
def test_operator(operator: str, against: bool, batch: int) -> None:
    generator = torch.Generator().manual_seed(batch)
    y, z = torch.randn(2, batch, 4, dtype=torch.float64, generator=generator)
    matrix = torch.rand(4, 4, dtype=torch.float64, generator=generator)
    inputs = [tensor.requires_grad_() for tensor in (y, z, matrix)]
    computed, expected = (
        compare(operator, against, [y, z], matrix),
        by_hand(operator, against, y, z, matrix),
    )
    torch.testing.assert_close(computed, expected, **EXACT)
    gradients = (
        torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
        for value in (computed, expected)
    )
    for ours, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, wanted, **EXACT)


@pytest.mark.parametrize("operator", ["inner", "bilinear"])
@pytest.mark.parametrize("against", [False, True])
def test_large_similarities_stay_finite(operator: str, against: bool) -> None:
    """Where exp(d) overflows: pairs that fit cost nothing, pairs that do not cost their similarity."""
    y = 100 * torch.eye(3, dtype=torch.float64)
    fits = compare(operator, against, [y, y], torch.eye(3, dtype=torch.float64))
    assert abs(fits) < 1e-12
    misfits = compare(operator, against, [y, -y], torch.eye(3, dtype=torch.float64))
    # Beside the pair's own -10,000 stand two zeros: log(2) + 10,000.
    torch.testing.assert_close(misfits, torch.tensor(10_000 + math.log(2), dtype=torch.float64), **EXACT)


def test_bilinear_without_its_matrix_is_refused() -> None:
    rows = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="needs its matrix"):
        compare("bilinear", True, [rows, rows], None)


@pytest.mark.parametrize("bins", [2, 256, 601])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_number_spread_over_bins_has_the_mass_1(bins: int, dtype: torch.dtype) -> None:
    """Also in half precision, which can't count to 601; and its mean is the number."""
    numbers = torch.linspace(-310, 310, 97).to(dtype)
    shares = spread(numbers[:, None], bins, -300, 300, symlog=False)
    assert shares.shape == (97, bins)
    assert shares.dtype == dtype
    assert ((shares > 0).sum(dim=1) <= 2).all()
    digits = torch.finfo(dtype).eps
    torch.testing.assert_close(shares.double().sum(dim=1), torch.ones(97).double(), rtol=0, atol=digits)
    mean = shares.double() @ torch.linspace(-300, 300, bins, dtype=torch.float64)
    torch.testing.assert_close(mean, numbers.double().clamp(-300, 300), rtol=0, atol=600 * digits)
