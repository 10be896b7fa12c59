"""What a stranger's agent uses: the five lines, and the errors it can meet."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import a2ls_dsl as a2l


def make() -> tuple[a2l.CompiledLoss, nn.Module, nn.Module, a2l.Window]:
    module = a2l.compile(a2l.load("a2_winner"), observation=24, action=6, features=50)
    observation, action, reward = torch.randn(32, 4, 24), torch.rand(32, 4, 6), torch.rand(32, 4)
    return module, nn.Linear(24, 50), nn.Linear(24, 50), a2l.Window(observation, action, reward)


def test_five_lines_train_an_encoder() -> None:
    module, encoder, target, window = make()
    optimizer = torch.optim.Adam([*encoder.parameters(), *module.parameters()], lr=1e-3)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = module(encoder, target, window)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]
    assert encoder.weight.grad is not None
    assert target.weight.grad is None


def test_spaces_may_be_objects_with_a_shape() -> None:
    box = SimpleNamespace(shape=(4, 6))
    module = a2l.compile(a2l.load("forward_dynamics"), box, SimpleNamespace(shape=()), features=8)
    assert (module.spaces.observation, module.spaces.action) == (24, 1)


def test_a_module_is_an_ordinary_module(tmp_path: object) -> None:
    module, encoder, target, window = make()
    twin = a2l.compile(a2l.load("a2_winner"), observation=24, action=6, features=50)
    twin.load_state_dict(module.state_dict())
    torch.testing.assert_close(twin(encoder, target, window), module(encoder, target, window))
    assert module.horizon == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: a2l.Window(w.observation[:, :3], w.action[:, :3], w.reward[:, :3]), "windows of 4 steps"),
        (lambda w: a2l.Window(w.observation[..., :5], w.action, w.reward), "observations here 24 numbers"),
        (lambda w: a2l.Window(w.observation, w.action[..., :5], w.reward), "actions here 6 numbers"),
        (lambda w: a2l.Window(w.observation[0], w.action[0], w.reward[0]), "first dimension"),
        (lambda w: a2l.Window(w.observation[:1], w.action[:1], w.reward[:1]), "two windows or more"),
    ],
)
def test_windows_that_do_not_fit_are_refused(change: object, words: str) -> None:
    module, encoder, target, window = make()
    with pytest.raises(a2l.A2lError) as error:
        module(encoder, target, change(window))  # type: ignore[operator]
    assert words in error.value.render()


def test_unknown_losses_and_names_are_refused() -> None:
    with pytest.raises(a2l.A2lError, match="a2_wimmer"):
        a2l.load("a2_wimmer")
    with pytest.raises(AttributeError, match="nonsense"):
        a2l.nonsense  # noqa: B018
    with pytest.raises(a2l.A2lError, match="at least one number"):
        a2l.compile(a2l.load("curl"), observation=0, action=1, features=3)
    with pytest.raises(a2l.A2lError, match="0 features"):
        a2l.compile(a2l.load("curl"), observation=2, action=1, features=0)
    with pytest.raises(a2l.A2lError, match="is no loss"):
        a2l.compile("curl", observation=2, action=1, features=3)
    assert {"compile", "load", "Window"} <= set(dir(a2l))


def test_the_package_alone_does_not_import_torch() -> None:
    code = "import sys, a2ls_dsl; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
