"""What random grammars and the shipped ones count, list, draw, hold and refuse, as it was recorded.

Studies name losses that were drawn by seed, and a killed search draws them again: none of this may change.
The grammars in `recorded.json` were drawn once by the strategies of the tests beside this one. What a grammar
does is written out as text, of which the hash is kept; `pytest --update-golden` records it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.grammar import Grammar, load_grammar, parse_grammar
from a2ls_dsl.lang.grammar.space import Search
from a2ls_dsl.lang.load import load
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.language import Stream

RECORDED = Path(__file__).parent / "recorded.json"
SHIPPED = ("a2ls", "extended", "smoke", "around_spr")
PRIOR = {("source", Stream.STATE): 0.8, ("target", Stream.REWARD): 0.1}
STRANGERS = ("curl", "spr", "vicreg", "a2_winner", "tdmpc2", "mico")


def behaviour(text: str, strangers: list[Loss]) -> Iterator[str]:
    """All that a grammar can be asked, answer by answer."""
    try:
        grammar = parse_grammar(text)
    except LanguageError as refused:
        yield from sorted(diagnostic.code for diagnostic in refused.diagnostics)
        return
    yield from answers(grammar, strangers, listed=60)


def answers(
    grammar: Grammar, strangers: list[Loss], listed: int = 0, seeds: int = 3, parts: int = 3
) -> Iterator[str]:
    """What a grammar answers: the first `listed` of its losses, what `seeds` draw, so many of its `parts`."""
    yield f"{grammar.derivations()} {grammar.valid_derivations()} {grammar.bounds()} {grammar.kinds}"
    yield from (print_loss(loss) for loss in islice(grammar.enumerate(), listed))
    yield from (f"largest {print_loss(loss)}" for loss in grammar.largest()[:20])
    for loss in strangers:
        yield f"{grammar.contains(loss)} {grammar.horizon_of(loss)}"
    for operator, against in grammar.kinds[:parts]:
        try:
            part = grammar.restricted([operator], against)
            yield f"{operator} {against} {part.valid_derivations()} {part.bounds()}"
        except A2lError as refused:
            yield refused.message
    for seed in range(seeds):
        yield from walk(grammar, seed)


def walk(grammar: Grammar, seed: int) -> Iterator[str]:
    """Losses drawn by a seed, and what all moves make of them."""
    rng = np.random.default_rng(seed)
    loss, mate = grammar.sample(rng), grammar.sample_evenly(rng)
    yield from map(print_loss, (loss, mate, grammar.sample(rng, PRIOR)))
    for _ in range(4):
        moves = [
            grammar.mutate(loss, rng),
            grammar.replace(loss, rng),
            grammar.replace(loss, rng, rate=0.7),
            grammar.change_horizon(loss, rng),
            grammar.change_alternative(loss, rng),
            grammar.regrow(loss, rng),
            grammar.crossover(loss, mate, rng),
            grammar.graft(loss, mate, rng),
        ]
        yield from map(print_loss, moves)
        assert all(map(grammar.contains, moves))
        yield f"{grammar.horizon_of(moves[0])}"
        loss, mate = moves[0], moves[int(rng.integers(len(moves)))]


def strangers() -> list[Loss]:
    """Losses of which a grammar holds some at most."""
    return [loss for name in STRANGERS for loss in load(name).values()]


def hashed(lines: Iterator[str]) -> str:
    """A short name for all lines together."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def test_random_grammars_do_what_they_did(request: pytest.FixtureRequest) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    others = strangers()
    now = {text: hashed(behaviour(text, others)) for text in recorded["random"]}
    if request.config.getoption("--update-golden"):
        recorded["random"] = now
        RECORDED.write_text(json.dumps(recorded, indent=0) + "\n", encoding="utf-8")
    assert [text for text in now if now[text] != recorded["random"][text]] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_grammars_do_what_they_did(name: str, request: pytest.FixtureRequest) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    now = hashed(answers(load_grammar(name), strangers(), seeds=2, parts=0))
    if request.config.getoption("--update-golden"):
        recorded["shipped"][name] = now
        RECORDED.write_text(json.dumps(recorded, indent=0) + "\n", encoding="utf-8")
    assert recorded["shipped"][name] == now


def test_moves_of_one_loss_search_once_how_it_is_produced(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    derivation = Search.derivation
    monkeypatch.setattr(Search, "derivation", lambda *given: searched.append(1) or derivation(*given))
    grammar, rng = load_grammar("around_spr"), np.random.default_rng(0)
    loss = grammar.sample(rng)
    once = grammar.contains(loss) and len(searched)
    children = [grammar.mutate(loss, rng) for _ in range(20)]
    assert len(set(children)) > 1
    assert len(searched) == once
