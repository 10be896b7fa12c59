"""The package as it is installed: built, put into an empty folder, and used from outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Standard output of a command that must succeed; `path` is what it finds first when importing."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed wheel, which comes before an editable installation of the checkout."""
    folder = tmp_path_factory.mktemp("site")
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


def test_the_wheel_holds_all_data_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("grammars", "losses"):
        for path in (ROOT / kind).iterdir():
            assert f"a2ls_dsl/{kind}/{path.name}" in names
    assert {"a2ls_dsl/py.typed", "a2ls_dsl/results/signal.csv"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"a2ls_dsl"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "a2ls_dsl").rglob("*.py")}
    assert modules <= names


def test_it_runs_from_anywhere(site: Path, tmp_path: Path) -> None:
    where = "import a2ls_dsl, a2ls_dsl.lang.files as library; print(a2ls_dsl.__file__, library.__file__)"
    for file in run("-c", where, cwd=tmp_path, path=site).split():
        assert Path(file).is_relative_to(site)
    a2l = site / "bin" / "a2l"
    checked = run(a2l, "check", "a2_winner", cwd=tmp_path, path=site)
    assert str(site / "a2ls_dsl" / "losses" / "a2_winner.a2l") in checked
    assert "horizon 3" in checked
    # The paper's 7.5e20, before the two requirements.
    counted = run(a2l, "grammar", "count", "a2ls", cwd=tmp_path, path=site)
    assert "749581981407880192000" in counted


def test_it_computes_from_anywhere(site: Path, tmp_path: Path) -> None:
    script = (
        "import torch, a2ls_dsl as a2l\n"
        "module = a2l.compile(a2l.load('forward_dynamics'), observation=3, action=2, features=3)\n"
        "window = a2l.Window(torch.ones(4, 2, 3), torch.ones(4, 2, 2), torch.ones(4, 2))\n"
        "print(float(module(torch.tanh, torch.tanh, window)) > 0)\n"
    )
    assert run("-c", script, cwd=tmp_path, path=site) == "True\n"


def test_the_language_works_without_what_computes(site: Path, tmp_path: Path) -> None:
    """With lark, typer and rich alone: losses are checked, laid out, shown and explained."""
    without = ("torch", "numpy", "scipy", "dm_control", "mujoco", "gymnasium", "ale_py")
    script = f"""
import sys
sys.modules.update(dict.fromkeys({without!r}))
from a2ls_dsl.cli import main
main()
"""
    for words in (
        ("check", "a2_winner"),
        ("show", "a2_winner", "--timeline", "--latex"),
        ("explain", "A2L036"),
    ):
        assert run("-c", script, *words, cwd=tmp_path, path=site)


def test_nothing_but_what_is_asked_for_needs_linux(site: Path, tmp_path: Path) -> None:
    """Every module is imported as on a system that has none of what Linux alone has, nor any environment."""
    script = """
import os, pkgutil, sys
import numpy, scipy, scipy.stats, torch, torch.export, torch._dynamo, typer, rich.console, multiprocessing
for name in ("sched_getaffinity", "sched_setaffinity", "memfd_create", "pidfd_open", "eventfd", "splice"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules.update(dict.fromkeys(["dm_control", "mujoco", "gymnasium", "ale_py", "ray", "av", "safetensors"]))
sys.platform = "darwin"
import a2ls_dsl
behind_extras = ["__main__", "editor.protocol", "rl.compute.adam_kernel"]
behind_extras += [f"editor.protocol.{name}" for name in ("document", "features", "messages", "server")]
behind_extras += [f"rl.envs.{name}" for name in ("dm_adapter", "gym_env", "gym_make", "spaces")]
for module in pkgutil.walk_packages(a2ls_dsl.__path__, "a2ls_dsl."):
    if module.name.removeprefix("a2ls_dsl.") not in behind_extras:
        __import__(module.name)
print("all")
"""
    assert run("-c", script, cwd=tmp_path, path=site).endswith("all\n")
