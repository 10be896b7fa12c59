"""The application that commands register with. They import heavy packages (torch, dm_control) when they
run."""

from __future__ import annotations

from typing import Annotated

import typer

from a2ls_dsl.cli.plugin import Commands

app = Commands(
    name="a2l",
    help="Write, compile, search for and trust auxiliary losses for reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from a2ls_dsl import __version__

        print(f"a2l {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """The options of `a2l` itself."""
