"""The exported file: torch only, and the same loss."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from strategies import compilable, losses, windows
from torch import nn

from a2ls_dsl.backend.export import class_name, export
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.load import load_one

SPACES = Spaces(observation=3, action=2, features=4)


def exported(name: str, loss: Loss) -> nn.Module:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(export(name, loss))
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return getattr(module, class_name(name))(action=SPACES.action, features=SPACES.features)


def same(loss: Loss, module: nn.Module, compiled: CompiledLoss) -> None:
    """Equal value and gradients with equal parameters, on random windows."""
    module.double().load_state_dict(compiled.double().state_dict())
    window = windows(SPACES, 6, loss.horizon + 1, seed=1)
    results = []
    for each in (module, compiled):
        generator = torch.Generator().manual_seed(0)
        online, target = (
            torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
        )
        arguments = (lambda x, w=online: torch.tanh(x @ w), lambda x, w=target: torch.tanh(x @ w))
        data = (window,) if each is compiled else (window.observation, window.action, window.reward)
        value = each(*arguments, *data)
        value.backward()
        assert target.grad is None
        results.append([value.detach(), online.grad, *(p.grad for p in each.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", compilable())
def test_every_shipped_loss_is_the_same_outside(name: str) -> None:
    label, loss = load_one(name)
    same(loss, exported(label, loss), compile_loss(loss, SPACES))


@settings(max_examples=40)
@given(losses(terms=3, views=True))
def test_any_loss_is_the_same_outside(loss: Loss) -> None:
    same(loss, exported("some_loss", loss), compile_loss(loss, SPACES))


def test_views_are_drawn_by_the_agents_own_augmentation() -> None:
    module = exported("curl", load_one("curl")[1])
    calls: list[str] = []

    def augment(view: str, x: torch.Tensor) -> torch.Tensor:
        calls.append(view)
        return x + len(calls)

    data = torch.randn(5, 1, 3), torch.randn(5, 1, 2), torch.randn(5, 1)
    seen: list[torch.Tensor] = []

    def encoder(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.cat([x, x[:, :1]], dim=1)

    module(encoder, encoder, *data, augment=augment)
    assert calls == ["crop", "crop"]
    torch.testing.assert_close(seen[0] + 1, seen[1])


def test_the_file_runs_in_a_process_without_the_package(tmp_path: Path) -> None:
    """Written by the command, and imported where this package can't be."""
    path = tmp_path / "winner.py"
    command = ["compile", "a2_winner", "-o", str(path)]
    run = [sys.executable, "-c", "from a2ls_dsl.cli import main; main()", *command]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "class A2Winner(action, features)" in done.stdout
    script = (
        "import sys, importlib.abc\n"
        "class Block(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'a2ls_dsl': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import torch\n"
        "from winner import A2Winner\n"
        "loss = A2Winner(action=2, features=3)\n"
        "value = loss(torch.tanh, torch.tanh, torch.ones(4, 4, 3), torch.ones(4, 4, 2), torch.ones(4, 4))\n"
        "value.backward()\n"
        "print(loss.horizon, value.isfinite().item())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "3 True\n", done.stderr


def test_the_file_imports_torch_only_and_is_clean(tmp_path: Path) -> None:
    for name in compilable():
        label, loss = load_one(name)
        text = export(label, loss)
        roots = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert roots <= {"math", "collections", "torch"}
        (tmp_path / f"{label}.py").write_text(text)
    lint = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F,E",
        "--line-length",
        "110",
        ".",
    ]
    done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_folder_that_is_not_there_is_explained(tmp_path: Path) -> None:
    run = [sys.executable, "-c", "from a2ls_dsl.cli import main; main()", "compile", "curl", "-o"]
    done = subprocess.run(
        [*run, str(tmp_path / "nowhere" / "x.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "check the path" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_python_files_are_written(tmp_path: Path) -> None:
    """`-o` must not replace the loss it reads."""
    path = tmp_path / "mine.a2l"
    path.write_text("loss mine = mse({ s[t] } -> { s[t+1] })\n")
    run = [sys.executable, "-c", "from a2ls_dsl.cli import main; main()", "compile", str(path), "-o"]
    for output in (str(path), str(tmp_path), "/", ""):
        done = subprocess.run([*run, output], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert path.read_text().startswith("loss mine")
    assert [each.name for each in tmp_path.iterdir()] == ["mine.a2l"]
