"""Ask and tell: a study whose candidates are trained elsewhere is that of a search with one slot."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forked import script
from search.stand_in_search import SETTINGS, curve, searched, tables

import a2ls_dsl as a2l
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.report.summary import summarise
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.search.asking import AskedStudy, Trial
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.strategies.evolution import Origin
from a2ls_dsl.search.strategies.registry import STRATEGIES
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.records import Records

DOCS = Path(__file__).parents[2] / "docs" / "search.md"
ONE = replace(
    SETTINGS, stack=1, race=0.25, evaluation=replace(SETTINGS.evaluation, every_frames=SETTINGS.frames)
)


def height(loss: Loss | None, seed: int) -> float:
    return curve(loss, seed)[7]


def told(trial: Trial) -> float | None:
    value = height(trial.loss, trial.seed)
    return None if math.isnan(value) else value


def outcome(folder: Path) -> list[object]:
    """All that is stored of candidates and runs but ids, and what nobody tells: returns of training, and why
    a run failed."""
    rows = tables(folder)
    return [row[1:8] + row[10:] for row in rows["candidates"]] + [row[1:5] for row in rows["runs"]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_asked_one_by_one_a_study_is_that_of_a_search_with_one_slot(strategy: str, tmp_path: Path) -> None:
    """Closed and opened again in the middle of a trial, too."""
    settings = replace(ONE, strategy=strategy)
    searched(settings, tmp_path / "search", curve=lambda loss, seed: [height(loss, seed)])
    number = 0
    with AskedStudy(tmp_path / "asked", settings) as study:
        while trial := study.ask():
            number += 1
            if number == 20:
                break
            study.tell(trial, told(trial))
    with AskedStudy(tmp_path / "asked", settings) as study:
        again = study.ask()
        assert again is not None
        assert trial is not None
        assert (again.text, again.seed, again.number) == (trial.text, trial.seed, trial.number)
        study.tell(again, told(again))
        while trial := study.ask():
            study.tell(trial, told(trial))
        assert study.finished
        assert study.ask() is None
        with StudyReader(tmp_path / "search") as other:
            assert [candidate.key for candidate in study.best(5)] == [
                candidate.key for candidate in other.leaderboard(5) if not candidate.is_reference
            ]
    assert outcome(tmp_path / "asked") == outcome(tmp_path / "search")


def test_several_trials_are_out_at_once_and_a_generation_is_waited_for(tmp_path: Path) -> None:
    with AskedStudy(tmp_path, ONE) as study:
        out = []
        while trial := study.ask():
            out.append(trial)
        assert len(out) == ONE.population + 2
        assert not study.finished
        for candidate in reversed(out):
            study.tell(candidate, told(candidate))
        assert study.ask() is not None


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with a2l.open_study(tmp_path, "walker-walk", population=4, generations=2) as study:
        trial = study.ask("mse({ s[t] } -> { s[t+1] })")
        assert trial is not None
        candidate = study.tell(trial, 3)
        assert (candidate.origin, candidate.score) == (Origin.GIVEN, 3.0)
        with pytest.raises(a2l.A2lError, match="was told before"):
            study.tell(trial, 4.0)
        assert study.ask("mse({ s[t] } -> { s[t+1] })") is None  # it was asked for before
        with pytest.raises(a2l.A2lError, match="looks 998 agent steps ahead"):
            study.ask("mse({ s[t] } -> { s[t+998] })")
        with pytest.raises(a2l.A2lError, match="which is not a loss"):
            study.ask("mse({ s[t] } -> ")
        failed = study.ask()
        assert failed is not None
        ended = study.tell(failed, float("nan"))
        assert (ended.status, ended.reason) == (Status.FAILED, "no score: its training failed, as was told")
        with pytest.raises(a2l.A2lError, match="the study"):
            a2l.open_study(tmp_path, "walker-walk", population=4, generations=2)
    with pytest.raises(a2l.A2lError, match="did you mean `population`"):
        a2l.open_study(tmp_path, "walker-walk", populaton=4)
    with pytest.raises(a2l.A2lError, match="population was 4, now 10"):
        a2l.open_study(tmp_path, "walker-walk")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": "5"}, "`population` is '5'"),
        ({"population": 2.5}, "`population` is 2.5"),
        ({"seed": True}, "`seed` is True"),
        ({"grammar": None}, "`grammar` is None"),
        ({"race": "0.2"}, "`race` is '0.2'"),
        ({"agent": {"hidden": 8}}, "`agent` is "),
        ({"evaluation": None}, "`evaluation` is None"),
        ({"rungs": True}, "`rungs` is True"),
        ({"gates": "batch"}, "`gates` is 'batch'"),
        ({"start_from": "spr"}, "proposed the text `spr`, not a list"),
        ({"confirm": -1}, "can't confirm -1 losses"),
        ({"confirm": 1, "confirm_seeds": 0}, "can't confirm 1 losses with 0 fresh seeds"),
        ({"env": 5}, "`env` is 5"),
    ],
)
def test_settings_of_another_type_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(a2l.A2lError) as caught:
        a2l.open_study(tmp_path / "study", **{"env": "walker-walk"} | settings)
    assert message in caught.value.message
    assert not (tmp_path / "study").exists()


def test_a_list_is_a_tuple_so_that_the_same_call_opens_the_study_again(tmp_path: Path) -> None:
    agent = SacSettings(hidden=8)
    for _ in range(2):
        a2l.open_study(tmp_path, "walker-walk", gates=["duplicates"], agent=agent, race=0).close()


def test_what_is_no_score_is_refused_and_a_closed_study_says_so(tmp_path: Path) -> None:
    study = a2l.open_study(tmp_path, "walker-walk")
    trial = study.ask()
    assert trial is not None
    with pytest.raises(a2l.A2lError, match="the score of trial 1 is 'high'"):
        study.tell(trial, "high")  # type: ignore[arg-type]
    study.tell(trial, 3)
    study.close()
    with pytest.raises(a2l.A2lError, match="the study is closed"):
        study.ask()


def test_the_documented_example_runs_and_its_study_is_read(tmp_path: Path) -> None:
    block = re.search(r"```python\n(# ask_and_tell\.py\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    printed = []
    for _ in range(2):  # again: nothing is left to do
        done = script(block[1], tmp_path)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    with Records(tmp_path / "studies" / "mine") as records:
        cost = summarise(records).cost
    assert (cost.sessions, cost.timed) == (2, 2)  # none counts as one that was killed
    with StudyReader(tmp_path / "studies" / "mine") as study:
        best = next(candidate for candidate in study.leaderboard() if not candidate.is_reference)
        assert done.stdout.split()[-1] == str(best.fresh_score)
        assert sum(candidate.origin is Origin.GIVEN for candidate in study.candidates()) == 2
        assert sum(study.counts().values()) == 32 + 2
