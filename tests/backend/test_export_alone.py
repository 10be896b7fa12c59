"""Exported files run in a process that knows nothing of the package, and are clean and typed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import torch
from backend.exported import SPACES, estimate
from forked import a2l
from random_windows import windows

from a2ls_dsl.backend.export import class_name, export
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one


def test_every_shipped_loss_is_typed(tmp_path: Path) -> None:
    """With the options of the package's own check, so that what that knows of torch is known here."""
    for name in shipped("losses", ".a2l"):
        label, loss = load_one(name)
        (tmp_path / f"{name}.py").write_text(export(label, loss))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\npython_version = 3.11\n")
    cache = Path(__file__).parents[2] / ".mypy_cache"
    done = subprocess.run(
        [*(sys.executable, "-m", "mypy", "--config-file", "mypy.ini"), "--cache-dir", cache, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_file_runs_in_a_process_without_the_package(tmp_path: Path) -> None:
    """Written by the command, and imported where this package can't be."""
    path = tmp_path / "winner.py"
    done = a2l("compile", "a2_winner", "-o", path)
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


CLEAN = """
import importlib, importlib.abc, inspect, json, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'a2ls_dsl': raise ImportError(name)
sys.meta_path.insert(0, Block())
import torch
for name, cls in json.load(open('names.json')).items():
    case = torch.load(name + '.pt')
    made = getattr(importlib.import_module(name), cls)
    sizes = dict(action=2, features=4, data=3)
    module = made(**{key: sizes[key] for key in inspect.signature(made).parameters}).double()
    module.load_state_dict(case['state'])
    given = case['window'] | dict(
        value=lambda f: torch.sin(f.sum(dim=1)), frames=500, generator=torch.Generator().manual_seed(3)
    )
    wanted = inspect.signature(module.forward).parameters
    online, target = case['encoders']
    online.requires_grad_()
    value = module(
        lambda x: torch.tanh(x @ online),
        lambda x: torch.tanh(x @ target),
        **{key: each for key, each in given.items() if key in wanted},
    )
    value.backward()
    found = [value.detach(), online.grad, *(each.grad for each in module.parameters())]
    for one, other in zip(found, case['expected'], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    print(name)
"""


def test_every_shipped_loss_is_the_same_in_a_process_without_the_package(tmp_path: Path) -> None:
    """Value and gradients, with the parameters, the window and the draws that the module here had."""
    names = {}
    for name in shipped("losses", ".a2l"):
        label, loss = load_one(name)
        compiled = compile_loss(loss, SPACES).double()
        window = windows(SPACES, 6, loss.horizon + 1, seed=1)
        numbers = torch.Generator().manual_seed(0)
        online, target = torch.randn(2, 3, 4, dtype=torch.float64, generator=numbers)
        online.requires_grad_()
        value = compiled(
            *(lambda x, w=online: torch.tanh(x @ w), lambda x, w=target: torch.tanh(x @ w), window),
            value=estimate,
            frames=500,
            generator=torch.Generator().manual_seed(3),
        )
        value.backward()
        parts = {key: tensor for key, tensor in vars(window).items() if tensor is not None}
        case = {
            "state": compiled.state_dict(),
            "window": parts,
            "encoders": [online.detach(), target],
            "expected": [
                value.detach(),
                online.grad,
                *(parameter.grad for parameter in compiled.parameters()),
            ],
        }
        torch.save(case, tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.py").write_text(export(label, loss))
        names[name] = class_name(label)
    (tmp_path / "names.json").write_text(json.dumps(names))
    done = subprocess.run(
        [sys.executable, "-c", CLEAN], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(names)


def test_the_file_imports_torch_only_and_is_clean(tmp_path: Path) -> None:
    for name in shipped("losses", ".a2l"):
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
