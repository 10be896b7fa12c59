"""Files and modules of the user's own that add operators, views, heads and strategies: what is named, is run.

Code runs only from what the user names: with `--plugin`, in `[tool.a2l]` of the nearest `pyproject.toml` that
has that table, in the working folder or above it, or by installing a package with an entry point in the group
`a2ls_dsl.plugins`. No loss, grammar, study or run can name any: they hold the words that plugins add.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.words.registry import functions, heads, is_own, operators

GROUP = "a2ls_dsl.plugins"
PROJECT, TABLE = "pyproject.toml", "tool.a2l"

_loaded: dict[str, tuple[str, ...]] = {}


def loaded() -> dict[str, tuple[str, ...]]:
    """The plugins of this process, files by their whole path, and the words that each added."""
    return dict(_loaded)


def hold_all_words() -> bool:
    """Whether another process that loads the same plugins knows all words: none came from elsewhere."""
    known = {word for own in _loaded.values() for word in own}
    return all(word in known for word in _words() if is_own(word))


def load(names: Iterable[str], folder: Path | None = None) -> None:
    """Run plugins that are not loaded yet: `*.py` files and modules, found from a folder or on the path.

    folder: by default the working folder. Raises `A2lError` for what is not there, and for what fails.
    """
    here = (folder or Path.cwd()).resolve()
    for name in names:
        if name.endswith(".py") or "/" in name:
            _load_file(name, here / name)
        else:
            _load_module(name, here)


def load_project(start: Path | None = None) -> None:
    """Run the plugins that a folder's project names. Raises `A2lError` for a table that can't be read."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        path = folder / PROJECT
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if f"[{TABLE}]" in text:
            load(_named(path, text), folder)
            return


def load_installed() -> None:
    """Run the plugins of installed packages. Raises `A2lError` where one fails."""
    if not any(_has_plugins(Path(entry)) for entry in dict.fromkeys(sys.path) if entry):
        return
    from importlib.metadata import entry_points  # takes longer than a command that checks a file

    for point in entry_points(group=GROUP):
        _load_module(point.module, None)


def require(of: str, words: Mapping[str, Iterable[str]]) -> None:
    """Raise `A2lError` where a word is missing that a plugin added to `of`; words: those of each plugin."""
    for name, added in words.items():
        missing = [word for word in added if not _is_known(word)]
        if missing:
            option = Path(name).name if name.endswith(".py") else name
            raise A2lError(
                f"{of} uses `{missing[0]}` of the plugin {option}, which is not loaded",
                f"add --plugin {name}",
            )


def _named(path: Path, text: str) -> list[str]:
    """The plugins that a project file names."""
    import tomllib  # few projects have any

    fix = f'write plugins = ["my_ops.py"] under [{TABLE}]'
    try:
        table = tomllib.loads(text)["tool"]["a2l"]
    except tomllib.TOMLDecodeError as error:
        raise A2lError(f"{path} is not valid TOML: {error}", "mend that line") from None
    for key in table:
        if key != "plugins":
            raise unknown(f"setting of [{TABLE}] in {path}", key, ["plugins"])
    names = table.get("plugins", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise A2lError(f"`plugins` in {path} is not a list of files and modules", fix)
    return names


def _has_plugins(folder: Path) -> bool:
    """Whether a package in a folder of the path names plugins: a search of texts, which takes 2 ms."""
    for path in folder.glob("*.dist-info/entry_points.txt"):
        with contextlib.suppress(OSError):
            if GROUP.encode() in path.read_bytes():
                return True
    return False


def _load_file(name: str, path: Path) -> None:
    known = str(path)
    if known in _loaded:
        return
    if not path.is_file():
        raise A2lError(f"there is no plugin {name}", "check the path; modules are named without `.py`")
    module, there = path.stem, sys.modules.get(path.stem)
    if there is not None and getattr(there, "__file__", None) != known:
        raise A2lError(f"the plugin {name} has the name of a module that is in use", "rename the file")
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise A2lError(f"the plugin {name} is not a Python file", "name a file that ends in .py")
    made = importlib.util.module_from_spec(spec)
    with _adding(name, known, path.parent):
        sys.modules[module] = made  # as an import has it, so that `module:Class` is found
        try:
            spec.loader.exec_module(made)
        except BaseException:
            del sys.modules[module]
            raise


def _load_module(name: str, folder: Path | None) -> None:
    if name in _loaded:
        return
    with _adding(name, name, folder):
        fix = "name a file that ends in .py, or a module on the path or in the working folder"
        if name.startswith("."):  # a folder, or a relative import, which has no package here
            raise A2lError("that is not the name of a module", fix)
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise A2lError("there is no such module", fix) from None


@contextlib.contextmanager
def _adding(name: str, known: str, folder: Path | None) -> Iterator[None]:
    """Notes which words a plugin adds inside; what it raises becomes an error that says where."""
    before = set(_words())
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints must not spoil what is piped
            yield
    except A2lError as error:
        raise A2lError(f"the plugin {name}: {error.message}", error.fix) from None
    except (Exception, SystemExit) as error:
        said = traceback.format_exception_only(error)[-1].strip()
        fix = f"install {error.name}" if isinstance(error, ModuleNotFoundError) else "mend that line"
        raise A2lError(f"the plugin {name} failed: {said}{_place(error)}", fix) from error
    _loaded[known] = tuple(word for word in _words() if word not in before)


def _place(error: BaseException) -> str:
    """Where it was raised; a syntax error says so itself."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _words() -> list[str]:
    return [*operators, *functions, *heads]


def _is_known(word: str) -> bool:
    return word in operators or word in functions or word in heads
