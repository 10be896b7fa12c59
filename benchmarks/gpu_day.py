"""All that is to be measured on a GPU, in one command that fits into the minutes it is given.

    python benchmarks/gpu_day.py --to gpu_day --minutes 25
    python benchmarks/gpu_day.py --to gpu_day --dry-run          # every step with tiny sizes, on a CPU

Steps in this order: the tests that need a GPU, the speed of updates and of training, learning curves of the
published losses (vectors, then frames, then Atari), a surrogate table at the paper's sizes. Each has a log
and its results under the folder. A step that is out of time is interrupted and keeps what it has; the same
command does what is missing. A step that fails doesn't stop the others.

On a machine without a network, first bring what it lacks, packed elsewhere:

    python benchmarks/gpu_day.py --pack site.tgz --python 3.12
    mkdir site && tar xzf site.tgz -C site && export PYTHONPATH=$PWD/site:$PWD      # there
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 20  # for an interrupted step to store what it has
LACKING = [
    "mujoco>=3.17,<3.18",
    "dm-control==1.0.50",
    "dm-env",
    "dm-tree",
    "labmaze",
    "glfw",
    "pyopengl",
    "lark>=1.2,<2",
    "ale-py>=0.12,<0.13",
    "gymnasium>=1.1,<2",
    "cloudpickle",
    "farama-notifications",
]
"""Wheels of what trains, beside torch, NumPy, SciPy, Typer and Rich."""
NEVER_IMPORTED = (
    *(f"dm_control/{name}/" for name in ("locomotion", "blender", "viewer", "manipulation")),
    *(f"mujoco/{name}/" for name in ("experimental", "include", "introspect")),
    "dm_control/suite/dog_assets/",
)


@dataclass(frozen=True)
class Step:
    """A command, and the most minutes that it may take. output: the suffix of the file for what it prints."""

    name: str
    command: Sequence[str]
    minutes: float
    output: str = ""


@dataclass(frozen=True)
class Ended:
    """How a step ended: `done`, `out of time`, `failed` or `left out`, after that many seconds."""

    step: Step
    how: str
    seconds: float = 0.0


def steps(folder: Path, dry: bool) -> list[Step]:
    """Every step, in order of what a minute of it says. dry: the same commands with tiny sizes, on a CPU."""
    python = sys.executable
    a2l = [python, "-m", "a2ls_dsl"]
    tests = [python, "-m", "pytest", "-m", "gpu", "-n", "0", "-p", "no:cacheprovider", str(ROOT / "tests")]
    device = ["--device", "cpu" if dry else "cuda"]
    wanted = [Step("tests", [*tests, "--timeout=240", "--continue-on-collection-errors"], 5)]
    for name, options, minutes in _benches(dry):
        wanted.append(Step(f"bench-{name}", [*a2l, "bench", "--json", *options, *device], minutes, "jsonl"))
    for name, minutes in (("vector_100k", 15.0), ("pixel_parity", 15.0), ("atari_100k", 15.0)):
        file = experiment(name, folder, dry)
        run = [*a2l, "experiment", "run", str(file), "--save-seconds", "20", *device]
        wanted.append(Step(f"curves-{name}", run, minutes))
    table = [python, str(ROOT / "benchmarks/surrogate/make_table.py"), "--to", str(folder / "surrogate.csv")]
    sizes = ["--frames", "10000", "--hidden", "8", "--batch-size", "4", "--stack", "2", "--losses", "2"]
    paper = ["--frames", "100000", "--hidden", "1024", "--batch-size", "128", "--stack", "96"]
    wanted.append(Step("surrogate", [*table, *(sizes if dry else paper), *device], 15))
    return wanted


def _benches(dry: bool) -> list[tuple[str, list[str], float]]:
    """Name, options and minutes of each call of `a2l bench`; dry: the same calls, but what is compiled."""
    seconds = ["--seconds", "0.1" if dry else "4"]
    updates, sizes = ["--part", "updates", *seconds], _each("--batch-size", [2] if dry else [128, 512])
    members = _each("--members", [1] if dry else [1, 8, 32, 64, 100, 128])
    few = _each("--members", [1] if dry else [1, 4, 16])
    vectors, frames = ["--obs", "vectors", *updates, *sizes], ["--obs", "pixels", *updates, *sizes]
    bf16, compiled = ["--precision", "bf16"], [] if dry else ["--compile"]
    training = ["--part", "training", *seconds]
    mix = ["--members", "2", "--hidden", "8", "--batch-size", "2", "--frames", "8000"]
    mix = mix if dry else ["--members", "64", "--hidden", "1024", "--batch-size", "128", "--frames", "100000"]
    return [
        ("vectors-tf32", [*vectors, *members], 2),
        ("search", ["--part", "search", "--grammar", "a2ls", *seconds, *mix], 2),
        ("frames-bf16", [*frames, *few, *bf16], 2),
        ("vectors-bf16-compile", [*vectors, *members, *bf16, *compiled], 3),
        ("frames-bf16-compile", [*frames, *few, *bf16, *compiled], 3),
        ("convolutions", ["--part", "convolutions", "--obs", "pixels", *sizes, *few, *bf16], 2),
        ("rainbow", ["--env", "Pong", *updates, *few, *bf16], 2),
        ("training-vectors", [*training, "--obs", "vectors", *_training(dry, 64)], 2),
        ("training-frames", [*training, "--obs", "pixels", *_training(dry, 8)], 2),
    ]


def _training(dry: bool, members: int) -> list[str]:
    """The size of a stack that trains."""
    return ["--members", "1" if dry else str(members), "--batch-size", "2" if dry else "128"]


def _each(option: str, values: Sequence[int]) -> list[str]:
    return [word for value in values for word in (option, str(value))]


def experiment(name: str, folder: Path, dry: bool) -> Path:
    """A copy of a committed experiment in the folder, where its curves then lie; dry: shrunk to seconds."""
    data = tomllib.loads((ROOT / f"results/{name}.toml").read_text(encoding="utf-8"))
    data.pop("published", None)  # its file isn't in the folder, and nothing is compared here
    if dry:
        arms = dict(list(data["arms"].items())[:2])
        few = {"eval_every": 1_000, "eval_episodes": 1, "batch_size": 2, "hidden": 4, "random_steps": 200}
        kept = {key: value for key, value in data.get("settings", {}).items() if key == "obs"}
        data |= {"envs": data["envs"][:1], "seeds": 1, "frames": 1_000, "arms": arms, "settings": kept | few}
        data.pop("claims", None)
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in data.items())
    path = folder / f"{name}.toml"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def _toml(value: Any) -> str:
    """A value as TOML, tables inline. Strings, numbers and booleans are written as in JSON."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def run(wanted: Sequence[Step], folder: Path, minutes: float) -> list[Ended]:
    """Run what isn't done yet, within that many minutes in all."""
    # In the background of a shell SIGINT is ignored, and steps would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end = time.monotonic() + 60 * minutes
    ended = list[Ended]()
    for step in wanted:
        left = end - time.monotonic() - STOP_SECONDS
        mark = folder / f"{step.name}.done"
        if mark.exists():
            ended.append(Ended(step, "done", float(mark.read_text())))
            continue
        if left <= 0:
            ended.append(Ended(step, "left out"))
            continue
        print(f"{step.name}: at most {min(left / 60, step.minutes):.1f} min", flush=True)
        ended.append(_run(step, folder, min(left, 60 * step.minutes)))
        if ended[-1].how == "done":
            mark.write_text(f"{ended[-1].seconds:.1f}")
        print(f"  {ended[-1].how} after {ended[-1].seconds:.0f} s", flush=True)
    return ended


def _run(step: Step, folder: Path, seconds: float) -> Ended:
    """One step in a process group of its own, interrupted as by Ctrl-C when its time is over."""
    begun = time.monotonic()
    log = folder / f"{step.name}.log"
    kept = folder / f"{step.name}.{step.output}" if step.output else log
    with log.open("a") as errors, kept.open("w" if step.output else "a") as output:
        process = subprocess.Popen(
            step.command,
            cwd=ROOT,
            stdout=output,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            code = process.wait(seconds)
            how = "done" if code == 0 else "failed"
        except subprocess.TimeoutExpired:
            how = "out of time"
            _stop(process)
        except KeyboardInterrupt:
            _stop(process)
            raise
    return Ended(step, how, time.monotonic() - begun)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def summary(ended: Sequence[Ended], folder: Path) -> str:
    """A short table, and the last lines of what failed."""
    width = max(len(ending.step.name) for ending in ended)
    lines = [f"{ending.step.name:{width}}  {ending.how:<11}  {ending.seconds:>6.0f} s" for ending in ended]
    for ending in ended:
        if ending.how == "failed":
            log = (folder / f"{ending.step.name}.log").read_text(errors="replace").splitlines()
            lines += ["", f"the end of {ending.step.name}.log:", *(f"  {line[:160]}" for line in log[-12:])]
    return "\n".join(lines)


def pack(path: Path, python: str) -> None:
    """Write an archive of the packages that train here and that a machine with torch alone lacks.

    python: its version there, as 3.12. For x86-64 Linux with glibc of 2.28 or later.
    """
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)]
    platforms += ["manylinux2014_x86_64", "manylinux1_x86_64"]
    chosen = ["--python-version", python, "--implementation", "cp", "--only-binary=:all:", "--no-deps", "-q"]
    chosen += [word for tag in platforms for word in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as name:
        wheels, site = Path(name) / "wheels", Path(name) / "site"
        for package in LACKING:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", *chosen, "-d", str(wheels), package], check=True
            )
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if not name.startswith(NEVER_IMPORTED)]
                archive.extractall(site, names)
        with tarfile.open(path, "w:gz") as packed:
            packed.add(site, ".")
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=Path("gpu_day"), metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=25.0, help="for all steps together")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on a CPU")
    parser.add_argument("--only", action="append", metavar="STEP", help="repeatable; all by default")
    parser.add_argument(
        "--pack", type=Path, metavar="SITE.tgz", help="pack what a machine without a network lacks"
    )
    parser.add_argument("--python", default="3.12", help="of that machine")
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.python)
        return 0
    folder: Path = options.to.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = steps(folder, options.dry_run)
    names = [step.name for step in wanted]
    unknown = [name for name in options.only or () if name not in names]
    if unknown:
        parser.error(f"there is no step {unknown[0]}; there are {', '.join(names)}")
    ended = run([step for step in wanted if step.name in (options.only or names)], folder, options.minutes)
    print("\n" + summary(ended, folder))
    return 1 if any(ending.how == "failed" for ending in ended) else 0


if __name__ == "__main__":
    raise SystemExit(main())
