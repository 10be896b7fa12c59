"""`a2l bench` as a user runs it, on cases that take a moment."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from forked import a2l

from a2ls_dsl.backend.stacked import PADDING
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.agents import observations_of
from a2ls_dsl.rl.bench import stacks
from a2ls_dsl.rl.bench.floor import Ceilings, count_work
from a2ls_dsl.rl.bench.updates import ACTION, GAME, VECTORS
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.settings import Computation, SacSettings

A2_WINNER = load_one("a2_winner")[1]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return a2l("bench", *arguments)


def parts(printed: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each part, in the order of the parts."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in printed.splitlines():
        row = json.loads(line)
        rows.setdefault(row.pop("part"), []).append(row)
    return rows


def test_a_report_as_data() -> None:
    size = ["--batch-size", "4", "--members", "1", "--members", "2", "--obs", "vectors"]
    done = bench(*size, "--seconds", "0.5", "--env", "cartpole-swingup", "--device", "cpu", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = parts(done.stdout)
    assert list(report) == ["machine", "ceilings", "updates", "search", "stacks", "environments", "training"]
    assert [row["members"] for row in report["updates"]] == [1, 2]
    # No time is compared with another: on a busy machine any may come out as the longer one.
    work = count_work(A2_WINNER, VECTORS, ACTION, SacSettings(batch_size=4))
    for row in report["updates"]:
        assert row["milliseconds"] > 0
        assert row["floor_milliseconds"] == 1e3 * work.seconds(Ceilings(**report["ceilings"][0])) > 0
        assert row["ratio"] == row["milliseconds"] / row["floor_milliseconds"]
    (played,) = report["environments"]
    assert played["back_end"] == "vectors"
    assert played["steps_per_second"] > 0
    (trained,) = report["training"]
    assert trained["updates_per_second"] > 0
    assert abs(sum(trained["shares"].values()) - 1) < 1e-9
    assert trained["candidates_per_hour"] == 3600 * trained["updates_per_second"] * 8 / 100_000


def test_a_search_is_measured_on_unequal_losses_in_buckets_and_in_one() -> None:
    size = ["--members", "6", "--batch-size", "4", "--hidden", "8", "--frames", "8000"]
    mix = ["--part", "search", "--grammar", "a2ls", "--env", "cheetah-run", "--seconds", "0.1"]
    done = bench(*mix, *size, "--device", "cpu", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = parts(done.stdout)
    assert list(report) == ["machine", "search", "stacks"]
    padded, bucketed = report["search"]
    assert (padded["padding"], padded["buckets"], padded["ratio"]) == (None, 1, 1)
    assert bucketed["padding"] == PADDING
    assert bucketed["buckets"] > 1
    assert bucketed["ratio"] == bucketed["milliseconds"] / padded["milliseconds"]
    for row in padded, bucketed:
        assert (row["grammar"], row["members"], row["batch_size"], row["hidden"]) == ("a2ls", 6, 4, 8)
        # 8,000 frames are 2,000 agent steps, of which the first 1,000 act at random and learn nothing.
        assert row["updates"] == 1_000
        assert row["candidates_per_hour"] == 3_600_000 / (row["milliseconds"] * 1_000)

    (alone,) = report["stacks"]  # candidates as short as these don't pay for another process
    assert (alone["stacks"], alone["updates"], alone["members"], alone["ratio"]) == (1, 1_000, 6, 1)
    assert alone["candidates_per_hour"] == 3_600_000 / (alone["milliseconds"] * 1_000)


def test_training_is_measured_in_as_many_processes_as_a_search_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "stacks_for", lambda *_: 2)
    settings = SacSettings(batch_size=4, hidden=8)
    losses, task = [A2_WINNER, A2_WINNER], find_task("cheetah-run")
    single, double = stacks.measure_stacks(losses, task, 8_000, settings, "cpu", Computation(), 0.1)
    assert (single.stacks, double.stacks) == (1, 2)
    assert single.updates == double.updates == 1_000
    assert min(single.milliseconds, double.milliseconds) > 0


def test_convolutions_are_measured_in_every_way() -> None:
    size = ["--members", "1", "--members", "2", "--batch-size", "2", "--obs", "pixels"]
    done = bench("--part", "convolutions", *size, "--env", "cheetah-run", "--device", "cpu", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = parts(done.stdout)["convolutions"]
    assert [row["members"] for row in rows] == [1, 2]
    for row in rows:
        assert set(row["milliseconds"]) == {"grouped", "padded", "single"}
        assert row["milliseconds"][row["chosen"]] == min(row["milliseconds"].values()) > 0
    done = bench("--part", "convolutions", "--obs", "vectors")
    assert done.returncode == 2
    assert "those of rendered frames" in done.stderr


def test_a_game_is_measured_with_rainbow() -> None:
    pytest.importorskip("ale_py")
    size = ["--batch-size", "4", "--members", "1", "--seconds", "0.2"]
    done = bench(
        *size, "--env", "Pong", "--part", "updates", "--part", "training", "--device", "cpu", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = parts(done.stdout)
    (row,) = report["updates"]
    assert report["machine"][0]["loss"] == "a2_winner"  # whose windows a benchmark without a loss would hide
    assert row["observations"] == "game"
    settings = RainbowSettings(batch_size=4)
    work = count_work(A2_WINNER, observations_of(settings, GAME, None), ACTION, settings)
    assert row["milliseconds"] > 0
    assert row["floor_milliseconds"] == 1e3 * work.seconds(Ceilings(**report["ceilings"][0])) > 0
    (trained,) = report["training"]
    assert trained["candidates_per_hour"] == 3600 * trained["updates_per_second"] * 4 / 100_000


def test_what_would_take_too_long_is_left_out_with_the_reason() -> None:
    size = ["--batch-size", "64", "--members", "1", "--members", "4000", "--obs", "vectors"]
    done = bench("--part", "updates", *size, "--seconds", "0.5", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert "would take" in done.stdout
    assert "floor" in done.stdout


def test_wrong_names_are_explained() -> None:
    done = bench("--part", "update")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no part `update`" in done.stderr
    assert "did you mean `updates`?" in done.stderr
    done = bench("--precision", "fp16")
    assert done.returncode == 2
    assert "precision" in done.stderr
    done = bench("--part", "search", "--frames", "4000", "--device", "cpu")
    assert done.returncode == 2
    assert "makes no update: learning begins after 4,000" in done.stderr
