"""Every loss of the language becomes a well-formed program."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from paper_losses import paper_shaped
from strategies import any_losses

from a2ls_dsl.backend.window import ends_in_a_state
from a2ls_dsl.ir.lower import is_paper_shaped, lower
from a2ls_dsl.ir.nodes import Predict
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.language import TRANSITION

PAPER = [
    *("a2_winner", "a2_winner_release", "a2_winner_v", "action_inference", "atc", "curl_a2ls"),
    *("forward_dynamics", "inverse_dynamics", "reward_prediction", "spr"),
]


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_every_shipped_loss_is_lowered(name: str) -> None:
    loss = load_one(name)[1]
    program = lower(loss)
    verify(program)
    verify(optimise(program))
    assert program.horizon == optimise(program).horizon == loss.horizon


@settings(max_examples=100)
@given(any_losses())
def test_any_loss_is_lowered(loss: Loss) -> None:
    program = lower(loss)
    verify(program)
    assert program.horizon == loss.horizon


def test_what_is_of_the_paper() -> None:
    assert paper_shaped() == PAPER
    for text in ("with head = linear", "with temperature = 2"):
        loss = loads(f"loss it = cosine({{ s[t] }} -> {{ r[t] }}) against batch {text}")["it"]
        assert not is_paper_shaped(loss)
    assert not is_paper_shaped(loads("loss it = linear(0, 1, 9) * mse({ s[t] } -> { r[t] })")["it"])
    assert not is_paper_shaped(loads("loss it = mse({ s[t] } -> { stop(s[t+1]) })")["it"])


def test_rollouts_with_equal_beginnings_are_shared() -> None:
    """Three terms roll out five steps: the transition is applied five times, not fifteen."""
    program = optimise(lower(load_one("mrq")[1]))
    assert sum(isinstance(node, Predict) and node.role == TRANSITION for node in program.nodes) == 5


def test_heads_of_equal_name_share_a_module() -> None:
    heads = [node.head for node in lower(load_one("svea")[1]).nodes if isinstance(node, Predict)]
    assert heads == [0, 0]
    heads = [node.head for node in lower(load_one("icm")[1]).nodes if isinstance(node, Predict)]
    assert heads == [0, 1]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("ce({ s[t], a[t] } -> { done[t+1] })", True),
        ("mse({ s[t], a[t] } -> { s[t+1], r[t+1] })", False),
        ("mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] })", True),
        ("mse({ rollout(s[t], a[t..t+2]) } -> { r[t..t+2] })", False),
        ("ce({ s[t] } -> { done[t] })", False),
    ],
)
def test_windows_may_end_in_a_state(text: str, ends: bool) -> None:
    assert ends_in_a_state(lower(loads(f"loss it = {text}")["it"])) is ends
