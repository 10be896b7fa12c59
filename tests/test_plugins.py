"""Operators of the user's own, through every command; and what goes wrong with them."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from forked import CONTEXT, a2l

from a2ls_dsl import plugins
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.stacks import Stacks
from a2ls_dsl.search.stack_actor import StackActor
from a2ls_dsl.words import registry

PLUGINS = Path(__file__).parent.parent / "examples" / "plugins"
NORMALITY, LOSS, GRAMMAR = (PLUGINS / name for name in ("normality.py", "predictive.a2l", "predictive.a2g"))
WITH = ("--plugin", NORMALITY)
OWN = """
import a2ls_dsl as a2l

print("a plugin that talks")

@a2l.operator("fourth power of the error", example="quartic({ s[t] } -> { s[t+1] })")
def quartic(y, z):
    return (y - z).pow(4).mean()

@a2l.view("all numbers of the other sign", example="negated(s[t])", sees=a2l.Sees.VECTORS)
def negated(x, draws):
    return -x

@a2l.head("a layer without bias", example="bare")
def bare(inputs, outputs):
    return torch.nn.Sequential(torch.nn.Linear(inputs, outputs))

import torch
"""
QUARTIC = "loss mine = quartic({ negated(s[t]), a[t] } -> { s[t+1] }) with head = bare\n"
QUICK = ("--env", "cartpole-swingup", "--frames", "1200")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Whatever a test loads here is unknown to the next one."""
    yield
    for own in plugins.loaded().values():
        for word in own:
            registry.forget(word)
    for name in plugins.loaded():
        sys.modules.pop(Path(name).stem, None)
    plugins._loaded.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: a plugin, a loss, and a file that names the plugin."""
    (tmp_path / "my_ops.py").write_text(OWN)
    (tmp_path / "mine.a2l").write_text(QUARTIC)
    (tmp_path / "pyproject.toml").write_text('[tool.a2l]\nplugins = ["my_ops.py"]\n')
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def epps_pulley(projections: torch.Tensor) -> float:
    """The statistic of a sample (B,), its integral over all t solved: cosines under normal densities."""
    x = projections.double()
    pairs = (2 * torch.pi) ** 0.5 * torch.exp(-0.5 * (x[:, None] - x[None]).square()).mean()
    single = torch.pi**0.5 * torch.exp(-0.25 * x.square()).mean()
    return float(len(x) * (pairs - 2 * single + (2 * torch.pi / 3) ** 0.5))


def test_normality_is_the_test_of_epps_and_pulley(forgotten: None) -> None:
    """Against the closed form of the integral: knots from -5 to 5 leave next to nothing out."""
    plugins.load([str(NORMALITY)])

    class Along:
        def normal(self, x: torch.Tensor, *shape: int) -> torch.Tensor:
            return torch.eye(3)[:, :2] * 7  # two directions, whatever their length

    generator = torch.Generator().manual_seed(0)
    for spread in (0.1, 1.0, 2.0):
        y = spread * torch.randn(32, 3, generator=generator, dtype=torch.float64)
        expected = (epps_pulley(y[:, 0]) + epps_pulley(y[:, 1])) / 2
        value = float(registry.operators["normality"].formula(y, slices=2, draws=Along()))
        assert value == pytest.approx(expected, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("command", [("check",), ("fmt", "--check"), ("show", "--latex", "--ir")])
def test_the_language_knows_it(command: tuple[str, ...]) -> None:
    done = a2l(*command, *WITH, LOSS)
    assert done.returncode == 0, done.stderr
    without = a2l(*command, LOSS)
    assert without.returncode == (0 if command[0] == "fmt" else 1), without.stderr


def test_it_compiles_to_a_file_that_needs_torch_alone(tmp_path: Path) -> None:
    done = a2l("compile", *WITH, LOSS, "-o", tmp_path / "predictive.py")
    assert done.returncode == 0, done.stderr
    code = """
import sys, torch
sys.modules["a2ls_dsl"] = None
from predictive import Predictive
loss = Predictive(action=2, features=8)
encode = torch.nn.Linear(5, 8)
given = torch.randn(16, 2, 5), torch.randn(16, 2, 2), torch.randn(16, 2)
value = loss(encode, encode, *given, generator=torch.Generator().manual_seed(0))
value.backward()
assert encode.weight.grad.abs().sum() > 0
"""
    alone = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr


def test_it_trains_and_repeats_itself(tmp_path: Path) -> None:
    """Projections come from each member's own streams: a run is the same twice, bit for bit."""
    options = (*QUICK, "--hidden", "8", "--batch-size", "4", "--random-steps", "20", "--eval-every", "1200")
    curves = []
    for name in ("one", "two"):
        out = tmp_path / name
        done = a2l("train", *WITH, "--loss", LOSS, *options, "--deterministic", "--out", out)
        assert done.returncode == 0, done.stderr
        curves.append((out / "seed-0.csv").read_text())
    assert curves[0] == curves[1]
    (row,) = csv.DictReader(curves[0].splitlines())
    assert 0 < float(row["auxiliary_loss"]) < 1e3


def test_processes_that_train_know_it(forgotten: None) -> None:
    """A stack of another process loads the same plugins; it gives what one in this process gives."""
    plugins.load([str(NORMALITY)])
    loss = load_one(str(LOSS))[1]
    settings = SacSettings(hidden=8, batch_size=4, random_steps=20)
    training = Training(find_task("cartpole-swingup"), 400, settings, EvaluationSettings(400, 1))
    assert plugins.hold_all_words()
    scores = []
    for count in (1, 2):
        members = [Member(loss, 0), Member(loss, 1)]
        with Stacks(training, members, Running(workers=1, exact=True), count) as stacks:
            ended = list[Score]()
            while stacks.busy.any():
                ended += stacks.tick()
            while stacks.evaluating:
                ended += stacks.evaluate()
        scores.append(
            sorted((score.member, score.returns, score.metrics["auxiliary_loss"]) for score in ended)
        )
    assert scores[0] == scores[1]


def test_an_experiment_knows_it(tmp_path: Path) -> None:
    """Named by the project, as one says it once for all commands."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.a2l]\nplugins = ["{NORMALITY}"]\n')
    (tmp_path / "table.toml").write_text(
        f'name = "own"\nenvs = ["cartpole-swingup"]\nseeds = 1\nframes = 400\n[arms]\nown = "{LOSS}"\n'
        "[settings]\nrandom_steps = 30\nhidden = 8\nbatch_size = 4\neval_every = 400\neval_episodes = 1\n"
    )
    done = a2l("experiment", "run", "table.toml", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "pyproject.toml").unlink()
    assert a2l("experiment", "status", "table.toml", *WITH, cwd=tmp_path).returncode == 0
    without = a2l("experiment", "status", "table.toml", cwd=tmp_path)
    assert without.returncode == 1
    assert "normality" in without.stderr


def _trained_by_an_actor(answers: Connection) -> None:
    """In a process that knows no plugin, as a machine of a cluster has it."""
    settings = SacSettings(hidden=8, batch_size=4, random_steps=20)
    training = Training(find_task("cartpole-swingup"), 400, settings, EvaluationSettings(400, 1))
    actor = StackActor()
    actor.start(training, 1, Running(workers=1, refill=True), [str(NORMALITY)])
    report = actor.advance({0: Member(load_one(str(LOSS))[1], 0)}, [])
    while not report.scores:
        report = actor.advance({}, [])
    answers.send(report.scores[0].metrics["auxiliary_loss"])


def test_an_actor_of_a_cluster_loads_it() -> None:
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_trained_by_an_actor, args=(there,))
    process.start()
    there.close()
    assert 0 < here.recv() < 1e3
    process.join()


def test_it_is_searched_and_a_study_says_what_it_needs(tmp_path: Path) -> None:
    study = tmp_path / "study"
    command = ("evolve", "--grammar", GRAMMAR, *QUICK, "--population", "2", "--generations", "1")
    command += ("--race", "0", "--study", study)
    done = a2l(*command, *WITH)
    assert done.returncode == 0, done.stderr
    losses = [path.read_text() for path in (study / "hall_of_fame").iterdir()]
    assert losses
    assert all("normality({ s[t] })" in text for text in losses)
    with sqlite3.connect(study / "study.db") as database:
        (stored,) = database.execute("SELECT value FROM meta WHERE name = 'plugins'").fetchone()
    assert json.loads(stored) == {str(NORMALITY): ["normality"]}
    for words in (command, ("best", study), ("report", study), ("study", "show", study)):
        refused = a2l(*words)
        assert refused.returncode in (1, 2)
        assert "uses `normality` of the plugin normality.py, which is not loaded" in refused.stderr
        assert f"fix: add --plugin {NORMALITY}" in refused.stderr
    assert a2l("best", study, *WITH).returncode == 0
    assert a2l(*command, *WITH).returncode == 0


def test_a_project_names_its_plugins(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for here in (folder, folder / "deep" / "er"):
        done = a2l("check", folder / "mine.a2l", cwd=here)
        assert done.returncode == 0, done.stderr
        assert "a plugin that talks" in done.stderr
        assert "a plugin that talks" not in done.stdout
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert a2l("check", folder / "mine.a2l", cwd=elsewhere).returncode == 1
    done = a2l("compile", folder / "mine.a2l", "-o", folder / "mine.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "pyproject.toml").write_text('[tool.a2l]\nplugins = ["my_ops"]\n')
    assert a2l("check", folder / "mine.a2l", cwd=folder / "deep").returncode == 0


def test_modules_and_packages_that_are_installed(folder: Path, tmp_path: Path) -> None:
    (folder / "pyproject.toml").unlink()
    assert a2l("check", "mine.a2l", "--plugin", "my_ops", cwd=folder).returncode == 0
    about = folder / "site" / "mine-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[a2ls_dsl.plugins]\nmine = my_installed_ops\n")
    (folder / "my_ops.py").rename(folder / "site" / "my_installed_ops.py")
    code = "from a2ls_dsl.cli import main; main()"
    call = [sys.executable, "-c", code, "check", str(folder / "mine.a2l")]
    for path, status in ((str(folder / "site"), 0), ("", 1)):
        done = subprocess.run(call, env={"PYTHONPATH": path}, cwd=folder, capture_output=True, text=True)
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", ("failed: ZeroDivisionError: division by zero", "my_ops.py, line 1")),
        ("import sys\nsys.exit(3)", ("failed: SystemExit: 3",)),
        ("def f(:", ("failed: SyntaxError: invalid syntax", "line 1")),
        ("import nowhere", ("failed: ModuleNotFoundError: No module named 'nowhere'", "install nowhere")),
        (OWN.replace("quartic(y, z)", "mse(y, z)"), ("the name `mse` is taken by an operator",)),
        (OWN.replace("quartic(y, z)", "quartic(y)"), ("`quartic` is called as quartic(y, z)",)),
    ],
)
def test_a_plugin_that_fails_has_a_message(folder: Path, text: str, words: tuple[str, ...]) -> None:
    (folder / "my_ops.py").write_text(text)
    done = a2l("check", "mine.a2l", cwd=folder)
    assert done.returncode in (1, 2)
    assert "the plugin my_ops.py" in done.stderr
    assert "fix: " in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("plugins = 3", "is not a list of files and modules"),
        ('plugins = ["gone.py"]', "there is no plugin gone.py"),
        ('plugins = ["gone"]', "the plugin gone: there is no such module"),
        ('plugins = ["."]', "the plugin .: that is not the name of a module"),
        ("plugin = []", "did you mean `plugins`?"),
        ("plugins = [", "is not valid TOML"),
    ],
)
def test_a_project_that_cant_be_read_has_a_message(folder: Path, table: str, words: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.a2l]\n{table}\n")
    done = a2l("check", "mine.a2l", cwd=folder)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_else_names_code(folder: Path) -> None:
    """A project file of another tool runs nothing, nor does a file beside a loss."""
    (folder / "pyproject.toml").write_text('[tool.other]\nplugins = ["my_ops.py"]\n')
    (folder / "my_ops.py").write_text("open('ran', 'w')")
    assert a2l("check", "mine.a2l", cwd=folder).returncode == 1
    assert not (folder / "ran").exists()
