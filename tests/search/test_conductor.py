"""The search as a machine: strategies, gates and rungs over known learning curves, interrupted anywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.study import Study

SETTINGS = SearchSettings(
    "cartpole-swingup",
    race=0.0,
    population=8,
    generations=4,
    frames=8_000,
    stack=5,
    agent=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 1),
)
CASCADE = replace(SETTINGS, strategy="async", rungs=Rungs(grace=4), confirm=2, confirm_seeds=2)
RACED = replace(SETTINGS, race=0.25)
RACED_CASCADE = replace(CASCADE, race=0.4, confirm=3, confirm_seeds=4)
VARIANTS = [SETTINGS, replace(SETTINGS, strategy="random"), replace(SETTINGS, strategy="async"), CASCADE]
NAMED = ["paper", "random", "async", "cascade"]
TABLES = ("meta", "candidates", "runs", "curves", "gates")


def curve(loss: Loss | None, seed: int) -> Sequence[float]:
    """Rises to a height that the loss decides, with a little noise of the seed; one in twenty diverges."""
    text = print_loss(loss) if loss else "none"
    digits = hashlib.sha256(f"{text} {seed}".encode()).digest()
    height = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2]) / 65.535 + digits[0] / 16
    returns = [height * (point + 1) / 8 for point in range(8)]
    if digits[1] < 13:
        returns[digits[2] % 8] = float("nan")
    return returns


class Even:
    """A gate with an opinion."""

    name = "even"

    def stops(self, loss: Loss | None) -> str:
        return "an odd number of characters" if len(print_loss(loss) if loss else "") % 3 == 1 else ""


def searched(
    settings: SearchSettings,
    folder: Path,
    ticks: int | None = None,
    curve: Callable[[Loss | None, int], Sequence[float]] = curve,
) -> None:
    grammar = settings.space()
    with Study(folder, settings, grammar) as study:
        gates = [Even()] if settings.rungs else []
        rehearse(Conductor(settings, grammar, study, gates), settings, settings.stack, curve, ticks=ticks)


def tables(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(folder / "study.db")
    try:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        connection.close()


@pytest.mark.parametrize("settings", VARIANTS, ids=NAMED)
def test_a_search_trains_its_budget_and_ends(settings: SearchSettings, tmp_path: Path) -> None:
    searched(settings, tmp_path)
    with Study(tmp_path, settings, settings.space()) as study:
        counts = study.counts()
        assert counts[Status.QUEUED] == counts[Status.RUNNING] == 0
        trained = counts[Status.SCORED] + counts[Status.CULLED] + counts[Status.FAILED]
        assert trained == settings.candidates + 2
        assert len(study.keys()) == sum(counts.values())
        assert study.generations == settings.generations or settings is CASCADE
        for candidate in study.candidates(status=Status.SCORED):
            run = study.runs(candidate=candidate.id)[0]
            points = study.curve(run.id)
            assert candidate.score == pytest.approx(sum(p.mean_return for p in points) / 8)
            assert [point.frames for point in points] == [1000 * (n + 1) for n in range(8)]


@pytest.mark.parametrize(
    "settings", [*VARIANTS, RACED, RACED_CASCADE], ids=[*NAMED, "race", "race and confirm"]
)
def test_a_search_that_is_killed_anywhere_is_the_uninterrupted_one(
    settings: SearchSettings, tmp_path: Path
) -> None:
    """After every number of ticks, and again and again: equal tables, so nothing is lost or trained twice."""
    whole = tmp_path / "whole"
    searched(settings, whole)
    expected = tables(whole)
    ticks = 0
    while True:
        ticks += 7
        folder = tmp_path / f"{ticks}"
        searched(settings, folder, ticks)
        with Study(folder, settings, settings.space()) as study:
            ended = study.clock
        searched(settings, folder, 3)
        searched(settings, folder)
        assert tables(folder) == expected, f"killed after {ticks} ticks"
        shutil.rmtree(folder)
        if ended >= int(dict(expected["meta"])["clock"]):  # type: ignore[arg-type]
            return


def test_the_paper_waits_for_a_population_and_async_for_nobody(tmp_path: Path) -> None:
    for settings, waits in ((SETTINGS, True), (VARIANTS[2], False)):
        folder = tmp_path / settings.strategy
        searched(settings, folder)
        runs = dict(enumerate(tables(folder)["runs"]))
        ended = {run[1]: run[9] for run in runs.values()}
        began = {run[1]: run[8] for run in runs.values()}
        generation = {row[0]: row[3] for row in tables(folder)["candidates"]}
        overlap = [
            early
            for early in began
            for other in ended
            if generation[early] == generation[other] + 1 and began[early] < ended[other]  # type: ignore[operator]
        ]
        assert bool(overlap) is not waits
        assert all(run[9] is not None for run in runs.values())


def test_rungs_and_gates_count_what_they_save(tmp_path: Path) -> None:
    searched(CASCADE, tmp_path)
    with Study(tmp_path, CASCADE, CASCADE.space()) as study:
        gates, counts = study.gates(), study.counts()
        rungs = {name: gate for name, gate in gates.items() if name.startswith("rung")}
        assert list(rungs) == ["rung 2000", "rung 4000"]
        assert sum(stopped for _, stopped, _ in rungs.values()) == counts[Status.CULLED] > 0
        assert rungs["rung 2000"][2] == 6_000 * rungs["rung 2000"][1]
        assert gates["even"][1] == counts[Status.REJECTED] > 0
        assert all(
            candidate.reason.startswith("even: ") for candidate in study.candidates(status=Status.REJECTED)
        )
        full = (CASCADE.candidates + 2) * CASCADE.frames
        assert study.frames() < full - sum(frames for _, _, frames in rungs.values()) + full / 4


def test_the_best_are_confirmed_with_fresh_seeds(tmp_path: Path) -> None:
    searched(CASCADE, tmp_path)
    with Study(tmp_path, CASCADE, CASCADE.space()) as study:
        confirmed = [candidate for candidate in study.candidates() if candidate.fresh_runs]
        assert all(candidate.fresh_runs == 2 for candidate in confirmed)
        assert sum(not candidate.is_reference for candidate in confirmed) == 2
        best = sorted(
            (candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference),
            key=lambda candidate: -(candidate.score or 0),
        )
        assert {candidate.id for candidate in best[:2]} <= {candidate.id for candidate in confirmed}
        for candidate in confirmed:
            seeds = {run.seed for run in study.runs(candidate=candidate.id)}
            assert seeds == {0, *CASCADE.fresh_seeds(2)}


def test_a_search_that_has_ended_is_confirmed_later(tmp_path: Path) -> None:
    """As if it had been asked for at once; then more candidates, and more seeds."""
    whole = replace(SETTINGS, confirm=2, confirm_seeds=2)
    searched(whole, tmp_path / "whole")
    searched(SETTINGS, tmp_path / "later")
    searched(whole, tmp_path / "later")
    seeds = {folder: outcome(tmp_path / folder) for folder in ("whole", "later")}
    assert seeds["later"] == seeds["whole"]
    more = replace(SETTINGS, confirm=3, confirm_seeds=4)
    searched(more, tmp_path / "later")
    with Study(tmp_path / "later", more, more.space()) as study:
        confirmed = [candidate for candidate in study.candidates() if candidate.fresh_runs]
        assert [candidate.fresh_runs for candidate in confirmed] == [4] * 5
        assert sum(not candidate.is_reference for candidate in confirmed) == 3
    with pytest.raises(A2lError, match="confirm was 3, now 2"):
        searched(whole, tmp_path / "later")


def outcome(folder: Path) -> list[tuple[object, ...]]:
    """Candidate, seed, status and score of every run."""
    return [(row[1], row[2], row[3], row[4]) for row in tables(folder)["runs"]]


def test_a_strategy_learns_from_all_runs_of_a_loss(tmp_path: Path) -> None:
    """A search that goes on after its best were confirmed doesn't take their luck for worth."""
    settings = replace(SETTINGS, confirm=2, confirm_seeds=2)
    searched(settings, tmp_path)
    with Study(tmp_path, settings, settings.space()) as study:
        seen = Conductor(settings, settings.space(), study).known.latest(100)
        confirmed = [
            candidate
            for candidate in study.candidates()
            if candidate.fresh_runs and not candidate.is_reference
        ]
        references = [candidate for candidate in study.candidates() if candidate.is_reference]
        level = {
            seed: sum(reference.fresh[seed] for reference in references) / 2 for seed in references[0].fresh
        }
        own = sum(reference.score or 0.0 for reference in references) / 2
        for candidate in confirmed:
            scores = [candidate.score or 0.0]
            scores += [score - level[seed] + own for seed, score in candidate.fresh.items()]
            (entry,) = [scored for scored in seen if scored.loss == candidate.loss]
            assert (entry.score, entry.runs) == (pytest.approx(sum(scores) / 3), 3)
        assert sum(scored.runs == 1 for scored in seen) == len(seen) - len(confirmed)


def test_fewer_slots_take_up_a_search(tmp_path: Path) -> None:
    searched(CASCADE, tmp_path, ticks=20)
    searched(replace(CASCADE, stack=2), tmp_path)
    with Study(tmp_path, CASCADE, CASCADE.space()) as study:
        counts = study.counts()
        assert counts[Status.QUEUED] == counts[Status.RUNNING] == 0
        assert counts[Status.SCORED] + counts[Status.CULLED] + counts[Status.FAILED] == CASCADE.candidates + 2


def test_where_ticks_do_not_repeat_runs_go_on_from_where_slots_were_stored(tmp_path: Path) -> None:
    """As on a cluster, killed later: of the runs in the slots then those that are not over, and no others."""
    grammar = SETTINGS.space()

    def conductor(study: Study) -> Conductor:
        return Conductor(SETTINGS, grammar, study, repeat=False)

    def scores(frames: dict[int, int]) -> list[Score]:
        return [Score(count, (float(count),), 1.0, slot, 0, {}, False) for slot, count in frames.items()]

    with Study(tmp_path, SETTINGS, grammar) as study:
        first = conductor(study)
        tick = first.begin()
        first.fill(tick, [0, 1, 2])
        first.score(tick, scores({0: 1_000, 1: 1_000}))
        state = json.loads(json.dumps(first.state(tick)))
        # What comes behind is lost: evaluations, a run's end, a run in its place, one whose stack was lost.
        first.score(tick + 1, scores({0: 2_000, 1: 8_000}))
        first.lose([2])
        begun = first.fill(tick + 2, [1, 2])
    with Study(tmp_path, SETTINGS, grammar) as study:
        second = conductor(study)
        assert sorted(second.take_up(state) or []) == [1, 2]
        assert list(second.training) == [0]
        assert second.begin() > tick + 2
        assert [point.frames for point in study.curve(second.training[0].id)] == [1_000]
        assert {run.id for _, run in begun} <= {run.id for run in study.runs(Status.QUEUED)}
        assert second.score(second.begin(), scores({0: 2_000})) == ([], [])
        assert [point.frames for point in study.curve(second.training[0].id)] == [1_000, 2_000]


def test_a_space_that_is_exhausted_ends_the_search(tmp_path: Path) -> None:
    grammar = tmp_path / "three.a2g"
    grammar.write_text(
        "grammar three\nloss = mse(source -> { s[t+1] })\nsource = some of { s[t], a[t] }\n"
        "require a state in source\n"
    )
    for settings in VARIANTS[:3]:
        small = replace(settings, grammar=str(grammar))
        searched(small, tmp_path / settings.strategy)
        with Study(tmp_path / settings.strategy, small, small.space()) as study:
            assert study.counts()[Status.SCORED] + study.counts()[Status.FAILED] == 2 + 2


def blind(loss: Loss | None, seed: int) -> Sequence[float]:
    """Every evaluation is noise of its own: an early area says nothing of the rest of the curve."""
    digits = hashlib.sha256(f"{print_loss(loss) if loss else 'none'} {seed}".encode()).digest()
    return [float(digit) for digit in digits[:8]]


def test_a_blind_rung_culls_nobody(tmp_path: Path) -> None:
    """Though the final score, which holds the early area, correlates with it: by sqrt(1/4) and sqrt(1/2)."""
    settings = replace(SETTINGS, strategy="async", rungs=Rungs())
    searched(settings, tmp_path / "blind", curve=blind)
    searched(settings, tmp_path / "sharp")
    with StudyReader(tmp_path / "blind") as study:
        assert study.counts()[Status.CULLED] == 0
        assert [state.open for state in study.rungs()] == [False, False]
        assert all(state.foresight.low < 0.3 for state in study.rungs())
        assert study.rungs()[0].foresight.curves == settings.candidates
    with StudyReader(tmp_path / "sharp") as study:
        assert study.counts()[Status.CULLED] > 0
        first, second = study.rungs()
        assert first.open
        assert second.open
        assert first.foresight.low > 0.3
        assert settings.candidates > first.foresight.curves >= Rungs().grace


def test_what_comes_before_learning_counts_for_nothing(tmp_path: Path) -> None:
    """The first evaluation falls at the end of the random steps; whatever it says, the study is the same."""
    steps = SETTINGS.task.frames_to_steps(1_000)
    settings = replace(CASCADE, agent=SacSettings(random_steps=steps))
    for folder, first in (("zero", 0.0), ("noise", 1e6)):
        searched(
            settings,
            tmp_path / folder,
            curve=lambda loss, seed, first=first: [first, *curve(loss, seed)[1:]],
        )
    zero, noise = (tables(tmp_path / folder) for folder in ("zero", "noise"))
    assert zero["curves"] != noise["curves"]
    assert [zero[name] for name in TABLES if name != "curves"] == [
        noise[name] for name in TABLES if name != "curves"
    ]
    with StudyReader(tmp_path / "noise") as study:
        for candidate in study.candidates(status=Status.SCORED):
            points = study.curve(study.runs(candidate=candidate.id)[0].id)
            assert candidate.score == pytest.approx(sum(point.mean_return for point in points[1:]) / 7)
