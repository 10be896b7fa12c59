"""`a2l train` with several losses: one stack, a curve an arm and seed, and how the arms stand at the end."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from forked import Started, a2l
from scipy.stats import t
from typer.testing import CliRunner

from a2ls_dsl.cli import app
from a2ls_dsl.cli import commands as commands  # registers them
from a2ls_dsl.cli.arms import losses, summary
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report.arms import Arm, beside_reference, chart
from a2ls_dsl.report.style import CURVES
from a2ls_dsl.rl.runs.curve import Point

TINY = ["--env", "cartpole-swingup", "--hidden", "16", "--batch-size", "8", "--random-steps", "30"]
TINY += ["--frames", "1440", "--eval-every", "480", "--eval-episodes", "1", "--workers", "1"]
EXACT = [*TINY, "--seeds", "2", "--deterministic"]


def test_arms_of_a_stack_learn_as_alone_also_when_interrupted(tmp_path: Path) -> None:
    """Stopped by Ctrl-C, run again, and run once more: curves of losses that were trained by themselves."""
    both = ["train", *EXACT, "--loss", "none, a2_winner", "--out", str(tmp_path / "both")]
    process = Started(*both)
    while "frames/s" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate()
    assert process.returncode == 130
    assert "run the same command again to go on from" in text
    again = a2l(*both)
    assert again.returncode == 0, again.stderr
    assert "losses none, a2_winner: 2 seeds of each as one stack" in again.stdout
    assert "resuming from" in again.stdout
    for arm in ("none", "a2_winner"):
        alone = tmp_path / arm
        done = a2l("train", *EXACT, "--loss", arm, "--out", str(alone))
        assert done.returncode == 0, done.stderr
        for seed in (0, 1):
            together = tmp_path / "both" / f"{arm}-seed-{seed}.csv"
            assert together.read_bytes() == (alone / f"seed-{seed}.csv").read_bytes()
    pair, single = (
        json.loads((tmp_path / folder / "run.json").read_text())["plan"] for folder in ("both", "none")
    )
    assert pair["arms"] == ["none", "none", "a2_winner", "a2_winner"]
    assert "arms" not in single  # as older runs, which are still resumed

    last = a2l(*both).stdout
    assert "already ended" in last
    assert last.splitlines()[-6:] == again.stdout.splitlines()[-6:]
    picture = tmp_path / "both" / "curves.svg"
    assert str(picture) in last.splitlines()[-1]
    names = [node.text for node in ElementTree.parse(picture).iter() if "name" in node.get("class", "")]
    assert names == ["none", "a2_winner"]
    assert not (tmp_path / "none" / "curves.svg").exists()


def test_the_folder_names_all_losses_and_lines_show_them_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = a2l("train", *TINY, "--loss", "none,forward_dynamics", "--frames", "480")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "cartpole-swingup-none-forward_dynamics"
    (head,) = [line for line in done.stdout.splitlines() if line.split()[0:1] == ["frames"]]
    (line,) = [line for line in done.stdout.splitlines() if line.lstrip().startswith("480 frames  ")]
    assert head.split() == ["frames", "none", "forward_dynamics"]
    returns = [float((folder / f"{arm}-seed-0.csv").read_text().split("\n")[1].split(",")[1])
               for arm in head.split()[1:]]  # fmt: skip
    assert line.split()[2:] == [f"{value:.1f}" for value in returns]
    assert "--seeds 3" in done.stdout  # one seed has no interval


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "none,a2_winer"], "did you mean the shipped loss `a2_winner`?"),
        (["--loss", "nnone,spr"], "did you mean `none`?"),
        (["--loss", "none,,spr"], "a name is missing in --loss none,,spr"),
        (["--loss", "spr,none,spr"], "`spr` stands twice"),
        (["--loss", "copy.a2l,a2_winner"], "`a2_winner` and `mine` are the same loss"),
        (
            ["--loss", "spr,other/spr.a2l"],
            "two different losses of --loss spr,other/spr.a2l are called `spr`",
        ),
        (["--loss", "none,spr", "--name", "spr"], "--name chooses a loss of one file"),
        (["--loss", "none", "--preset", "laptop", "--obs", "pixels"], "the preset laptop is for vectors"),
        (["--loss", "none", "--preset", "laptop", "--rainbow", "spr"], "leave out --rainbow"),
        (["--env", "Pong", "--loss", "none", "--preset", "laptop"], "the preset laptop is for vectors"),
    ],
)
def test_wrong_lists_are_explained(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "mse({ s[t+1], a[t+1..t+3] } -> { s[t+2], s[t+3], r[t], r[t+1] })"
    (tmp_path / "copy.a2l").write_text(f"loss mine = {text}\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "spr.a2l").write_text(f"loss spr = {text}\n")
    done = CliRunner().invoke(app, ["train", "--env", "cartpole-swingup", *arguments])
    assert isinstance(done.exception, A2lError), done.output
    assert words in f"{done.exception.message}: {done.exception.fix}"
    assert not (tmp_path / "runs").exists()


def test_a_file_whose_name_holds_a_comma_is_one_loss(tmp_path: Path) -> None:
    path = tmp_path / "a,b.a2l"
    path.write_text("loss a = mse({ s[t] } -> { s[t+1] })\nloss b = mse({ s[t] } -> { r[t] })\n")
    assert [*losses(str(path), None)] == ["b"]
    assert [*losses(str(path), "a")] == ["a"]


def test_the_preset_is_a_scale_that_options_change(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = a2l(
        *["train", "--env", "cheetah-run", "--loss", "none", "--preset", "laptop", "--hidden", "16"],
        *["--eval-episodes", "2", "--workers", "1", "--hours", "0", "--out", str(out)],
    )
    assert done.returncode == 75, done.stderr
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["frames"] == 50_000
    assert plan["evaluation"] == {"every_frames": 10_000, "episodes": 2}
    settings = plan["settings"]
    assert (settings["hidden"], settings["batch_size"], settings["learning_rate"]) == (16, 64, 1e-3)


def arm(name: str, *scores: float) -> Arm:
    """Of as many seeds; the first evaluation is before learning, and counts for nothing."""
    return Arm(
        name,
        {
            seed: [Point(100, (999.0,), 999.0), Point(200, (x - 3,), x + 1), Point(300, (x + 1,), math.nan)]
            for seed, x in enumerate(scores)
        },
    )


def test_arms_stand_beside_none_wherever_it_is() -> None:
    ours, none, low = arm("ours", 50, 60, 73), arm("none", 10, 20, 30), arm("low", -60, -70, -80)
    rows = {row.arm.name: row for row in beside_reference([ours, none, low], 100)}
    assert rows["none"].lead is None
    assert rows["ours"].mean == pytest.approx(61)
    lead = rows["ours"].lead
    assert lead is not None
    assert lead.value == pytest.approx(41)
    # Welch's interval, at the confidence at which those of both arms hold together.
    errors = np.array([np.var([50, 60, 73], ddof=1), np.var([10, 20, 30], ddof=1)]) / 3
    freedom = errors.sum() ** 2 / (errors**2 / 2).sum()
    assert lead.high - lead.value == pytest.approx(t.ppf(1 - 0.05 / 4, freedom) * errors.sum() ** 0.5)
    table, notes = summary([ours, none, low], 100)
    assert [row[-1] for row in table.rows] == ["better", "", "worse"]
    assert "vs none" in [column.name for column in table.columns]
    assert any("for all of them together" in note for note in notes)


def test_what_cannot_be_said_is_not_said() -> None:
    table, notes = summary([arm("a", 1, 30, 2), arm("b", 10, 20, 30)], 100)
    assert [row[-1] for row in table.rows] == ["", "can't be said"]
    assert "vs a" in [column.name for column in table.columns]  # the first, where none isn't among them
    table, notes = summary([arm("none", 1, 2), arm("b", 100, 101)], 100)
    assert [row[-1] for row in table.rows] == ["", "can't be said"]
    assert any("--seeds 3" in note for note in notes)
    table, notes = summary([arm("none", 1), arm("b", 100)], 1_000)
    assert table.rows == (("none", "", "", "", "", ""), ("b", "", "", "", "", "can't be said"))
    assert any("train for more --frames" in note for note in notes)


def test_more_arms_than_colours_are_all_drawn() -> None:
    svg = chart([arm(f"loss{number}", number, number + 1) for number in range(CURVES + 1)], "Curves")
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    kinds = [node.get("class", "").split() for node in root.iter() if node.tag.endswith("path")]
    curves = [kind[1] for kind in kinds if kind[0] == "curve"]
    assert len(curves) == CURVES + 1
    style = next(node.text or "" for node in root.iter() if node.tag.endswith("style"))
    assert all(f".{kind} {{ stroke" in style for kind in curves)
