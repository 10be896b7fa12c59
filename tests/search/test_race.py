"""The race of finalists that ends a search: its plan, who wins it, what it costs, and how studies go on."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from search.stand_in_search import CASCADE, RACED, SETTINGS, curve, searched
from search.tiny_search import SETTINGS as TINY

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search import race
from a2ls_dsl.search.candidates import Candidate, Status, levels_of
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.events import Event, Placed
from a2ls_dsl.search.finals import fresh_runs
from a2ls_dsl.search.presets import PRESETS
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.calls import ranked
from a2ls_dsl.search.strategies.evolution import Origin, RandomSearch
from a2ls_dsl.search.strategies.registry import Scored
from a2ls_dsl.search.study.reader import StudyReader, stored_settings
from a2ls_dsl.search.study.study import Study


@given(st.integers(1, 400))
def test_a_race_stays_within_its_runs_and_halves(runs: int) -> None:
    number = race.finalists(runs)
    assert number >= 1
    for (racing, seeds), (following, more) in pairwise(race.laps(number, runs)):
        assert more > seeds > 0
        assert following == math.ceil(racing / 2)
    by_place = race.seeds_by_place(number, runs)
    assert sum(by_place) <= runs
    assert runs - sum(by_place) < max(2, number)  # hardly any is left over
    assert by_place == sorted(by_place, reverse=True)


@given(
    st.integers(1, 60),
    st.integers(1, 12),
    st.integers(0, 1000),
)
def test_a_race_is_that_of_a_plain_loop(runs: int, number: int, seed: int) -> None:
    """Told its scores round by round, with what came later in the table too, it asks for the same runs and
    has the same order as sequential halving over a list."""
    number = min(number, race.finalists(runs))
    rng = np.random.default_rng(seed)
    own, scores = rng.normal(size=number).tolist(), rng.normal(size=(number, runs)).round(1)
    fresh: list[dict[int, float]] = [{} for _ in own]
    spent = 0
    while not (lap := race.standing(own, fresh, runs)).ended:
        for place, seeds in lap.missing.items():
            for draw in range(seeds):
                spent += draw not in fresh[place]
                fresh[place][draw] = float(scores[place, draw])
    racing, left, done, order = list(range(number)), runs, 0, list[int]()
    for remaining in range(max(1, math.ceil(math.log2(number))), 0, -1):
        more = max(1, left // remaining // len(racing))
        left, done = left - more * len(racing), done + more
        racing.sort(key=lambda place: -(own[place] + scores[place, :done].sum()))
        keep = math.ceil(len(racing) / 2) if remaining > 1 else len(racing)
        order, racing = racing[keep:] + order, racing[:keep]
    assert list(lap.order) == racing + order
    assert spent == sum(race.seeds_by_place(number, runs))


def fresh(folder: Path) -> dict[int, int]:
    """How many fresh seeds each of those that have any was run with; references by 0."""
    with StudyReader(folder) as study:
        confirmed = [candidate for candidate in study.candidates() if candidate.fresh_runs]
        return {
            candidate.id if not candidate.is_reference else -candidate.id: candidate.fresh_runs
            for candidate in confirmed
        }


def test_a_race_is_within_the_budget_and_the_references_run_beside_it(tmp_path: Path) -> None:
    searched(RACED, tmp_path)
    assert (RACED.candidates, RACED.race_runs, RACED.searched) == (32, 8, 24)
    with StudyReader(tmp_path) as study:
        counts = study.counts()
        assert sum(counts.values()) == RACED.searched + 2
        assert study.fresh_runs() <= RACED.race_runs + 2 * 3 == fresh_runs(RACED)
    seeds = fresh(tmp_path)
    assert sorted(number for place, number in seeds.items() if place > 0) == [1, 1, 3, 3]
    assert [number for place, number in seeds.items() if place < 0] == [3, 3]


def test_a_race_finds_the_better_of_two_that_the_search_took_for_each_other(tmp_path: Path) -> None:
    """The search's own seed flatters one loss in three by more than losses differ."""

    def flattered(loss: Loss | None, seed: int) -> Sequence[float]:
        height = len(print_loss(loss)) if loss else 0
        return [height + (500.0 if seed == 0 and height % 3 == 0 else 0.0)] * 8

    for settings, luck in ((SETTINGS, True), (replace(SETTINGS, race=0.5), False)):
        folder = tmp_path / f"{settings.race}"
        searched(replace(settings, strategy="random"), folder, curve=flattered)
        with StudyReader(folder) as study:
            board = [candidate for candidate in study.leaderboard() if not candidate.is_reference]
            raced = [candidate for candidate in board if candidate.fresh]
            assert not raced if luck else len(raced) == race.finalists(16)
            lengths = [len(candidate.text) for candidate in (board if luck else raced)]
            assert lengths[0] == (max(n for n in lengths if n % 3 == 0) if luck else max(lengths))


class Picky:
    """Ranks by its own belief."""

    def ranked(self, scored: Sequence[Scored]) -> list[Loss]:
        return [entry.loss for entry in sorted(scored, key=lambda entry: print_loss(entry.loss))][:2]


def test_the_strategy_chooses_the_finalists_once(tmp_path: Path) -> None:
    settings = replace(RACED, strategy="random")
    grammar = settings.space()
    with Study(tmp_path, settings, grammar) as study:
        conductor = Conductor(settings, grammar, study)
        conductor._finals._strategy = Picky()  # type: ignore[assignment]
        from a2ls_dsl.search.rehearsal import rehearse

        rehearse(conductor, settings, settings.stack, curve)
        scored = [
            candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference
        ]
        first = sorted(scored, key=lambda candidate: candidate.text)[:2]
        others = sorted(
            (candidate for candidate in scored if candidate not in first),
            key=lambda candidate: -(candidate.score or 0),
        )
        # What it leaves out follows by its mean.
        assert study.ranking() == [candidate.id for candidate in (*first, *others)]
        assert {candidate.id for candidate in scored if candidate.fresh} == set(study.ranking()[:4])


def test_a_strategy_that_ranks_nothing_ranks_by_means() -> None:
    grammar = SETTINGS.space()
    losses = [grammar.sample(np.random.default_rng(number)) for number in range(4)]
    scored = [Scored(loss, score) for loss, score in zip(losses, (1.0, 3.0, 2.0, 3.0), strict=True)]
    expected = [losses[1], losses[3], losses[2], losses[0]]
    assert ranked(RandomSearch(grammar, SETTINGS), "random", scored) == expected


def test_a_study_without_a_race_gets_one_later_and_one_of_more_runs(tmp_path: Path) -> None:
    searched(SETTINGS, tmp_path)
    assert fresh(tmp_path) == {}
    searched(RACED, tmp_path)
    first = fresh(tmp_path)
    assert sum(number for place, number in first.items() if place > 0) == 8
    more = replace(RACED, race=0.5, confirm=2, confirm_seeds=12)
    searched(more, tmp_path)
    second = fresh(tmp_path)
    assert all(second[place] >= number for place, number in first.items())
    with StudyReader(tmp_path) as study:
        board = [candidate for candidate in study.leaderboard() if not candidate.is_reference]
        assert sorted((candidate.fresh_runs for candidate in board if candidate.fresh), reverse=True)[:2] == [
            12,
            12,
        ]
    with pytest.raises(A2lError, match=r"race was 0\.5, now 0\.25"):
        searched(replace(RACED, confirm=2, confirm_seeds=12), tmp_path)


def test_more_generations_are_raced_anew_and_know_all_runs(tmp_path: Path) -> None:
    searched(RACED, tmp_path)
    longer = replace(RACED, generations=6)
    searched(longer, tmp_path)
    with Study(tmp_path, longer, longer.space()) as study:
        scored = [
            candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference
        ]
        assert {candidate.id for candidate in scored} == set(study.ranking())
        raced = [candidate for candidate in scored if candidate.fresh]
        entries = {entry.loss: entry for entry in Conductor(longer, longer.space(), study).known.latest(100)}
        references = [
            candidate for candidate in study.candidates(status=Status.SCORED) if candidate.is_reference
        ]
        own = np.mean([reference.score or 0.0 for reference in references])
        for candidate in raced:
            runs = [candidate.score or 0.0]
            # What a seed brings to the references is not the loss'.
            for seed, score in candidate.fresh.items():
                runs.append(own + score - np.mean([reference.fresh[seed] for reference in references]))
            assert (entries[candidate.loss].score, entries[candidate.loss].runs) == (
                pytest.approx(np.mean(runs)),
                len(runs),
            )


def test_studies_of_versions_without_races_go_on_without_one(tmp_path: Path) -> None:
    old = json.loads(CASCADE.to_json())
    del old["race"], old["start_from"]
    assert SearchSettings.from_json(json.dumps(old)) == CASCADE
    searched(CASCADE, tmp_path)
    connection = sqlite3.connect(tmp_path / "study.db")
    with connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'settings'", (json.dumps(old),))
        connection.execute("DELETE FROM meta WHERE name = 'ranking'")
    connection.close()
    before = fresh(tmp_path)
    assert stored_settings(tmp_path) == CASCADE
    searched(CASCADE, tmp_path)
    assert fresh(tmp_path) == before
    assert stored_settings(tmp_path / "nothing") is None


def test_a_real_search_is_killed_in_its_race_and_ends_it(tmp_path: Path) -> None:
    """By Ctrl-C as the first fresh run takes its slot: every run is there once in the end."""
    settings = replace(TINY, deterministic=False, race=0.34)

    def killed(event: Event) -> None:
        if isinstance(event, Placed) and any(run.seed != settings.seed for run in event.runs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolve(settings, tmp_path, killed, workers=1)
    assert fresh(tmp_path) == {}
    assert evolve(settings, tmp_path, workers=1)
    assert sorted(fresh(tmp_path).values()) == [1] * 4
    with StudyReader(tmp_path) as study:
        best = next(candidate for candidate in study.leaderboard() if not candidate.is_reference)
        assert best.fresh_runs == 1
        assert sum(study.counts().values()) == settings.searched + 2
        text = next(iter(sorted(study.hall_of_fame.glob("01-*.a2l")))).read_text()
        assert "Mean of 1 fresh seed " in text


@pytest.mark.parametrize("env", ["cheetah-run", "walker-walk", "walker-run", "cartpole-swingup"])
def test_every_preset_ends_in_a_race(env: str) -> None:
    """A fifth of the budget, to the nearest run."""
    for make in PRESETS.values():
        settings = make(env)
        assert settings.race_runs / settings.candidates > 0.1
        assert abs(settings.race_runs - settings.candidates / 5) <= 0.5
        assert race.finalists(settings.race_runs) >= 2


def candidate(number: int, origin: Origin, score: float, fresh: dict[int, float]) -> Candidate:
    return Candidate(number, str(number), "t", 1, origin, (), Status.SCORED, score, None, "", 0, fresh)


def test_a_candidate_counts_its_runs() -> None:
    scored = replace(candidate(1, Origin.RANDOM, 4.0, {7: 1.0, 8: 1.0}), searched=2)
    assert (scored.runs, scored.mean({})) == (4, 2.5)
    # Both fresh seeds are unkind: without that the runs would have had 3 and 5.
    assert scored.mean({None: 6.0, 7: 4.0, 8: 2.0}) == (2 * 4.0 + 3.0 + 5.0) / 4
    assert scored.mean({None: 6.0, 7: 4.0}) == 2.5  # a seed that the references lack


def test_a_seed_that_is_kind_to_all_does_not_count_for_a_loss() -> None:
    """In made-up studies where seeds bring more than losses, and losses have run with unequal many."""
    rng, numbers = np.random.default_rng(0), (0, 1, 1, 3, 3, 7)
    errors: dict[str, list[float]] = {"centred": [], "plain": []}
    for _ in range(300):
        truth, seeds = rng.normal(size=len(numbers)), rng.normal(scale=3.0, size=8)

        def runs(worth: float, number: int, seeds: NDArray[np.float64] = seeds) -> dict[int, float]:
            return {seed: worth + seeds[seed] + rng.normal(scale=0.5) for seed in range(1, 1 + number)}

        own = seeds[0] + rng.normal(scale=0.5, size=len(numbers) + 2)
        references = [candidate(i, Origin.REFERENCE, own[-i], runs(0.0, 7)) for i in (1, 2)]
        levels = levels_of(references)
        raced = [
            candidate(9, Origin.RANDOM, worth + luck, runs(worth, number))
            for worth, luck, number in zip(truth, own, numbers, strict=False)
        ]
        for name, error in errors.items():
            means = (
                np.array([candidate.mean(levels if name == "centred" else {}) for candidate in raced]) - truth
            )
            error += (means - means.mean()).tolist()
    # What is left is at most the noise of the runs, of a candidate and of two references.
    assert np.var(errors["centred"]) < 0.25 * np.mean([(1 + n / 2) / (1 + n) for n in numbers])
    assert np.var(errors["plain"]) > 5 * np.var(errors["centred"])
