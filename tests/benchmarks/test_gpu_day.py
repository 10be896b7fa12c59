"""`benchmarks/gpu_day.py`: done steps stay done, late ones are interrupted, failures are reported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from gpu_day import Step, experiment, run, steps, summary  # noqa: E402

from a2ls_dsl.experiment.plan import read  # noqa: E402

GOES_ON = """
import sys, time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stored", flush=True)
    sys.exit(130)
"""


def python(name: str, code: str, minutes: float = 1.0, output: str = "") -> Step:
    return Step(name, [sys.executable, "-c", code], minutes, output)


def test_a_step_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    step = python("count", "print('x')", output="txt")
    for _ in range(2):
        assert [result.how for result in run([step], tmp_path, 1)] == ["done"]
        (tmp_path / "count.txt").write_text((tmp_path / "count.txt").read_text() + "kept")
    assert (tmp_path / "count.txt").read_text() == "x\nkeptkept"


def test_a_step_out_of_time_is_interrupted_and_a_failed_one_is_told(tmp_path: Path) -> None:
    wanted = [
        python("slow", GOES_ON, minutes=1.5 / 60),
        python("broken", "raise SystemExit('no such device')"),
        python("last", "pass"),
    ]
    ended = run(wanted, tmp_path, 2)
    assert [step.how for step in ended] == ["out of time", "failed", "done"]
    assert (tmp_path / "slow.log").read_text() == "begun\nstored\n"
    assert "no such device" in summary(ended, tmp_path)
    assert [step.how for step in run(wanted[:1], tmp_path, 0.1)] == ["left out"]  # no time to store anything


def test_experiments_are_those_that_are_committed(tmp_path: Path) -> None:
    for name in ("vector_100k", "pixel_parity", "atari_100k"):
        copied, committed = read(experiment(name, tmp_path, dry=False)), read(ROOT / f"results/{name}.toml")
        assert [copied.identity(run) for run in copied.runs] == [
            committed.identity(run) for run in committed.runs
        ]
        assert len(read(experiment(name, tmp_path, dry=True)).runs) == 2


def test_every_step_has_a_name_of_its_own(tmp_path: Path) -> None:
    for dry in (False, True):
        names = [step.name for step in steps(tmp_path, dry)]
        assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_dry_run_walks_every_step_to_its_end(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/gpu_day.py"), "--to", str(tmp_path), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("vector_100k", "pixel_parity", "atari_100k"):
        assert len(list((tmp_path / name).rglob("*.csv"))) == 2
    assert len((tmp_path / "surrogate.csv").read_text().splitlines()) == 5
