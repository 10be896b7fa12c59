"""Every example trains in a process that can't import this package, and its auxiliary loss falls."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from examples.shipped_examples import EXAMPLES, commands

# Which packages each needs that aren't requirements of this one, and what makes it show the loss twice, soon.
NEEDS = {
    "plain_sac.py": ((), ["--steps", "625"]),
    "sb3_sac.py": (("stable_baselines3",), ["--steps", "420", "--env", "short:Short-v1"]),
    "torchrl_sac.py": (("torchrl", "tensordict"), ["--steps", "625"]),
}
SHORT = """
import gymnasium
gymnasium.register('Short-v1', 'gymnasium.envs.classic_control:PendulumEnv', max_episode_steps=60)
"""
LOSS = re.compile(r"auxiliary[ _]loss[ |]+([0-9.e+-]+\d)")


def test_every_example_is_here() -> None:
    assert {script.name for script in EXAMPLES.glob("*.py")} - {"a2_winner_v.py"} == set(NEEDS)


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_docstring_gives_two_commands(name: str) -> None:
    assert commands(EXAMPLES / name) == [
        ["a2l", "compile", "a2_winner_v", "-o", "examples/a2_winner_v.py"],
        ["python", f"examples/{name}"],
    ]


@pytest.mark.timeout(900)  # seconds of one core; more where others want it, too
@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_example_runs_without_the_package_and_its_loss_falls(
    name: str, exported: Path, tmp_path: Path
) -> None:
    packages, options = NEEDS[name]
    for package in packages:
        pytest.importorskip(package)
    # Stands in front of the real package: whoever imports it fails.
    (tmp_path / "a2ls_dsl.py").write_text("raise ImportError('an example imports a2ls_dsl')\n")
    (tmp_path / "short.py").write_text(SHORT)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    tried = [sys.executable, "-c", "import a2ls_dsl"]
    blocked = subprocess.run(tried, cwd=exported, env=environment, capture_output=True, check=False)
    assert blocked.returncode == 1
    _, (_, script) = commands(EXAMPLES / name)
    done = subprocess.run(
        [sys.executable, script, *options],
        cwd=exported,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = [float(number) for number in LOSS.findall(done.stdout)]
    assert len(losses) >= 2, done.stdout
    assert losses[-1] < 0.6 * losses[0]
    assert re.search(r"return|ep_rew_mean", done.stdout)
