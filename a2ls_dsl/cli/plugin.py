"""`--plugin`, an option of every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

Plugin = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE|MODULE",
        help="Run a Python file that adds operators, views, heads or strategies (repeatable).",
    ),
]


def give_plugins(app: typer.Typer) -> None:
    """Add `--plugin` to every command of an app, and load the plugins that a user names before it runs."""
    for command in _commands(app):
        if command.callback is not None:
            command.callback = _with_plugins(command.callback)


def _commands(app: typer.Typer) -> Iterator[Any]:
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance)


def _with_plugins(callback: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(callback)
    def command(*given: Any, plugin: list[str] | None, **options: Any) -> None:
        from a2ls_dsl import plugins

        plugins.load_installed()
        plugins.load_project()
        plugins.load(plugin or [])
        callback(*given, **options)

    signature = inspect.signature(callback, eval_str=True)
    option = inspect.Parameter("plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Plugin)
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    command.__annotations__ = {**callback.__annotations__, "plugin": Plugin}
    return command
