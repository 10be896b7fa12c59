"""The report: a single self-contained file, in a real browser, for studies of any size."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from cProfile import Profile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report.command import a2l
from report.made import CASCADE, SETTINGS, make

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.report import series, svg
from a2ls_dsl.report.build import report
from a2ls_dsl.report.charts import Curve, grouped, learning, smoothed
from a2ls_dsl.report.charts_parts import Bar, intervals
from a2ls_dsl.report.mathml import mathml
from a2ls_dsl.report.statistics import Interval
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.study import Study
from a2ls_dsl.search.study.validation import Score, Validation, path_of, store

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EMPTY = {"meta", "link", "br", "img", "input", "hr", "rect", "line", "path", "circle"}
LOOK = """<!DOCTYPE html><meta charset="utf-8">
<iframe src="report.html" width="390" height="800"></iframe><pre></pre>
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, view = page.documentElement;
  const wide = [...page.querySelectorAll("body *")].filter(e => !e.closest(".scroll, pre") &&
    e.getBoundingClientRect().right > 391 && e.getClientRects().length).map(e => e.tagName);
  const shown = [...page.querySelectorAll("svg")].filter(e => e.getClientRects().length);
  const small = shown.filter(e => e.getBoundingClientRect().width < e.viewBox.baseVal.width * 0.9).length;
  document.querySelector("pre").textContent = JSON.stringify([view.scrollWidth, wide, shown.length, small]);
});
</script>"""


class Checker(HTMLParser):
    """Checks that tags are closed in order, and collects addresses that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loaded += [str(given[name]) for name in ("src", "srcset", "data") if name in given]
        self.ids += [str(given[name]) for name in ("id",) if name in given]
        if tag in ("link", "a"):
            (self.loaded if tag == "link" else self.links).append(str(given["href"]))
        assert tag != "script"
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stays open."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make(tmp_path_factory.mktemp("studies") / "made", replace(CASCADE, population=16))
    arms = {
        "none": "none",
        "curl": "bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch",
        "found_1": "x",
    }
    scores = [
        Score(env, arm, arm == "found_1", seed, 300.0 + 40 * place + 7 * seed)
        for env in ("reacher-easy", "cartpole-swingup")
        for place, arm in enumerate(arms)
        for seed in range(4)
    ]
    path_of(folder).parent.mkdir()
    store(folder, Validation(20_000, len(scores), arms, tuple(scores)))
    return folder


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert not checker.open
    return checker


def test_a_report_is_a_single_self_contained_file(made: Path) -> None:
    done = a2l("report", made)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("Is the best loss better than no auxiliary loss? yes: ")
    text = (made / "report.html").read_text(encoding="utf-8")
    page = checked(text)
    assert [address for address in page.loaded if not address.startswith("data:")] == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(text) < 1_000_000
    names = ["evolution", "curves", "hall", "family", "validation", "patterns", "gates", "cost", "settings"]
    assert [link.removeprefix("#") for link in page.links] == names


def test_every_chart_is_labelled(made: Path) -> None:
    text, _ = report(made)
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) >= 14
    for chart in charts:
        root = ElementTree.fromstring(chart)
        labels = root.attrib["aria-labelledby"].split()
        words = {element.attrib["id"]: element.text for element in root if "id" in element.attrib}
        assert all(words[label] for label in labels)
        assert root.attrib["role"] == "img"
        assert "nan" not in chart.lower().replace("covariance", "")


def test_the_same_study_gives_the_same_report(made: Path) -> None:
    plain = [re.sub(r'"c\d+[td]( c\d+d)?"', "", report(made)[0]) for _ in "12"]
    assert plain[0] == plain[1]


@pytest.mark.parametrize("ticks", [0, 1, 9])
def test_a_study_that_has_just_begun_has_a_report(ticks: int, tmp_path: Path) -> None:
    folder = tmp_path / "begun & <b>half"
    if ticks:
        make(folder, CASCADE, ticks=ticks)
    else:
        with Study(folder, SETTINGS, SETTINGS.space()):
            pass
    text, claims = report(folder)
    checked(text)
    assert {claim.answer for claim in claims} == {"can't be said"}
    assert "&lt;b&gt;half" in text
    assert "<b>half" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_shows_it_without_errors_and_without_scrolling_sideways(made: Path) -> None:
    (made / "report.html").write_text(report(made)[0], encoding="utf-8")
    (made / "look.html").write_text(LOOK, encoding="utf-8")
    assert CHROMIUM is not None
    call = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    call += ["--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom"]
    call += [
        "--virtual-time-budget=5000",
        f"--user-data-dir={made / 'profile'}",
        (made / "look.html").as_uri(),
    ]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=200)
    assert "CONSOLE" not in done.stderr
    match = re.search(r"<pre>(.*?)</pre>", done.stdout)
    assert match is not None
    width, wide, charts, small = json.loads(match[1])
    assert width <= 390
    assert wide == []
    assert charts >= 7
    assert small == 0  # charts for phones are shown in their own size, so their words are legible


@pytest.mark.parametrize("number", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_candidates_take_little_work_and_memory(number: int, tmp_path: Path) -> None:
    folder = make(tmp_path / "study", SETTINGS)
    grown(folder, number)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Profile() as profile:
        text, _ = report(folder)
    calls = sum(entry.callcount for entry in profile.getstats())
    grew = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(text) < 2_000_000
    assert f"{number + 24:,}" in text
    assert "drawn at random" in text
    assert grew < 300_000  # kB
    assert calls < 600 * number


def grown(folder: Path, number: int) -> None:
    """Add `number` candidates to a study directly."""
    rng = np.random.default_rng(0)
    scores = rng.normal(300, 50, number)
    with Study(folder, SETTINGS, SETTINGS.space()) as study, study.deciding(study.clock + 1):
        first = len(study.candidates())
        connection = study._connection
        connection.executemany(
            "INSERT INTO candidates (id, key, text, generation, origin, parents, status, score)"
            " VALUES (?, ?, ?, ?, 'random', '[]', 'scored', ?)",
            (
                (
                    first + n,
                    f"key{n}",
                    f"mse({{ s[t], a[t+{n % 4}] }} -> {{ s[t+{n % 9}] }})",
                    4 + n // 100,
                    float(s),
                )
                for n, s in enumerate(scores, start=1)
            ),
        )
        connection.executemany(
            "INSERT INTO runs (candidate, seed, status, score, frames, slot, began, ended)"
            " VALUES (?, 0, 'scored', ?, 8000, ?, ?, ?)",
            ((first + n, float(s), n % 5, 50 + n, 58 + n) for n, s in enumerate(scores, start=1)),
        )
        connection.execute(
            "INSERT OR IGNORE INTO curves SELECT id, 8000, score, NULL, '[1.0]' FROM runs WHERE frames = 8000"
        )


def test_slots_in_use_add_up_to_the_time_that_was_trained(made: Path) -> None:
    with Records(made) as study:
        busy = series.busy(study)
        runs = [(run.began, run.ended) for run in study.run_records() if run.ended is not None]
    assert busy is not None
    span = max(ended for _, ended in runs) - min(began for began, _ in runs if began is not None)
    spent = sum(ended - began for began, ended in runs if began is not None)
    assert busy.mean() * span == pytest.approx(spent)
    assert 0 <= busy.min() <= busy.max() <= CASCADE.stack + 1e-9


def test_groups_hold_every_score_once() -> None:
    generations = np.repeat(np.arange(1, 31), 10)
    scores = np.arange(300.0)
    groups = grouped(generations, scores)
    assert len(groups) == 12
    assert sorted(np.concatenate([group.scores for group in groups])) == list(scores)
    assert groups[0].label == "1-3"
    assert [group.label for group in grouped(generations[:20], scores[:20])] == ["1", "2"]


def test_a_smoothed_density_is_high_where_scores_are() -> None:
    scores = np.concatenate([np.full(90, 10.0), [0.0, 100.0]]) + np.linspace(0, 1, 92)
    grid, density = smoothed(scores)
    assert density.max() == 1
    assert abs(grid[density.argmax()] - 10.5) < 3


def test_ticks_are_round_and_inside() -> None:
    assert svg.Scale(0, 1000, 0, 1).ticks(5) == [0, 200, 400, 600, 800, 1000]
    assert svg.Scale(-0.03, 0.11, 0, 1).ticks(3) == [0, 0.05, 0.1]
    assert svg.Scale(5, 5, 0, 1).ticks(3) == [5]
    assert [svg.number(value) for value in (0.5, 120, 20_000, 1.5e6)] == ["0.5", "120", "20k", "1.5M"]


def test_labels_keep_their_distance() -> None:
    placed = svg.spread([10.0, 11.0, 12.0, 90.0], 15, 0, 100)
    assert placed == [10.0, 25.0, 40.0, 90.0]
    assert svg.spread([99.0, 100.0], 15, 0, 100) == [85.0, 100.0]


def test_every_shipped_loss_is_a_formula() -> None:
    for name in shipped("losses", ".a2l"):
        formula = mathml(latex(name, load_one(name)[1]))
        assert formula is not None, name
        root = ElementTree.fromstring(formula)
        assert {element.tag for element in root.iter()} <= {
            *("math", "mtable", "mtr", "mtd", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "mover"),
            *("msub", "msup", "msubsup"),
        }
        for parts in root.iter("msubsup"):
            assert len(parts) == 3
        for parts in (*root.iter("mfrac"), *root.iter("msub"), *root.iter("msup"), *root.iter("mover")):
            assert len(parts) == 2


def test_a_formula_by_hand() -> None:
    text = "\\begin{align*}\ny_{2} &= \\tfrac{1}{D} a < b\n\\end{align*}"
    assert mathml(text) == (
        '<math display="block"><mtable displaystyle="true"><mtr>'
        "<mtd><msub><mi>y</mi><mrow><mn>2</mn></mrow></msub></mtd>"
        "<mtd><mo>=</mo><mfrac><mrow><mn>1</mn></mrow><mrow><mi>D</mi></mrow></mfrac><mi>a</mi><mo>&lt;</mo>"
        "<mi>b</mi></mtd></mtr></mtable></math>"
    )
    for odd in ("x", text.replace("a <", "\\foo"), text.replace("D}", "D"), text.replace("b", "}")):
        assert mathml(odd) is None


def ticks(svg: str) -> list[float]:
    """The numbers on the axes of a chart."""
    texts = [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]
    matches = (re.fullmatch(r"[+-]?[0-9.]+k?", text) for text in texts)
    return [float(match[0].replace("k", "e3")) for match in matches if match]


def test_bands_of_few_seeds_dont_squash_the_curves() -> None:
    frames = np.arange(1.0, 6.0)
    mean = np.linspace(50, 90, 5)
    wide = Curve("two seeds", frames, mean, mean - 600, mean + 900, 2)
    svg = learning([wide], [], 900.0)
    assert max(ticks(svg)) <= 100
    assert min(ticks(svg)) >= -10
    points = re.findall(r'<path d="M([^"]*)" class="band', svg)[0]
    heights = [float(pair.split()[1]) for pair in re.findall(r"[0-9.]+ [0-9.]+", points)]
    assert min(heights) >= 26 - 0.1  # the plot's upper edge
    assert max(heights) <= 320 - 40 + 0.1


def test_one_wide_interval_doesnt_set_the_axis() -> None:
    usual = [(f"pattern {i}", [Bar("", Interval(10.0 * i, 10.0 * i - 20, 10.0 * i + 20))]) for i in range(6)]
    wide = ("few losses", [Bar("", Interval(30.0, -4_000.0, 5_000.0))])
    svg = intervals([*usual, wide], "Patterns", "score", 900.0)
    assert max(map(abs, ticks(svg))) <= 200
    assert svg.count("arrow") == 2  # both of its ends go on
    assert "arrow" not in intervals(usual, "Patterns", "score", 900.0)
