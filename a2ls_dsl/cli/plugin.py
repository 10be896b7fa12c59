"""Groups of commands, each of which takes `--plugin`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.models import CommandFunctionType

Plugin = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE|MODULE",
        help="Run a Python file that adds operators, views, heads or strategies (repeatable).",
    ),
]


class Commands(typer.Typer):
    """Commands that load what the user names behind `--plugin` before they run."""

    def command(
        self, name: str | None = None, **options: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Register a function as a command; the function itself stays as it is."""
        register = super().command(name, **options)

        def registered(callback: CommandFunctionType) -> CommandFunctionType:
            register(_with_plugins(callback))
            return callback

        return registered


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
