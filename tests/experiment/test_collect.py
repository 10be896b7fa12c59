"""Intervals, verdicts and the page, for made-up results with known answers."""

from __future__ import annotations

import math
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from experiment.small_experiment import SMALL, written
from forked import a2l
from scipy import stats

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.collect import Verdict, collect
from a2ls_dsl.experiment.page import write
from a2ls_dsl.experiment.plan import Experiment, Run, read
from a2ls_dsl.experiment.store import path_of, store
from a2ls_dsl.rl.slots.evaluation import Score

ROOT = Path(__file__).parents[2]
CLAIMS = """
[[claims]]
says = "The loss helps"
better = "own"
than = "none"
"""
PUBLISHED = """
[published]
file = "published.csv"
difference = "Another agent."
"""


def experiment(folder: Path, text: str = SMALL + CLAIMS) -> Experiment:
    return read(written(folder, text.replace("seeds = 2", "seeds = 5")))


def fill(plan: Experiment, final: Callable[[Run], float]) -> None:
    """Results of all runs: half of `final` at the first point, all of it at the last."""
    for run in plan.runs:
        store(plan, run, [score(400, final(run) / 2), score(800, final(run))], 1800.0, "cpu")


def score(frames: int, value: float) -> Score:
    return Score(frames, (value,), value, 0, 0, {}, False)


def final(run: Run, gain: float) -> float:
    """Scores of seeds lie 10 apart from 100 on (200 on the second environment); the loss adds `gain` on
    average, and for each seed up to 6 more or less."""
    base = 100.0 if run.env == "cartpole-swingup" else 200.0
    apart = (-6.0, 3.0, 0.0, 6.0, -3.0)[run.seed % 5]
    return base + 10 * run.seed + (gain + apart if run.arm.name == "own" else 0.0)


@pytest.mark.parametrize(
    ("gain", "verdict"), [(300, Verdict.HOLDS), (-90, Verdict.OPPOSITE), (1, Verdict.OPEN)]
)
def test_a_verdict_is_where_the_interval_lies(tmp_path: Path, gain: float, verdict: Verdict) -> None:
    plan = experiment(tmp_path)
    fill(plan, lambda run: final(run, gain))
    judged, comparison = collect(plan).judge(plan.claims[0])
    assert judged is verdict
    assert comparison is not None
    assert comparison.difference.value == pytest.approx(gain)


def test_without_runs_a_claim_is_open(tmp_path: Path) -> None:
    plan = experiment(tmp_path)
    assert collect(plan).judge(plan.claims[0]) == (Verdict.MISSING, None)


def test_few_seeds_leave_a_claim_open(tmp_path: Path) -> None:
    plan = read(written(tmp_path, (SMALL + CLAIMS).replace("seeds = 2", "seeds = 1")))
    fill(plan, lambda run: final(run, 300))
    assert collect(plan).judge(plan.claims[0])[0] is Verdict.FEW_SEEDS


def test_numbers_equal_those_of_scipy(tmp_path: Path) -> None:
    plan = experiment(tmp_path)
    fill(plan, lambda run: final(run, 15))
    collected = collect(plan)
    ours = [100 + 15 + 10 * seed + apart for seed, apart in enumerate((-6, 3, 0, 6, -3))]
    theirs = [100 + 10 * seed for seed in range(5)]
    mean = collected.mean("own", "cartpole-swingup")
    t = stats.t.interval(0.95, 4, np.mean(ours), stats.sem(ours))
    assert mean is not None
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(ours), *t))
    total = collected.total("own")
    assert total is not None
    both = [*ours, *(value + 100 for value in ours)]
    assert total.value == pytest.approx(np.mean(both))
    assert total.high - total.value == pytest.approx(stats.t.ppf(0.975, 8) * stats.sem(ours) / 2**0.5)
    assert collected.iqm("own") == pytest.approx(stats.trim_mean(both, 0.2))  # 2 of 10 from each end
    area = collected.total("own", area=True)
    assert area is not None
    assert area.value == pytest.approx(0.75 * total.value)
    comparison = collected.compare("own", "none")
    assert comparison is not None
    # Within seeds the arms differ by 15 and `apart` on both environments; the 10 between seeds don't count.
    half = stats.t.ppf(0.975, 8) * stats.sem(np.subtract(ours, theirs)) / 2**0.5
    assert (comparison.difference.value, comparison.difference.high) == pytest.approx((15.0, 15.0 + half))
    blocked = collected.blocked("cartpole-swingup", area=False)
    assert blocked is not None
    assert blocked.arms == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    wins = stats.mannwhitneyu(ours, theirs).statistic / 25
    assert comparison.improvement.value == pytest.approx(wins)  # the same on both environments


def test_an_arm_that_lacks_an_environment_has_no_total(tmp_path: Path) -> None:
    plan = experiment(tmp_path)
    fill(plan, lambda run: final(run, 15))
    for run in plan.runs:
        if run.arm.name == "own" and run.env == "cartpole-balance":
            path_of(plan, run).unlink()
    collected = collect(plan)
    assert collected.total("own") is None
    comparison = collected.compare("own", "none")
    assert comparison is not None
    assert comparison.envs == ("cartpole-swingup",)


def test_the_page(tmp_path: Path) -> None:
    (tmp_path / "published.csv").write_text(
        "method,env,frames,mean,sd,source\nTheirs,cartpole-balance,800,812,30,a paper\n"
        "Theirs,cartpole-balance,9000,999,30,a paper\n"
    )
    plan = experiment(tmp_path, SMALL + PUBLISHED + CLAIMS)
    fill(plan, lambda run: final(run, 300))
    path_of(plan, plan.runs[0]).unlink()
    page, figure = write(tmp_path / "docs" / "results.md", [collect(plan)])
    text = page.read_text()
    assert "| The loss helps | holds here | +301 [" in text
    assert f"19 of 20 runs; `a2l experiment run {plan.path}` adds the run that is missing" in text
    assert f"Made by `a2l experiment collect {plan.path}`" in text
    assert plan.path.is_file()
    assert (
        "They took 9.5 hours on cpu. At that rate the run that is missing would take 0.5 hours more." in text
    )
    assert "| cartpole-balance | 812 ± 30 |" in text
    assert "| source | a paper |" in text
    assert "999" not in text  # at another budget
    lines = xml.fromstring(figure.read_text()).findall(".//{*}g/{*}path[@class]")
    lines = [line for line in lines if line.get("class", "").startswith("curve ")]
    assert len(lines) == 4  # two arms on two environments
    assert str(figure.relative_to(page.parent)) in text


def test_an_open_claim_has_its_price(tmp_path: Path) -> None:
    """Differences within seeds are 1 + (-6, 3, 0, 6, -3) on both environments: their interval, Student's with
    8 degrees of freedom, would leave out 0 at 60 seeds.
    """
    plan = experiment(tmp_path)
    prices = []
    for runs, gain in ((0, 1), (7, 1), (20, 1), (20, 0), (20, 300)):
        fill(plan, lambda run, gain=gain: final(run, gain))
        for run in plan.runs[runs:]:
            path_of(plan, run).unlink()
        page = write(tmp_path / "results.md", [collect(plan)])[0].read_text()
        prices.append(next(line.split("|")[4].strip() for line in page.splitlines() if "The loss" in line))
    half_width = stats.t.ppf(0.975, 8) * np.std([-6, 3, 0, 6, -3], ddof=1) / math.sqrt(2)
    assert half_width / math.sqrt(60) < 1 < half_width / math.sqrt(59)
    assert prices == ["20 runs", "13 runs, 6.5 hours", "55 more seeds, 110.0 hours", "over 1,000 seeds", ""]


def test_one_seed_of_each_arm_has_no_interval_and_no_price(tmp_path: Path) -> None:
    text = (SMALL + CLAIMS).replace("seeds = 2", "seeds = 1")
    plan = read(written(tmp_path, text))
    fill(plan, lambda run: final(run, 15))
    page = write(tmp_path / "results.md", [collect(plan)])[0].read_text()
    assert "| The loss helps | open: too few seeds for an interval | +9 | more seeds | " in page


def test_a_page_has_no_table_with_a_cell_too_many_and_no_link_to_nowhere(tmp_path: Path) -> None:
    text = (SMALL + CLAIMS).replace('"small"', '"Small.2"').replace("helps", "helps: P(better|loss)")
    plan = read(written(tmp_path, text.replace("seeds = 2", "seeds = 1")))
    page = write(tmp_path / "results.md", [collect(plan)])[0].read_text()
    assert "| The loss helps: P(better\\|loss) | open: not run |  | 4 runs | [Small.2](#small2) |" in page
    assert "2 arms, 1 seed, 800 frames: 0 of 4 runs; " in page


def test_figures_are_not_written_over_each_other_or_nowhere(tmp_path: Path) -> None:
    first, second = (collect(experiment(tmp_path / name)) for name in ("one", "other"))
    with pytest.raises(A2lError, match="2 of the experiments are named small"):
        write(tmp_path / "results.md", [first, second])
    for name in (".", "page", "/"):
        with pytest.raises(A2lError, match="is not the name of a page"):
            write(tmp_path / name if name == "page" else Path(name), [first])
    assert {path.name for path in tmp_path.iterdir()} == {"one", "other"}


def test_a_page_on_more_experiments_is_not_replaced(tmp_path: Path) -> None:
    own, other = (experiment(tmp_path / name, SMALL.replace("small", name)) for name in ("own", "other"))
    page = tmp_path / "results.md"
    write(page, [collect(own), collect(other)])
    before = page.read_text()
    done = a2l("experiment", "collect", own.path, "--to", page)
    assert (done.returncode, page.read_text()) == (2, before)
    assert f"{page} is on other as well" in done.stderr
    write(page, [collect(other), collect(own)])
    assert page.read_text() != before


def test_wrong_claims_and_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(A2lError, match=r"no arm in a claim of .*`owm`"):
        experiment(tmp_path / "a", SMALL + CLAIMS.replace('"own"', '"owm"'))
    with pytest.raises(A2lError, match=r"is not a claim"):
        experiment(tmp_path / "b", SMALL + '[[claims]]\nsays = "so"\n')
    with pytest.raises(A2lError, match=r"published.csv holds no published scores"):
        experiment(tmp_path / "c", SMALL + PUBLISHED)


def test_the_committed_page_is_what_its_command_writes(tmp_path: Path) -> None:
    files = [str(path) for path in sorted((ROOT / "results").glob("*.toml"))]
    done = a2l("experiment", "collect", *files, "--to", tmp_path / "results.md")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results.md").read_text() == (ROOT / "docs" / "results.md").read_text()
    for figure in (ROOT / "docs" / "results").glob("*.svg"):
        assert (tmp_path / "results" / figure.name).read_text() == figure.read_text()
