"""Who may import whom: a layer only imports what stands before it, and heavy packages have their places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from a2ls_dsl.rl.agents import ALGORITHMS
from a2ls_dsl.rl.envs.tasks import OWN

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
    below = LAYERS[: LAYERS.index("search") + 1] if own in FACE else LAYERS[: LAYERS.index(own) + 1]
    if own in (*FACE, "cli"):
        below += FACE
    for name in imports(path):
        root, _, inner = name.partition(".")
        if root != "a2ls_dsl" or inner in ("", "__version__"):
            continue
        assert inner.split(".")[0] in below, f"{path} imports {name}"
        assert inner.split(".")[0] not in LEAVES or own in (*LEAVES, "cli"), f"{path} imports {name}"


def for_type_checkers(path: Path) -> set[str]:
    """The modules that a file imports under `if TYPE_CHECKING:`."""
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    blocks = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    named = [node for block in blocks for node in ast.walk(block)]
    modules = {alias.name for node in named if isinstance(node, ast.Import) for alias in node.names}
    return modules | {node.module or "" for node in named if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_heavy_packages_have_their_places(path: Path) -> None:
    names = list(imports(path))
    if layer(path) == "words":  # formulas are annotated with tensors
        hidden = for_type_checkers(path)
        names = [name for name in names if name not in hidden and name.rpartition(".")[0] not in hidden]
    roots = {name.split(".")[0] for name in names}
    if layer(path) in ("diagnostics", "words", "lang", "editor", "ir"):
        assert not roots & {"torch", "scipy"}
    if path.parts[:2] != ("editor", "protocol"):
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


def module_name(path: Path) -> str:
    parts = ["a2ls_dsl", *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path): path for path in MODULES}


def imported_modules(name: str) -> set[str]:
    """The modules of the package that a module imports when it runs, in functions as well."""

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.ImportFrom):
                inner = (f"{child.module}.{alias.name}" for alias in child.names)
                yield from (path if path in NAMES else child.module or "" for path in inner)
            elif isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            yield from visit(child)

    tree = ast.parse((PACKAGE / NAMES[name]).read_text(encoding="utf-8"))
    return (set(visit(tree)) & NAMES.keys()) - {name}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside of functions count: they hide a cycle and don't end it. Those of types alone don't."""
    TopologicalSorter({name: imported_modules(name) for name in NAMES}).prepare()  # raises `CycleError`


@pytest.mark.parametrize("own", [*LAYERS, *FACE])
def test_no_class_name_is_defined_twice_in_a_layer(own: str) -> None:
    places: dict[str, list[str]] = {}
    for path in (path for path in MODULES if layer(path) == own):
        for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path))
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


EQUALITIES = ast.Eq | ast.NotEq | ast.Is | ast.IsNot
MOST_CHECKS = 5
"""How many times the package may ask which algorithm learns, or which suite a task is of."""


def checks(tree: ast.AST, classes: set[str], names: set[str]) -> Iterator[str]:
    """Where code asks which algorithm or suite it is: for its class, its name, or actions by number."""
    asserted = {part for node in ast.walk(tree) if isinstance(node, ast.Assert) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if node in asserted:  # said to the type checker; nothing depends on it
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            if any(isinstance(part, ast.Name) and part.id in classes for part in ast.walk(node.args[1])):
                yield ast.unparse(node)
        elif isinstance(node, ast.Compare) and isinstance(
            node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot
        ):
            parts = [constant.value for constant in ast.walk(node) if isinstance(constant, ast.Constant)]
            asked = ast.unparse(node.left).endswith(("algorithm", "agent", "suite", ".name"))
            if asked and names.intersection(part for part in parts if isinstance(part, str)):
                yield ast.unparse(node)
        elif isinstance(node, ast.If | ast.IfExp | ast.BoolOp):
            parts = node.values if isinstance(node, ast.BoolOp) else [node.test]
            reads = [part for part in parts if isinstance(part, ast.Attribute) and part.attr == "discrete"]
            yield from (ast.unparse(node) for read in reads if ast.unparse(read.value) in ("task", "case"))


def test_few_places_ask_which_algorithm_or_suite_there_is() -> None:
    """All else asks the entry: see `rl/algorithm.py` and `rl/envs/suite.py`. Their own files may know it."""
    entries = [*ALGORITHMS.values(), *(suite() for suite in OWN)]
    classes = {cls for entry in ALGORITHMS.values() for cls in (type(entry), entry.settings, entry.stack)}
    classes |= {cls for suite in OWN for cls in (suite, suite.task_type)}
    registries = {"a2ls_dsl.rl.agents", "a2ls_dsl.rl.envs.tasks"}
    homes = registries | {cls.__module__ for cls in classes}
    checked = {
        name: places
        for name, path in NAMES.items()
        if name not in homes
        if (
            places := list(
                checks(
                    ast.parse((PACKAGE / path).read_text(encoding="utf-8")),
                    {cls.__name__ for cls in classes},
                    {entry.name for entry in entries},
                )
            )
        )
    }
    assert sum(map(len, checked.values())) <= MOST_CHECKS, "\n".join(map(str, checked.items()))
