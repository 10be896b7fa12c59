"""What can't be compiled yet is refused in one sentence, wherever a loss is handed over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from strategies import any_losses

from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.stacked.tables import Capacity
from a2ls_dsl.backend.window import Spaces, views_without_effect
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower, supported_terms
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.load import loads

SPACES = Spaces(observation=5, action=2, features=4)
ENTRIES: tuple[Callable[[Loss], object], ...] = (
    lower,
    lambda loss: compile_loss(loss, SPACES),
    lambda loss: export("it", loss),
    lambda loss: Capacity.of([loss]),
    lambda loss: views_without_effect([loss]),
)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("ce({ s[t] } -> { r[t] })", "the operator `ce`"),
        ("mse({ s[t] } -> { o[t] })", "`o[t]`"),
        ("mse({ s[t] } -> { done[t] })", "`done[t]`"),
        ("mse({ shift(s[t]) } -> { r[t] })", "`shift(s[t])`"),
        ("mse({ s[t] } -> { stop(crop(s[t])) })", "`stop(crop(s[t]))`"),
        ("mse({ crop(crop(s[t])) } -> { r[t] })", "`crop(crop(s[t]))`"),
        ("mse({ rollout(s[t], a[t]) } -> { r[t] })", "`rollout(s[t], a[t])`"),
        ("mse({ s[t] } -> { return(r[t..t+1]) })", "`return(r[t..t+1])`"),
        ("mse({ s[t] } -> { r[t] }) with head = linear", "the option `head = linear`"),
        ("linear(0, 1, 10) * mse({ s[t] } -> { r[t] })", "the weight `linear(0.0, 1.0, 10)`"),
    ],
)
def test_what_is_refused(text: str, refused: str) -> None:
    loss = loads(f"loss it = {text}")["it"]
    for entry in ENTRIES:
        with pytest.raises(A2lError) as caught:
            entry(loss)
        assert caught.value.message == (
            f"{refused} can be checked, formatted and shown, but not yet compiled or trained with"
        )
        assert caught.value.fix


@settings(max_examples=100)
@given(any_losses())
def test_any_loss_is_compiled_or_refused(loss: Loss) -> None:
    try:
        terms = supported_terms(loss)
    except A2lError:
        for entry in ENTRIES:
            with pytest.raises(A2lError, match="not yet compiled"):
                entry(loss)
        return
    assert len(terms) == len(loss.terms)
    verify(lower(loss))
    for entry in ENTRIES:
        entry(loss)
