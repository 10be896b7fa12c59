"""An option without effect is refused, since its user expects one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2ls_dsl.cli import app
from a2ls_dsl.cli import commands as commands  # registers them
from a2ls_dsl.diagnostics import A2lError

EVOLVE, TRAIN = "evolve --env cartpole-swingup", "train --env cartpole-swingup --loss none"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        *(
            (f"{EVOLVE} --strategy {strategy} --without {gate}", f"has no `{gate}`")
            for strategy in ("paper", "random")
            for gate in ("duplicates", "batch", "rungs")
        ),
        ("evolve --env Pong --strategy async --without batch", "has no `batch`"),
        (f"{EVOLVE} --gpus 2", "--gpus would do nothing"),
        (f"{EVOLVE} --stacks 2", "--stacks would do nothing"),
        (f"{EVOLVE} --ray local --gpus 2 --stacks 2", "--stacks would do nothing"),
        (f"{EVOLVE} --confirm-seeds 5", "--confirm-seeds would do nothing"),
        (f"{EVOLVE} --strategy async --confirm 0 --confirm-seeds 5", "--confirm-seeds would do nothing"),
        (f"{EVOLVE} --ale ale-py", "`ale-py` would emulate nothing"),
        (f"{TRAIN} --ale ale-py", "`ale-py` would emulate nothing"),
        (f"{TRAIN} --name forward", "--name would do nothing"),
        (f"{TRAIN} --shadow-size 64", "leave out --shadow-size"),
        (f"{TRAIN} --rainbow spr", "leave out --rainbow"),
        ("compile spr -o spr.py --env walker-walk", "--env would do nothing"),
        ("bench --env Pong --obs vectors", "--obs would do nothing"),
        *(
            (f"{command} --device cpu --no-capture", "--no-capture would do nothing")
            for command in (EVOLVE, TRAIN, "bench")
        ),
        (f"{EVOLVE} --ray local --no-capture", "--no-capture would do nothing"),
        ("bench --env Pong --part search", "--part search would do nothing"),
        ("bench --obs pixels --grammar a2ls", "--grammar would do nothing"),
        ("bench --part updates --hidden 64", "--hidden would do nothing"),
        ("bench --part updates --frames 8000", "--frames would do nothing"),
    ],
)
def test_an_option_without_effect_is_refused(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, line.split())
    assert isinstance(done.exception, A2lError), done.output
    assert message in f"{done.exception.message}: {done.exception.fix}"
    assert done.exception.fix.startswith("leave ")
    assert list(tmp_path.iterdir()) == []
