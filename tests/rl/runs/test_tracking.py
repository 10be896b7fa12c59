"""Weights & Biases, without a network: what a run leaves in its folder."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from forked import a2l

QUICK = ("train", "--env", "cartpole-swingup", "--loss", "none", "--hidden", "8", "--batch-size", "4")
QUICK += ("--frames", "800", "--eval-every", "400", "--eval-episodes", "1")


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_curves_go_to_wandb_offline(tmp_path: Path) -> None:
    env = {**os.environ, "WANDB_MODE": "offline"}
    done = a2l(*QUICK, "--track", "wandb", "--out", tmp_path / "run", env=env)
    assert done.returncode == 0, done.stderr
    (kept,) = (tmp_path / "run").rglob("run-*.wandb")
    assert b"human_normalised" not in kept.read_bytes()
    assert b"training_return" in kept.read_bytes()


def test_what_cant_be_tracked_has_a_message(tmp_path: Path) -> None:
    done = a2l(*QUICK, "--track", "wandbb", "--out", tmp_path / "run")
    assert done.returncode in (1, 2)
    assert "did you mean `wandb`?" in done.stderr
    if find_spec("wandb") is None:
        done = a2l(*QUICK, "--track", "wandb", "--out", tmp_path / "other")
        assert "pip install 'a2ls-dsl[wandb]'" in done.stderr
