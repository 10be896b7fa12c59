"""Who may import whom: a layer only imports what stands before it, and heavy packages have their places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "a2ls_dsl"
LAYERS = (
    "diagnostics",
    "english",
    "words",
    "plugins",
    "lang",
    "editor",
    "ir",
    "backend",
    "rl",
    "search",
    "report",
    "experiment",
    "cli",
)
FACE = ("__init__", "api", "windows")
DOOR = "__main__"
"""The command as a module: imports the command line alone."""
"""The package's public names, for user code; they reach as far as the search."""
LEAVES = ("editor",)
"""Layers that only the command line imports."""
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top, in functions and for type checkers alike."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_layer_imports_only_what_stands_before_it(path: Path) -> None:
    own = "cli" if layer(path) == DOOR else layer(path)
    assert own in LAYERS + FACE, f"{path} belongs to no layer"
    known = LAYERS[: LAYERS.index("search") + 1] if own in FACE else LAYERS[: LAYERS.index(own) + 1]
    if own in (*FACE, "cli"):
        known += FACE
    for name in imports(path):
        root, _, inner = name.partition(".")
        if root != "a2ls_dsl" or inner in ("", "__version__"):
            continue
        assert inner.split(".")[0] in known, f"{path} imports {name}"
        assert inner.split(".")[0] not in LEAVES or own in (*LEAVES, "cli"), f"{path} imports {name}"


def for_type_checkers(path: Path) -> set[str]:
    """The modules that a file imports under `if TYPE_CHECKING:`."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    blocks = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    named = [node for block in blocks for node in ast.walk(block)]
    found = {alias.name for node in named if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module or "" for node in named if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_packages_have_their_places(path: Path) -> None:
    names = list(imports(path))
    if layer(path) == "words":  # formulas are annotated with tensors
        hidden = for_type_checkers(path)
        names = [name for name in names if name not in hidden and name.rpartition(".")[0] not in hidden]
    roots = {name.split(".")[0] for name in names}
    if layer(path) in ("diagnostics", "words", "lang", "editor", "ir"):
        assert not roots & {"torch", "scipy"}
    if path not in (Path("editor", "server.py"), Path("editor", "protocol.py")):
        assert not roots & {"pygls", "lsprotocol"}
    if path.parts[:2] != ("rl", "envs"):
        assert not roots & {"dm_control", "dm_env", "mujoco", "OpenGL", "ale_py", "atari_py", "gymnasium"}
    if layer(path) in LAYERS[: LAYERS.index("cli")]:
        assert not roots & {"typer", "rich"}


def test_every_layer_that_is_there_is_known() -> None:
    assert {layer(path) for path in MODULES} <= {*LAYERS, *FACE, DOOR}
    assert {"diagnostics", "lang", "ir", "backend", "rl", "search", "cli"} <= {
        layer(path) for path in MODULES
    }
