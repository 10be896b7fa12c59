"""The recipes of CONTRIBUTING.md, carried out on a copy; the files that they touch are counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

FILES = {
    "An operator": 1,
    "A view": 1,
    "A pass over the IR": 1,
    "A suite of tasks": 2,
    "A learning algorithm": 2,
    "A search strategy": 1,
}
"""How many places each recipe may touch; a package of its own is one."""

PROOF = """
import sys

import torch
from torch import nn

import a2ls_dsl as a2l
from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.stacked import StackAgent
from a2ls_dsl.backend.stacked.loss import StackedLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.lang.syntax.printer import print_loss

# An operator and a view: printed, typeset, compiled, trained, exported and stacked.
text = "absolute({ mirror(s[t], 0.25), a[t] } -> { mirror(s[t+1]) })"
loss = a2l.loads(f"loss mine = {text}")
assert print_loss(loss) == text
assert "lVert y - z" in latex("mine", loss), latex("mine", loss)
plain = a2l.loads("loss plain = absolute({ s[t], a[t] } -> { s[t+1] })")

torch.manual_seed(0)
window = a2l.Window(torch.randn(8, 2, 3), torch.rand(8, 2, 2), torch.rand(8, 2))
encoder, target = nn.Linear(3, 4), nn.Linear(3, 4)
module = a2l.compile(plain, 3, 2, 4)
row = torch.cat([encoder(window.observation[:, 0]), window.action[:, 0]], dim=1)
expected = (module.heads[0](row) - target(window.observation[:, 1])).abs().mean()
torch.testing.assert_close(module(encoder, target, window), expected)

module = a2l.compile(loss, 3, 2, 4)
optimizer = torch.optim.Adam([*module.parameters(), *encoder.parameters()], lr=0.01)
draw = lambda: torch.Generator().manual_seed(1)
before = module(encoder, target, window, generator=draw())
before.backward()
optimizer.step()
assert module(encoder, target, window, generator=draw()) < before

names = {}
exec(compile(export("mine", loss), "mine.py", "exec"), names)
outside = names["Mine"](2, 4)
outside.load_state_dict(module.state_dict())
tensors = window.observation, window.action, window.reward
torch.testing.assert_close(
    outside(encoder, target, *tensors, generator=draw()), module(encoder, target, window, generator=draw())
)

rng = CounterRng(torch.arange(3))
stack = StackedLoss.of([loss, None, loss], Spaces(3, 2, 4), rng)
many = a2l.Window(*(tensor.expand(3, *tensor.shape) for tensor in tensors))
encode = lambda x, members=None: encoder(x)
agent = StackAgent(encode, encode, rng=rng, counter=torch.zeros(3, dtype=torch.int64))
values = stack(encode, encode, many, agent)
values.sum().backward()
assert values[0] > 0 and values[1] == 0 and values[2] > 0
assert all(parameter.grad is not None for parameter in stack.parameters())

# A pass: it is in the pipeline and does what it says.
from dataclasses import replace
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.passes import PASSES, merge_summands, optimise
from a2ls_dsl.ir.verify import verify

assert merge_summands in PASSES
program = lower(plain)
total = replace(program.nodes[-1], inputs=program.nodes[-1].inputs * 2, weights=(1.0, 0.5))
optimised = optimise(replace(program, nodes=(*program.nodes[:-1], total)))
verify(optimised)
assert optimised.nodes[-1].weights == (1.5,)

# A strategy: every proposal after the first is a child of the best.
settings = dict(strategy="a2ls_dsl.search.greedy:Greedy", population=4, generations=1, race=0.0)
with a2l.open_study("study", "line:10", **settings) as study:
    scores = {}
    while (trial := study.ask()) is not None:
        scores[trial.text] = len(scores)
        study.tell(trial, scores[trial.text])
    assert study.finished and len(study.best()) == 4

# A suite and an algorithm: trained, with the loss of above, by the command.
from a2ls_dsl.cli import main
from a2ls_dsl.rl.agents import ALGORITHMS
from a2ls_dsl.rl.envs.tasks import find_task

assert find_task("line:10").episode_steps == 10 and ALGORITHMS["noisy"].settings().noise == 0.1
options = {"loss": "mine.a2l", "frames": 20, "eval-every": 10, "random-steps": 12, "batch-size": 8}
options |= {"hidden": 8, "workers": 1, "device": "cpu", "replay-capacity": 100, "eval-episodes": 1}
words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
sys.argv = ["a2l", "train", "--env", "line:10", "--agent", "noisy", "--out", "run", *words]
try:
    main()
except SystemExit as end:
    assert not end.code
curve = open("run/seed-0.csv").read().splitlines()
assert [line.split(",")[0] for line in curve[1:]] == ["10", "20"], curve

sys.argv = ["write_tables.py"]
import runpy

try:
    runpy.run_path("tools/write_tables.py", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""


def recipe(title: str) -> Iterator[tuple[str, str]]:
    """The blocks of a section: whether it is a new file (`python`) or a change (`diff`), and its text."""
    section = re.split(rf"^## {title}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
    yield from re.findall(r"^```(python|diff)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def carry_out(title: str, root: Path) -> set[Path]:
    """Do what a recipe says, below `root`. Returns the files that it wrote or changed."""
    touched = set[Path]()
    for kind, text in recipe(title):
        head, _, body = text.partition("\n")
        path = root / head.split()[1]
        if kind == "python":
            assert not path.exists(), f"{path} exists"
            path.parent.mkdir(exist_ok=True)
            path.write_text(body, encoding="utf-8")
        else:
            path.write_text(changed(path.read_text(encoding="utf-8"), body), encoding="utf-8")
        touched.add(path)
    return touched


def changed(text: str, diff: str) -> str:
    """A text after a diff, whose hunks have context enough to be found without line numbers."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] or line for line in lines if line[0] in " -\n")
        after = "".join(line[1:] or line for line in lines if line[0] in " +\n")
        assert text.count(before) == 1, f"not exactly once in the file:\n{before}"
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with every recipe carried out on it."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("a2ls_dsl", "grammars", "losses", "editors", "tools"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "language.md", root / "docs")
    for title, number in FILES.items():
        places = {path.parent if path.parent.name == "noisy" else path for path in carry_out(title, root)}
        assert len(places) == number, f"{title}: {places}"
    (root / "mine.a2l").write_text(
        "loss mine = absolute({ mirror(s[t]), a[t] } -> { s[t+1] })\n", encoding="utf-8"
    )
    return root


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy."""
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, *words]
    return subprocess.run(call, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def test_every_recipe_is_carried_out() -> None:
    """No section of CONTRIBUTING.md has blocks that this file doesn't know."""
    titles = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert [title for title in titles if list(recipe(title))] == list(FILES)


def test_recipes_work_and_touch_few_files(copy: Path) -> None:
    done = run(copy, "-c", PROOF)
    assert done.returncode == 0, done.stderr
    reference = (copy / "docs" / "language.md").read_text(encoding="utf-8")
    assert "| `absolute` | mean \\|y − z\\| |" in reference
    assert "| `mirror(s[t], 0.5)` | turns the sign of this share of the samples |" in reference
    for language in ("a2l", "a2g"):
        colours = (copy / "editors" / f"{language}.tmLanguage.json").read_text(encoding="utf-8")
        assert re.search(r"\babsolute\|", colours)
        assert re.search(r"\bmirror\|", colours)


def test_a_new_word_is_checked_and_suggested(copy: Path) -> None:
    checked = run(copy, "-m", "a2ls_dsl", "check", "mine.a2l")
    assert checked.returncode == 0, checked.stderr
    (copy / "typo.a2l").write_text("loss typo = absolut({ s[t] } -> { r[t] })\n", encoding="utf-8")
    assert "did you mean `absolute`" in run(copy, "-m", "a2ls_dsl", "check", "typo.a2l").stderr


def test_recipes_follow_the_style(copy: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", copy)
    for call in (("check",), ("format", "--check")):
        done = run(copy, "-m", "ruff", *call, "a2ls_dsl")
        assert done.returncode == 0, done.stdout + done.stderr
