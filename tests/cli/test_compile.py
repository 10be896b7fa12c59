"""`a2l compile` reports what it built, for real environments."""

from __future__ import annotations

import subprocess

import torch
from forked import a2l
from torch import nn

import a2ls_dsl
from a2ls_dsl.backend.export import export


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return a2l("compile", *arguments)


def test_compile_prints_horizon_shapes_parameters_and_passes() -> None:
    done = run("a2_winner", "--env", "walker-walk")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("a2_winner = mse({ s[t+1], a[t+1..t+3] }")
    assert lines[1] == "horizon 3: windows of 4 steps, t..t+3"
    assert lines[2].startswith("passes (nodes after each): lower 16 -> ")
    # One state and three actions in; two states and two rewards out.
    source, target = 64 + 3 * 6, 2 * 64 + 2
    hidden = 2 * source
    parameters = source * hidden + 3 * hidden + hidden * target + target
    assert lines[3].startswith("walker-walk: observation 24, action 6, features 64")
    assert f"predictor {source} -> {hidden} -> {target}; {parameters:,} parameters; compiled in " in lines[3]
    module = a2ls_dsl.compile(a2ls_dsl.load("a2_winner"), observation=24, action=6, features=64)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_a_view_on_vectors_is_a_warning() -> None:
    done = run("curl", "--env", "cartpole-swingup")
    assert done.returncode == 0
    assert "warning: `crop` changes nothing on vector observations" in done.stdout


def test_a_module_goes_to_stdout() -> None:
    done = run("curl", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout == export("curl", a2ls_dsl.load("curl"))


def test_unknown_names_are_explained() -> None:
    for arguments, words in (
        (["a2_winner", "--env", "walker-wlak"], "did you mean `walker-walk`?"),
        (["a2_winner", "--name", "a2_winer"], "a2_winner"),
        (["a2_winer"], "a2_winner"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_the_predictor_is_the_papers() -> None:
    """Linear, BatchNorm over the batch, ReLU, Linear, with twice as many hidden units as inputs."""
    module = a2ls_dsl.compile(a2ls_dsl.load("forward_dynamics"), observation=3, action=2, features=4)
    (predictor,) = module.heads
    x = torch.randn(16, 6)
    hidden = x @ predictor[0].weight.T + predictor[0].bias
    normal = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
    expected = torch.relu(normal) @ predictor[3].weight.T + predictor[3].bias
    for mode in (True, False):
        predictor.train(mode)
        torch.testing.assert_close(predictor(x), expected)
    assert [type(layer) for layer in predictor] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert predictor[0].out_features == 12
