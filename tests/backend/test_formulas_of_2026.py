"""Operators, options and a normaliser of later papers against formulas written out number by number."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from backend.by_hand import ce
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.formulas import compare, normaliser
from a2ls_dsl.backend.functions import Generated, drawn, spread
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.stacked import StackAgent
from a2ls_dsl.backend.stacked.loss import StackedLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss

EXACT = {"rtol": 1e-10, "atol": 1e-12}


def rows(seed: int, batch: int = 5, width: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, width, dtype=torch.float64, generator=generator).requires_grad_()


def cells(y: Tensor) -> list[tuple[int, int]]:
    return [(i, d) for i in range(y.shape[0]) for d in range(y.shape[1])]


def l1(y: Tensor, z: Tensor) -> Tensor:
    return sum(((y[c] - z[c]) ** 2) ** 0.5 for c in cells(y)) / y.numel()


def huber(y: Tensor, z: Tensor, delta: float) -> Tensor:
    errors = [y[c] - z[c] for c in cells(y)]
    parts = [e**2 / 2 if abs(e) < delta else delta * (abs(e) - delta / 2) for e in errors]
    return sum(parts) / y.numel()


def cosine_distance(y: Tensor, z: Tensor) -> Tensor:
    cosines = [(y[i] * z[i]).sum() / ((y[i] ** 2).sum() * (z[i] ** 2).sum()) ** 0.5 for i in range(len(y))]
    return sum(1 - cosine for cosine in cosines) / len(y)


def orthogonality(y: Tensor) -> Tensor:
    batch, width = y.shape
    moments = [
        sum(y[i, d] * y[i, e] for i in range(batch)) / (batch - 1)
        for d in range(width)
        for e in range(width)
        if d != e
    ]
    return sum(moment**2 for moment in moments) / (width * (width - 1))


def sigreg(y: Tensor, directions: Tensor) -> Tensor:
    """The characteristic function as a complex number, the integral by a finer rule on the whole range."""
    total = torch.zeros((), dtype=torch.float64)
    points = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    for k in range(directions.shape[1]):
        unit = directions[:, k] / directions[:, k].norm()
        characteristic = torch.exp(1j * points * (y @ unit)[:, None]).mean(dim=0)
        normal = torch.exp(-(points**2) / 2)
        total = total + torch.trapezoid((characteristic - normal).abs() ** 2 * normal, points) * len(y)
    return total / directions.shape[1]


@pytest.mark.parametrize(
    ("name", "options", "formula"),
    [
        ("l1", {}, l1),
        ("huber", {"delta": 1.0}, lambda y, z: huber(y, z, 1)),
        ("huber", {"delta": 0.3}, lambda y, z: huber(y, z, 0.3)),
        ("cosine_distance", {}, cosine_distance),
        ("orthogonality", {}, orthogonality),
    ],
)
def test_operators(name: str, options: dict[str, float], formula: Callable[..., Tensor]) -> None:
    given = [rows(0)] if name == "orthogonality" else [rows(0), rows(1)]
    for reference, value in (
        (formula(*given), compare(name, False, given, options=options)),
        (
            formula(*[5 * row for row in given]),
            compare(name, False, [5 * row for row in given], options=options),
        ),
    ):
        torch.testing.assert_close(value, reference, **EXACT)
        expected = torch.autograd.grad(reference, given)
        torch.testing.assert_close(torch.autograd.grad(value, given), expected, **EXACT)


def test_orthogonality_of_one_number_is_0() -> None:
    assert compare("orthogonality", False, [rows(0, width=1)]) == 0


def test_cosine_distance_is_nmse_in_another_scale() -> None:
    y, z = rows(0), rows(1)
    half = y.shape[1] / 2
    torch.testing.assert_close(
        compare("cosine_distance", False, [y, z]), half * compare("nmse", False, [y, z])
    )


def test_sigreg_is_the_statistic_of_its_directions() -> None:
    y = rows(3, batch=40, width=4)
    directions = Generated(torch.Generator().manual_seed(7)).normal(y, 4, 12).double()
    draws = Generated(torch.Generator().manual_seed(7))
    value = compare("sigreg", False, [y], options={"slices": 12.0}, draws=draws)
    reference = sigreg(y, directions)
    torch.testing.assert_close(value, reference, rtol=5e-3, atol=0)
    gradients = [torch.autograd.grad(result, y)[0] for result in (value, reference)]
    torch.testing.assert_close(*gradients, rtol=0.03, atol=0.03 * float(gradients[1].abs().max()))


def test_sigreg_is_least_for_a_normal_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(2000, 8, generator=generator)

    def statistic(y: Tensor) -> float:
        draws = Generated(torch.Generator().manual_seed(1))
        return float(compare("sigreg", False, [y], options={"slices": 64.0}, draws=draws))

    assert 0.5 < statistic(normal) < 2  # the integral of (1 - exp(-x²)) exp(-x²/2) is 1.06
    for other in (torch.zeros_like(normal), 2 * normal, normal + 1, normal[:, :1].expand_as(normal)):
        assert statistic(other) > 20


@pytest.mark.parametrize("name", ["cosine_distance", "nmse", "cosine", "infonce", "simsr", "mico"])
def test_a_row_of_zeros_has_no_direction_and_a_small_gradient(name: str) -> None:
    """Quantised and rectified latents may be 0 in all places; a norm cut at 1e-12 gives gradients of 1e12."""
    y, z = rows(0), rows(1)
    with torch.no_grad():
        y[2] = 0
    several = [y, torch.rand(5, 1, dtype=torch.float64), z] if name in ("simsr", "mico") else [y, z]
    options = {"discount": 0.9} if len(several) == 3 else {}
    options |= {"temperature": 0.1} if name in ("cosine", "infonce") else {}
    value = compare(name, False, several, options=options)
    (gradient,) = torch.autograd.grad(value, y)
    assert value.isfinite()
    assert gradient.abs().max() < 100
    assert not gradient[2].any()


@pytest.mark.parametrize("name", ["l2", "avgl1"])
def test_a_latent_of_zeros_stays_and_has_no_gradient(name: str) -> None:
    x = rows(0)
    with torch.no_grad():
        x[2] = 0
    scaled = normaliser(name, (), x)
    (gradient,) = torch.autograd.grad(scaled.pow(3).sum(), x)
    assert not scaled[2].any()
    assert not gradient[2].any()
    for row, unit in zip(x, scaled, strict=True):
        size = row.square().sum().sqrt() if name == "l2" else row.abs().mean()
        torch.testing.assert_close(unit * size, row, **EXACT)


@pytest.mark.parametrize("smoothing", [0.3, 0.75, 2.0])
def test_smoothing_is_the_mass_of_a_normal_distribution(smoothing: float) -> None:
    """Farebrother et al. 2024, equation 4: the mass in a bin, divided by that in range."""
    numbers, bins, low, high = [-1.2, -0.93, 0.0, 0.41, 1.0], 9, -1.0, 1.0
    width = (high - low) / (bins - 1)
    shares = spread(torch.tensor(numbers, dtype=torch.float64)[:, None], bins, low, high, False, smoothing)
    for number, share in zip(numbers, shares, strict=True):
        mean, deviation = min(max(number, low), high), smoothing * width

        def below(x: float, mean: float = mean, deviation: float = deviation) -> float:
            return (1 + math.erf((x - mean) / (deviation * math.sqrt(2)))) / 2

        edges = [low + (i - 0.5) * width for i in range(bins + 1)]
        mass = [below(right) - below(left) for left, right in pairwise(edges)]
        expected = torch.tensor(mass, dtype=torch.float64) / sum(mass)
        torch.testing.assert_close(share, expected, rtol=1e-9, atol=1e-12)


def test_ce_smooths_its_target_and_prints_it() -> None:
    text = "ce({ s[t], a[t] } -> { r[t] }) with bins = 11, smoothing = 0.75"
    loss = loads(f"loss it = {text}")["it"]
    module = compile_loss(loss, Spaces(3, 2, 4)).double()
    window = Window(*(torch.rand(6, 1, n, dtype=torch.float64) for n in (3, 2)), torch.randn(6, 1).double())
    encode = torch.nn.Linear(3, 4).double()
    value = module(encode, encode, window)
    logits = module.heads[0](torch.cat([encode(window.observation[:, 0]), window.action[:, 0]], dim=1))
    target = spread(window.reward, 11, -10, 10, True, 0.75)
    torch.testing.assert_close(value, -(target * logits.log_softmax(dim=1)).sum(dim=1).mean(), **EXACT)


def test_ce_spreads_numbers_themselves_over_a_range_that_is_given() -> None:
    """Bins at -5, -3, -1, 1, 3 and 5."""
    loss = loads("loss it = ce({ s[t] } -> { r[t] }) with bins = 6, low = -5, high = 5, head = linear")["it"]
    module = compile_loss(loss, Spaces(3, 2, 3)).double()
    rewards = torch.tensor([[-70.0], [-2.0], [0.0], [1.5], [5.0]], dtype=torch.float64)
    window = Window(rows(0, 5, 3).detach()[:, None], torch.zeros(5, 1, 2).double(), rewards)
    value = module(lambda x: x, lambda x: x, window)
    shares = [{0: 1.0}, {1: 0.5, 2: 0.5}, {2: 0.5, 3: 0.5}, {3: 0.75, 4: 0.25}, {5: 1.0}]
    logits = module.heads[0](window.observation[:, 0])
    parts = [
        share * (torch.logsumexp(row, 0) - row[place])
        for row, near in zip(logits, shares, strict=True)
        for place, share in near.items()
    ]
    torch.testing.assert_close(value, sum(parts) / 5, **EXACT)


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-5, 0), (-2, 7)])
def test_a_given_range_may_end_at_0(low: float, high: float) -> None:
    options = f"bins = 6, low = {low}, high = {high}, head = linear"
    loss = loads(f"loss it = ce({{ s[t] }} -> {{ r[t] }}) with {options}")["it"]
    module = compile_loss(loads(f"loss it = {print_loss(loss)}")["it"], Spaces(3, 2, 3)).double()
    rewards = torch.tensor([[-70.0], [-1.25], [0.0], [1.5], [5.5]], dtype=torch.float64)
    window = Window(rows(0, 5, 3).detach()[:, None], torch.zeros(5, 1, 2).double(), rewards)
    expected = ce(module.heads[0](window.observation[:, 0]), rewards, 6, low, high, log=False)
    torch.testing.assert_close(module(lambda x: x, lambda x: x, window), expected, **EXACT)


@pytest.mark.parametrize("levels", [2, 3, 4, 5, 8, 257])
def test_fsq_rounds_to_the_nearest_level_and_passes_gradients(levels: int) -> None:
    x = torch.linspace(-4, 4, 201, dtype=torch.float64).requires_grad_()
    quantised = normaliser("fsq", (float(levels),), x)
    grid = [-1 + 2 * i / (levels - 1) for i in range(levels)]
    for number, level in zip(x.tolist(), quantised.tolist(), strict=True):
        nearest = min(abs(math.tanh(number) - point) for point in grid)
        assert min(abs(level - point) for point in grid) < 1e-12
        assert abs(abs(level - math.tanh(number)) - nearest) < 1e-9
    (gradient,) = torch.autograd.grad(quantised.sum(), x)
    torch.testing.assert_close(gradient, 1 - torch.tanh(x.detach()) ** 2)


def test_an_operator_that_draws_has_a_stream_a_member_in_a_stack() -> None:
    loss, spaces = loads("loss it = sigreg({ s[t] }) with slices = 8")["it"], Spaces(3, 2, 4)
    rng, counter = CounterRng(torch.tensor([0, 1, 1])), torch.tensor([4, 4, 4])
    window = Window(torch.randn(1, 6, 1, 3).expand(3, 6, 1, 3), torch.rand(3, 6, 1, 2), torch.rand(3, 6, 1))
    weight = torch.randn(3, 4)

    def encode(x: Tensor, members: Tensor | None = None) -> Tensor:
        return x @ weight

    def values(counter: Tensor) -> Tensor:
        stack = StackedLoss.of([loss] * 3, spaces, rng)
        return stack(encode, encode, window, StackAgent(encode, encode, rng=rng, counter=counter))

    first = values(counter)
    assert first[0] != first[1] == first[2]
    assert torch.equal(values(counter), first)
    assert not torch.equal(values(counter + 1), first)


@pytest.mark.parametrize(("count", "ratio"), [(5, 1.0), (4, 0.5), (20, 0.9), (3, 0.999), (6, 0.01)])
def test_steps_are_drawn_as_often_as_is_said(count: int, ratio: float) -> None:
    """Numbers that are evenly spaced fall to each place in its share."""
    shares = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    places = drawn(shares, count, ratio)[:, 0]
    weights = torch.tensor([ratio**i for i in range(count)], dtype=torch.float64)
    frequencies = torch.bincount(places, minlength=count) / len(places)
    torch.testing.assert_close(frequencies.double(), weights / weights.sum(), rtol=0, atol=1e-4)


def test_all_that_a_term_draws_over_runs_of_one_length_is_one_draw() -> None:
    """The reward that is drawn is the one that led to the state that is drawn."""
    text = "mse({ s[t], uniform(r[t..t+4]) } -> { uniform(o[t+1..t+5]) })"
    module = compile_loss(loads(f"loss it = {text} with head = linear")["it"], Spaces(1, 1, 1))
    steps = torch.arange(6.0).expand(64, 6)
    with torch.no_grad():  # observations are their step, rewards the step that they lead to
        module.heads[0].weight.copy_(torch.tensor([[0.0, 1.0]]))
        module.heads[0].bias.zero_()
    window = Window(steps[..., None], torch.zeros(64, 6, 1), steps + 1)
    assert module(lambda x: 0 * x, lambda x: x, window) == 0
    other = module(lambda x: 0 * x, lambda x: x, Window(steps[..., None], torch.zeros(64, 6, 1), steps))
    assert other == 1
