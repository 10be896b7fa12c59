"""Passes preserve a loss' value and gradients, and do what they promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import interpret
from paper_losses import comparisons, losses
from random_windows import windows
from strategies import any_losses
from torch import Tensor

from a2ls_dsl.backend.module import CompiledLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import Augment, Concat, Encode, EncodeBatch, Program, WeightedSum
from a2ls_dsl.ir.passes import PASSES, drop_unused, optimise, share_equal, simplify
from a2ls_dsl.ir.show import show_ir
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.rules.canonical import canonical
from a2ls_dsl.lang.rules.canonical import comparisons as terms_of
from a2ls_dsl.lang.syntax.tree import Comparison, Loss, Weighted, elements_of
from a2ls_dsl.words.entry import Kind
from a2ls_dsl.words.registry import functions

GOLDEN = Path(__file__).parent / "golden"
SPACES = Spaces(observation=3, action=2, features=4)
BATCH = 5


def weighted(weights: Sequence[float]) -> Callable[[Sequence[Comparison]], Loss]:
    return lambda terms: canonical(
        Loss(tuple(Weighted(w, term) for w, term in zip(weights, terms, strict=True)))
    )


# Weights of 0 can't be written in a file, but a program may hold them; at least one term counts.
SUMS = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4).flatmap(
    lambda rest: st.lists(comparisons(4, views=True), min_size=len(rest) + 1, max_size=len(rest) + 1).map(
        weighted([1.0, *rest])
    )
)
LOSSES = losses(terms=3, views=True) | SUMS | any_losses()


class Run:
    """Evaluates programs of one loss on the same data, recording calls of encoders and views."""

    def __init__(self, loss: Loss, seed: int) -> None:
        self.module = CompiledLoss(loss, SPACES, lower(loss)).double()
        self.window = windows(SPACES, BATCH, loss.horizon + 1, seed)
        shape = (2, SPACES.observation, SPACES.features)
        generator = torch.Generator().manual_seed(seed)
        self.online, self.target = torch.randn(shape, dtype=torch.float64, generator=generator)
        self.online.requires_grad_()
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.uniform_(-1, 1, generator=generator)

    def __call__(self, program: Program) -> list[Tensor]:
        """The value and all gradients."""
        self.calls: Counter[str] = Counter()
        value = interpret(
            program, self.module, self.encode, self.encode_target, self.window, self.estimate, frames=1000
        )
        parameters = [self.online, *self.module.parameters()]
        gradients = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        return [value.detach(), *gradients]

    def encode(self, observation: Tensor) -> Tensor:
        self.calls["online"] += 1
        return torch.tanh(observation @ self.online)

    def encode_target(self, observation: Tensor) -> Tensor:
        self.calls["target"] += 1
        return torch.tanh(observation @ self.target)

    def estimate(self, features: Tensor) -> Tensor:
        self.calls["value"] += 1
        return torch.sin(features.sum(dim=1))


@settings(max_examples=60)
@given(LOSSES, st.integers(0, 10**6))
def test_every_pass_keeps_value_and_gradients(loss: Loss, seed: int) -> None:
    run, program = Run(loss, seed), lower(loss)
    verify(program)
    expected = run(program)
    for step in PASSES:
        program = step(program)
        verify(program)
        for result, wanted in zip(run(program), expected, strict=True):
            torch.testing.assert_close(result, wanted, rtol=1e-9, atol=1e-9)
    assert program == optimise(lower(loss))


@settings(max_examples=60)
@given(LOSSES, st.integers(0, 10**6))
def test_each_encoder_is_called_once_and_each_view_drawn_once(loss: Loss, seed: int) -> None:
    run, program = Run(loss, seed), optimise(lower(loss))
    run(program)
    calls = [node for node in program.nodes if isinstance(node, Encode | EncodeBatch)]
    assert run.calls["online"] == sum(node.encoder in ("online", "stop") for node in calls) <= 2
    assert max(run.calls["target"], run.calls["value"]) <= 1
    drawn = [node.draw for node in program.nodes if isinstance(node, Augment)]
    views = sum(
        functions[call.name].kind is Kind.VIEW
        for weight, term in terms_of(loss)
        if weight
        for element in elements_of(term.items)
        for call in element.calls
    )
    assert len(drawn) == len(set(drawn)) == views


@settings(max_examples=100)
@given(LOSSES)
def test_nodes_after_each_pass(loss: Loss) -> None:
    program = drop_unused(lower(loss))
    assert [index for index, users in program.users().items() if not users] == [len(program.nodes) - 1]
    last = program.nodes[-1]
    assert isinstance(last, WeightedSum)
    assert last.weights == tuple(weight for weight, _ in terms_of(loss) if weight)
    program = simplify(program)
    assert all(len(node.inputs) > 1 for node in program.nodes if isinstance(node, Concat))
    program = share_equal(program)
    assert len(set(program.nodes)) == len(program.nodes)
    for step in PASSES:
        assert step(optimise(program)) == optimise(program)


def test_terms_of_weight_zero_vanish() -> None:
    """Also after the term that stays."""
    curl, winner = (terms_of(load_one(name)[1])[0][1] for name in ("curl_a2ls", "a2_winner"))
    first = Loss((Weighted(1.0, curl), Weighted(0.0, winner)))
    last = Loss((Weighted(0.0, winner), Weighted(1.0, curl)))
    alone = optimise(lower(Loss((Weighted(1.0, curl),))))
    assert [len(optimise(lower(loss)).nodes) for loss in (first, last)] == [len(alone.nodes)] * 2
    assert optimise(lower(first)) == alone


def test_a_loss_of_nothing_but_zeros_stays() -> None:
    zero = Loss((Weighted(0.0, terms_of(load_one("curl_a2ls")[1])[0][1]),))
    program = optimise(lower(zero))
    verify(program)
    assert Run(zero, 0)(program)[0] == 0


@pytest.mark.parametrize(
    ("text", "draws", "encodes"),
    [
        # A plain state is one draw, on whichever side and in whichever term it stands.
        ("mse({ s[t] } -> { s[t] })", 0, 2),
        ("inner({ s[t] } -> { s[t] }) + cosine({ s[t] } -> { s[t] })", 0, 2),
        # Every call of a view is a separate draw.
        ("bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch", 2, 2),
        ("mse({ crop(s[t]), crop(s[t]) } -> { s[t] })", 2, 3),
        ("mse({ s[t], crop(s[t]) } -> { s[t], crop(s[t]) })", 2, 4),
        ("inner({ crop(s[t]) } -> { r[t] }) + cosine({ crop(s[t]) } -> { r[t] })", 2, 2),
    ],
)
def test_draws(text: str, draws: int, encodes: int) -> None:
    program = share_equal(lower(loads(f"loss it = {text}")["it"]))
    augments = [node for node in program.nodes if isinstance(node, Augment)]
    assert len({node.draw for node in augments}) == len(augments) == draws
    assert sum(isinstance(node, Encode) for node in program.nodes) == encodes


SUM = """\
loss views = bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch
loss dynamics = mse({ s[t], a[t] } -> { s[t+1] })
loss both = 0.1 * views + 2 * dynamics + cosine({ s[t], s[t+1] } -> { s[t+1], r[t] })
"""


@pytest.mark.parametrize("name", ["curl_a2ls", "a2_winner", "tdmpc2", "both"])
def test_show(name: str, golden: Callable[[Path, str], None]) -> None:
    loss = loads(SUM)[name] if name == "both" else load_one(name)[1]
    golden(GOLDEN / f"{name}.txt", show_ir(name, loss, passes=True) + "\n")
    assert show_ir(name, loss, passes=True).endswith(show_ir(name, loss, passes=False).split("\n", 1)[1])
