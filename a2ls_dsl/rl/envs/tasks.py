"""The registry of suites and tasks, by name.

A name describes a task completely: `walker-walk`, `Pong?sticky=0.25`. No package that plays is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.rl.envs.atari_suite import Atari
from a2ls_dsl.rl.envs.dmc_suite import DmControl
from a2ls_dsl.rl.envs.gym_suite import Gymnasium, Own
from a2ls_dsl.rl.envs.suite import Suite
from a2ls_dsl.rl.envs.task import Arguments, Task, given_twice, split_name

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Task", "all_tasks", "find_suite", "find_task", "read_task", "suite_of"]

GROUP = "a2ls_dsl.suites"
"""The entry point group for suites of other packages: each names a subclass of `Suite`."""

OWN: tuple[type[Suite], ...] = (Gymnasium, DmControl, Atari, Own)
"""The suites that come with the package, in the order in which a name is looked up."""


@cache
def _others() -> dict[str, EntryPoint]:
    """The suites of other packages, which are loaded on demand."""
    from importlib.metadata import entry_points  # slow to import

    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def find_suite(name: str) -> Suite:
    """The suite of that name. Raises `A2lError` if there is none, or if another package's can't be loaded."""
    for own in OWN:
        if own.name == name:
            return own()
    if name not in _others():
        raise unknown("suite of tasks", name, [*(own.name for own in OWN), *_others()])
    entry = _others()[name]
    try:
        made = entry.load()()
    except Exception as error:  # another package may raise anything
        raise A2lError(
            f"the suite `{name}` can't be loaded from {entry.value}: {type(error).__name__}: {error}",
            "fix or uninstall the package that registers it",
        ) from error
    if not isinstance(made, Suite):
        raise A2lError(
            f"the entry point `{name}`, {entry.value}, is not a suite", "name a subclass of `Suite`"
        )
    return made


def suite_of(task: Task) -> Suite:
    """The suite of a task."""
    return find_suite(task.suite)


def find_task(name: str, arguments: Arguments | None = None) -> Task:
    """The task of that name; case doesn't matter, nor whether words are joined by `-` or `_`.

    arguments: further arguments besides those after a `?` in the name. Raises A2lError with the nearest name,
    or a list of names, if there is no such task, and for an argument in both places.
    """
    plain, query = split_name(name)
    for twice in query.keys() & dict(arguments or {}).keys():
        raise given_twice(twice)
    given = query | dict(arguments or {})
    prefix, colon, rest = plain.partition(":")
    if colon and (prefix in _others() or any(prefix == suite.name for suite in OWN)):
        suite = find_suite(prefix)
        task = suite.find(rest, given)
        if task is None:
            raise A2lError(f"there is no task `{rest}` in the suite {prefix}", _fix([suite], rest))
        return task
    own = [find_suite(suite.name) for suite in OWN]
    for suite in own:
        task = None if suite.prefixed else suite.find(plain, given)
        if task is not None:
            return task
    raise A2lError(f"there is no task `{name}`", _fix(own, plain))


def all_tasks() -> tuple[Task, ...]:
    """Every task that can be listed, suite by suite."""
    return tuple(task for suite in OWN for task in find_suite(suite.name).tasks())


def read_task(values: Mapping[str, Any]) -> Task:
    """The task that `task.task_values` described."""
    return find_suite(values["suite"]).task_type(**values["task"])


def _fix(candidates: list[Suite], name: str) -> str:
    for suite in candidates:
        if guess := suite.nearest(name):
            return f"did you mean `{guess}`?"
    hints = [hint for suite in candidates if (hint := suite.hint(name))]
    return hints[0] if hints else f"a task is {'; or '.join(suite.listing for suite in candidates)}"
