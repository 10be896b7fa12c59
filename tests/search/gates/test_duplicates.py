"""Losses that are the same computation are found; losses that are not are never taken for one another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from search.tiny_search import SETTINGS

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search.candidates import Status, parsed, references
from a2ls_dsl.search.gates.duplicates import DuplicateGate, meaning
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.study.reader import StudyReader

FORWARD, CROPPED = "mse({ s[t], a[t] } -> { s[t+1] })", "mse({ crop(s[t]), a[t] } -> { s[t+1] })"


def loss(text: str) -> Loss:
    return loads(f"loss candidate = {text}")["candidate"]


def test_no_two_losses_of_the_papers_space_are_taken_for_one() -> None:
    rng, grammar = np.random.default_rng(0), load_grammar("a2ls")
    losses = {key(drawn): drawn for drawn in (grammar.sample(rng) for _ in range(60))}
    losses |= {key(drawn): drawn for drawn in (grammar.replace(loss, rng) for loss in list(losses.values()))}
    meanings = {meaning(loss, False) for loss in losses.values()}
    assert len(meanings) == len(losses) > 90
    assert None not in meanings


@pytest.mark.parametrize(
    "text",
    [
        f"{FORWARD} against batch",
        f"0.5 * {FORWARD}",
        f"1.0 * {FORWARD} + 1.0 * {FORWARD}",
        f"2.0 * {FORWARD}",
        "mse({ s[t], a[t+1] } -> { s[t+1] })",
        "mse({ s[t], a[t] } -> { s[t+2] })",
        "nmse({ s[t], a[t] } -> { s[t+1] })",
        "inner({ s[t], a[t] } -> { s[t+1] })",
    ],
)
def test_near_losses_differ(text: str) -> None:
    assert meaning(loss(text), False) != meaning(loss(FORWARD), False)


def test_a_view_without_effect_makes_a_duplicate_on_vectors_only() -> None:
    assert meaning(loss(CROPPED), frames=False) == meaning(loss(FORWARD), frames=False)
    assert meaning(loss(CROPPED), frames=True) != meaning(loss(FORWARD), frames=True)
    sums = [f"1.0 * {term} + 0.1 * nmse({{ s[t] }} -> {{ a[t] }})" for term in (FORWARD, CROPPED)]
    assert meaning(loss(sums[0]), False) == meaning(loss(sums[1]), False)


def test_the_gate_stops_the_second_of_two() -> None:
    gate = DuplicateGate(False, [loss(FORWARD)])
    assert gate.stops(None) == ""
    assert gate.stops(loss(CROPPED)) == f"it computes the same as {key(loss(FORWARD))[:8]}"
    assert gate.stops(loss(FORWARD)) == ""  # as when its run is lost and queued again
    assert gate.stops(loss("mse({ s[t] } -> { s[t+1] })")) == ""
    assert gate.stops(loss("mse({ crop(s[t]) } -> { s[t+1] })")) != ""
    assert DuplicateGate(True, [loss(FORWARD)]).stops(loss(CROPPED)) == ""


def test_a_search_trains_no_duplicate(tmp_path: Path) -> None:
    """Half of this space are duplicates on vectors, and one loss of it is a reference's."""
    grammar = tmp_path / "twins.a2g"
    grammar.write_text(
        "grammar twins for k in 1..4\nloss = mse(source -> { s[t+k] })\n"
        "source = { s[t], a[t] } | { crop(s[t]), a[t] }\n"
    )
    settings = replace(SETTINGS, grammar=str(grammar), gates=("duplicates",), rungs=None, population=4)
    evolve(settings, tmp_path / "study", workers=1)
    with StudyReader(tmp_path / "study") as study:
        counts, (passed, stopped, frames) = study.counts(), study.gates()["duplicates"]
        assert (passed, stopped, frames) == (4, 4, 4 * settings.frames)
        assert counts[Status.REJECTED] == 4
        assert counts[Status.SCORED] == 4 + len(references())
        reasons = [candidate.reason for candidate in study.candidates(status=Status.REJECTED)]
        assert all(reason.startswith("duplicates: it computes the same as ") for reason in reasons)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("nmse({ s[t] } -> { l2(s[t+1]) })", "nmse({ s[t] } -> { s[t+1] })"),
        (
            "cosine({ s[t] } -> { s[t+1] }) against batch with head = none",
            "inner({ l2(s[t]) } -> { l2(s[t+1]) }) against batch with head = none",
        ),
    ],
)
def test_one_computation_written_twice_is_found(first: str, other: str) -> None:
    assert key(loss(first)) != key(loss(other))
    assert meaning(loss(first), False) == meaning(loss(other), False) is not None


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("mse({ stop(s[t]), s[t+1] } -> { r[t] })", "mse({ ema(s[t]), s[t+1] } -> { r[t] })"),
        ("ce({ s[t] } -> { r[t] })", "ce({ s[t] } -> { r[t] }) with bins = 64"),
        ("mse({ noise(s[t]) } -> { r[t] })", "mse({ s[t] } -> { r[t] })"),
        (
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1..t+2] }) with decay = 0.5",
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1..t+2] })",
        ),
        (
            "1.0 * mse({ s[t] } -> { r[t] }) with head = linear as h"
            " + 1.0 * mse({ s[t] } -> { r[t+1] }) with head = linear as h",
            "1.0 * mse({ s[t] } -> { r[t] }) with head = linear"
            " + 1.0 * mse({ s[t] } -> { r[t+1] }) with head = linear",
        ),
    ],
)
def test_other_computations_are_not(first: str, other: str) -> None:
    assert meaning(loss(first), False) != meaning(loss(other), False)


def test_no_two_shipped_losses_are_one() -> None:
    losses = [load_one(name)[1] for name in shipped("losses", ".a2l")]
    meanings = {meaning(loss, False) for loss in losses}
    assert len(meanings) == len(losses)
    assert None not in meanings


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        (
            "cosine({ s[t] } -> { s[t+1] }) against batch with temperature = 0.1",
            "infonce({ s[t] } -> { s[t+1] })",
        ),
        ("mse({ s[t] } -> { return(r[t]) })", "mse({ s[t] } -> { r[t] })"),
        (
            "0.020000000000000004 * mse({ s[t] } -> { s[t+1] })",
            "0.020000000000000004 * mse({ s[t] } -> { s[t+1] })",
        ),
    ],
)
def test_the_texts_of_older_studies_are_read(stored: str, now: str) -> None:
    assert parsed(stored) == loss(now)
