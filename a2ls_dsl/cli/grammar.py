"""`a2l grammar`: what a space of losses holds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.plugin import Commands

if TYPE_CHECKING:
    from a2ls_dsl.lang.grammar import Grammar

commands = Commands(help="Count, sample and query loss grammars (.a2g): search spaces of losses.")
app.add_typer(commands, name="grammar", no_args_is_help=True)

GrammarName = Annotated[
    str, typer.Argument(metavar="GRAMMAR", help="A .a2g file, or a shipped one by name, such as a2ls.")
]


@commands.command()
def count(grammar: GrammarName) -> None:
    """Say how many losses a grammar holds: exactly, or within which bounds."""
    space = _load(grammar)
    print(f"derivations                  {space.derivations()}")
    print(f"that keep the require lines  {space.valid_derivations()}")
    least, greatest = space.bounds()
    number = f"{least}" if least == greatest else f"from {least} to {greatest}"
    print(f"distinct losses              {number}")


@commands.command()
def sample(
    grammar: GrammarName,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many losses.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same losses.")] = 0,
    evenly: Annotated[
        bool, typer.Option("--evenly", help="Give every derivation the same probability.")
    ] = False,
) -> None:
    """Print random losses of a grammar as a loss file."""
    from numpy.random import default_rng

    from a2ls_dsl.lang.syntax.printer import print_loss

    space, rng = _load(grammar), default_rng(seed)
    for index in range(number):
        loss = space.sample_evenly(rng) if evenly else space.sample(rng)
        print(f"loss sample_{index} = {print_loss(loss)}")


@commands.command()
def contains(
    grammar: GrammarName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A loss file, or a shipped loss by name.")],
) -> None:
    """Say for every loss of a file whether a grammar holds it; exit 1 unless it holds all."""
    from a2ls_dsl.lang.load import load

    space, losses = _load(grammar), load(file)
    outside = 0
    for name, loss in losses.items():
        held = space.contains(loss)
        outside += not held
        print(f"{name} is {'' if held else 'not '}in {space.name}")
    if outside:
        raise typer.Exit(1)


def _load(name: str) -> Grammar:
    """The grammar; its warnings go to stderr."""
    from a2ls_dsl.diagnostics import render_all
    from a2ls_dsl.lang.grammar import load_grammar

    grammar = load_grammar(name)
    if grammar.warnings:
        print(render_all(grammar.warnings), file=sys.stderr)
    return grammar
