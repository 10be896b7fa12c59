"""The package has no way to run data as code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import a2ls_dsl

PACKAGE = Path(a2ls_dsl.__file__).parent
MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml",
    "code",
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
METHODS = {
    *("torch.load", "torch.save", "torch.jit.load", "os.system", "os.popen", "runpy.run_path"),
    *("pandas.read_pickle", "sys.path.insert", "sys.path.append"),
}
# They import what the package itself names, its own modules and its requirements; the strategies also what
# --strategy names, the user's own class, from the working folder too, `plugins.py` what --plugin names, and
# `gym_make.py` what --env names: an environment of the user's.
IMPORTERS = {
    *("__init__.py", "cli/machine.py", "plugins.py", "rl/envs/gym_make.py", "search/strategies/calls.py"),
    "words/__init__.py",
}
IMPORTS = {"importlib.import_module", "sys.path.insert"}


def findings(text: str, importer: bool = False) -> Iterator[str]:
    """What in a Python file can run data as code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called in CALLS | METHODS and not (importer and called in IMPORTS):
                yield called
            if called.endswith("import_module") and not importer:
                yield called
            if called.endswith((".load", ".savez")) and called.startswith(("np.", "numpy.")):
                yield from [called] if options.get("allow_pickle") != "False" else []
            if options.get("shell", "False") != "False" or "load_extension" in called:
                yield called


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "importlib.import_module(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "connection.enable_load_extension(True)",
    ],
)
def test_the_search_of_the_package_finds(text: str) -> None:
    assert list(findings(text))


def test_the_package_has_no_way_to_run_data() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    calls = {
        str(path.relative_to(PACKAGE)): names
        for path in files
        if (names := list(findings(path.read_text(), str(path.relative_to(PACKAGE)) in IMPORTERS)))
    }
    assert calls == {}
