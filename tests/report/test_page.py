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

from a2ls_dsl.report import series
from a2ls_dsl.report.build import report
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
