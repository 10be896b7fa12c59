"""The search as a machine: strategies, gates and rungs over known learning curves, interrupted anywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from search.stand_in_search import (
    CASCADE,
    NAMED,
    RACED,
    RACED_CASCADE,
    SETTINGS,
    TABLES,
    VARIANTS,
    curve,
    searched,
    tables,
)

from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.study import Study


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
