"""Every command, one module per group; importing this registers them all, and `a2l --help` lists them."""

from a2ls_dsl.cli import analyze as analyze
from a2ls_dsl.cli import bench as bench
from a2ls_dsl.cli import best as best
from a2ls_dsl.cli import compile as compile
from a2ls_dsl.cli import doctor as doctor
from a2ls_dsl.cli import evolve as evolve
from a2ls_dsl.cli import experiment as experiment
from a2ls_dsl.cli import explain as explain
from a2ls_dsl.cli import grammar as grammar
from a2ls_dsl.cli import language as language
from a2ls_dsl.cli import lsp as lsp
from a2ls_dsl.cli import play as play
from a2ls_dsl.cli import report as report
from a2ls_dsl.cli import study as study
from a2ls_dsl.cli import tasks as tasks
from a2ls_dsl.cli import train as train
from a2ls_dsl.cli import validate as validate
from a2ls_dsl.cli.application import app

PANELS = {
    "Losses": ("check", "explain", "fmt", "show", "compile", "grammar", "lsp"),
    "Training and search": (
        "train",
        "play",
        "tasks",
        "evolve",
        "best",
        "study",
        "analyze",
        "report",
        "validate",
        "experiment",
    ),
    "This machine": ("doctor", "bench"),
}
"""The commands of `a2l --help`, in the order in which a new user meets them."""

_ORDER = [name for names in PANELS.values() for name in names]


def _arrange() -> None:
    panels = {name: panel for panel, names in PANELS.items() for name in names}
    for command in app.registered_commands:
        command.name = command.name or (command.callback.__name__ if command.callback else None)
        command.rich_help_panel = panels.get(command.name or "", "More")
    for group in app.registered_groups:
        group.rich_help_panel = panels.get(group.name or "", "More")
    app.registered_commands.sort(
        key=lambda command: _ORDER.index(command.name) if command.name in _ORDER else 99
    )


_arrange()
