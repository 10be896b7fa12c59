"""Strategies as entries, and those of a user's own: found, used, explained when they fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from search.stand_in_search import SETTINGS, searched, tables

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.strategies.calls import strategy_of
from a2ls_dsl.search.strategies.evolution import Origin
from a2ls_dsl.search.strategies.registry import STRATEGIES
from a2ls_dsl.search.study.reader import StudyReader

DOCS = Path(__file__).parents[3] / "docs" / "search.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.path[:] = path


def documented() -> str:
    """The example of the guide."""
    block = re.search(r"```python\n(# mine\.py\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block
    return block[1]


def test_every_entry_is_a_strategy_and_is_documented() -> None:
    table = DOCS.read_text(encoding="utf-8")
    for name, entry in STRATEGIES.items():
        strategy = strategy_of(replace(SETTINGS, strategy=name), SETTINGS.space())
        assert callable(strategy.propose)
        assert f"| `{name}` | {entry.proposes} |" in table


def test_the_documented_strategy_searches_and_repeats_itself_when_killed(here: Path) -> None:
    (here / "mine.py").write_text(documented())
    settings = replace(SETTINGS, strategy="mine:Shortest", race=0.25)
    searched(settings, here / "whole")
    searched(settings, here / "killed", ticks=25)
    searched(settings, here / "killed")
    assert tables(here / "killed") == tables(here / "whole")
    with StudyReader(here / "whole") as study:
        assert study.counts()[Status.SCORED] + study.counts()[Status.FAILED] == settings.searched + 2
        assert {candidate.origin for candidate in study.candidates()} == {Origin.REFERENCE, Origin.STRATEGY}


PLAIN = """
LOSSES = [
    "mse({ s[t], a[t] } -> { s[t+1] })",
    "cosine({ s[t] } -> { s[t+1] })",
    "loss x = mse({ s[t] } -> { r[t] })",
]

class Listed:
    def __init__(self, grammar, settings):
        pass

    def propose(self, known, rng):
        return LOSSES[known.proposed : known.proposed + 1] if known.proposed else [LOSSES[0], LOSSES[0]]
"""


def test_a_plain_list_is_searched_to_its_end(here: Path) -> None:
    """Texts, one of them outside the grammar and one of them twice: all are trained, once each."""
    (here / "listed.py").write_text(PLAIN)
    searched(replace(SETTINGS, strategy="listed:Listed", race=0.25), here / "study")
    with StudyReader(here / "study") as study:
        proposed = [candidate for candidate in study.candidates() if not candidate.is_reference]
        assert [candidate.text[:6] for candidate in proposed] == ["mse({ ", "cosine", "mse({ "]
        assert all(candidate.status is Status.SCORED for candidate in proposed)
        assert sum(bool(candidate.fresh) for candidate in proposed) == 3


MISTAKES = {
    "gone:Mine": ("", "there is no module `gone` for the strategy gone:Mine", "working folder"),
    "imports:Mine": ("import gone", "No module named 'gone'", "fix it"),
    "fails:Mine": ("1 / 0", "ZeroDivisionError: division by zero", "line 1"),
    "syntax:Mine": ("class Mine(", "SyntaxError", "fix it"),
    "slip:Mini": (
        "class Mine: propose = print",
        "there is no class in slip called `Mini`",
        "did you mean `Mine`?",
    ),
    "value:Mine": ("Mine = 3", "there is no class in value called `Mine`", ""),
    "bare:Mine": (
        "class Mine: pass",
        "the class bare:Mine has no method `propose(known, rng)`",
        "docs/search.md",
    ),
    "made:Mine": (
        "class Mine:\n  def propose(self, known, rng): return []",
        "failed when it is made: TypeError",
        "fix it",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name: str, here: Path) -> None:
    text, *expected = MISTAKES[name]
    if text:
        (here / f"{name.partition(':')[0]}.py").write_text(text)
    with pytest.raises(A2lError) as caught:
        strategy_of(replace(SETTINGS, strategy=name), SETTINGS.space())
    for part in expected:
        assert part in f"{caught.value.message}: {caught.value.fix}"


@pytest.mark.parametrize("name", ["modle", "mine.py", "3:Mine", "mine:", "a b:Mine"])
def test_what_names_no_strategy_is_refused(name: str) -> None:
    with pytest.raises(A2lError):
        replace(SETTINGS, strategy=name)


LATE = """
class Late:
    def __init__(self, grammar, settings):
        self.grammar = grammar

    def propose(self, known, rng):
        if known.proposed >= 6:
            {}
        return [self.grammar.sample(rng)]

    def ranked(self, scored):
        {}
"""


@pytest.mark.parametrize(
    ("proposes", "ranks", "message"),
    [
        ("raise ValueError('no more')", "return []", "failed in `propose`: ValueError: no more"),
        ("return [3]", "return []", "the strategy late:Late proposed 3"),
        ("return 'mse(x)'", "return []", "proposed the text `mse(x)`, not a list"),
        ("return ['mse(x)']", "return []", "proposed `mse(x)`, which is not a loss"),
        ("return ['mse({ s[t] } -> { s[t+200] })']", "return []", "looks 200 agent steps ahead"),
        ("return []", "raise KeyError(7)", "failed in `ranked`: KeyError: 7"),
    ],
)
def test_a_strategy_that_fails_leaves_the_study_whole_and_goes_on_once_mended(
    proposes: str, ranks: str, message: str, here: Path
) -> None:
    settings = replace(SETTINGS, strategy="late:Late", race=0.25)
    (here / "late.py").write_text(LATE.format(proposes, ranks))
    with pytest.raises(A2lError) as caught:
        searched(settings, here / "study")
    assert message in caught.value.message
    del sys.modules["late"]
    (here / "late.py").write_text(LATE.format("pass", "return []"))
    shutil.rmtree(here / "__pycache__", ignore_errors=True)
    searched(settings, here / "study")
    searched(settings, here / "whole")
    mended, whole = tables(here / "study"), tables(here / "whole")
    assert [row[2] for row in mended["candidates"]] == [row[2] for row in whole["candidates"]]
    assert [row[4] for row in mended["runs"]] == [row[4] for row in whole["runs"]]


def test_the_command_says_what_is_wrong_and_reading_loads_nothing(here: Path) -> None:
    """A module with a side effect is loaded by the command that names it alone."""
    (here / "loud.py").write_text("print('loaded')\n" + PLAIN)
    searched(replace(SETTINGS, strategy="loud:Listed"), here / "study")
    command = [sys.executable, "-m", "a2ls_dsl"]
    done = subprocess.run([*command, "best", "study"], capture_output=True, text=True, check=False, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "loaded" not in done.stdout
    done = subprocess.run(
        [*command, "evolve", "--env", "walker-walk", "--strategy", "loud:Liste"],
        capture_output=True,
        text=True,
        check=False,
        cwd=here,
    )
    assert done.returncode == 2
    assert "did you mean `Listed`?" in done.stderr
