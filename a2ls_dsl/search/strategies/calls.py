"""Finds and calls the strategy of a search; what a user's strategy raises becomes an error that says
where."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.search.strategies.evolution import Origin, Proposal
from a2ls_dsl.search.strategies.proposals import check_several, loss_of
from a2ls_dsl.search.strategies.registry import STRATEGIES, Knowledge, Scored, Strategy

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.lang.grammar import Grammar
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.search.settings import SearchSettings

_FIX = "docs/search.md#a-strategy-of-your-own says what it has to have"


def strategy_of(settings: SearchSettings, grammar: Grammar) -> Strategy:
    """The strategy that settings name. Raises `A2lError` if there is none, or if making it fails."""
    name = settings.strategy
    if name in STRATEGIES:
        module, _, own = STRATEGIES[name].place.partition(":")
        strategy: Strategy = getattr(importlib.import_module(module), own)(grammar, settings)
        return strategy
    made = _class(name)
    with _explained(name, "when it is made"):
        strategy = made(grammar, settings)
    return strategy


def ranked(strategy: Strategy, name: str, scored: Sequence[Scored]) -> list[Loss]:
    """The scored losses, the best first by the strategy's own ranking, else by the means; of equal means the
    earlier first."""
    by_mean = [entry.loss for entry in sorted(scored, key=lambda entry: -entry.score)]
    if not hasattr(strategy, "ranked"):
        return by_mean
    with _explained(name, "in `ranked`"):
        believed = list(dict.fromkeys(strategy.ranked(scored)))
    losses = set(by_mean)
    return list(dict.fromkeys([*(loss for loss in believed if loss in losses), *by_mean]))


def proposed(strategy: Strategy, name: str, known: Knowledge, rng: Generator) -> list[Proposal]:
    """What a strategy proposes: each loss once, and none that is taken."""
    with _explained(name, "in `propose`"):
        given = strategy.propose(known, rng)
        answers = [] if isinstance(given, str) else list(given)
    check_several(given, f"the strategy {name}")
    proposals = [
        answer
        if isinstance(answer, Proposal)
        else Proposal(loss_of(answer, f"the strategy {name}"), Origin.STRATEGY)
        for answer in answers
    ]
    return list(
        {proposal.key: proposal for proposal in proposals if proposal.key not in known.taken}.values()
    )


def _class(name: str) -> Any:
    """The class that `module:Class` names: on the path, or in the working folder."""
    module, _, own = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    with _explained(name, "when its module is imported"):
        try:
            loaded = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise A2lError(
                f"there is no module `{error.name}` for the strategy {name}",
                "it has to be on the path or in the working folder",
            ) from None
    classes = [title for title, value in vars(loaded).items() if isinstance(value, type)]
    if own not in classes:
        raise unknown(f"class in {module} called", own, classes or ["none"])
    if not callable(getattr(chosen := getattr(loaded, own), "propose", None)):
        raise A2lError(f"the class {name} has no method `propose(known, rng)`", _FIX)
    return chosen


@contextmanager
def _explained(name: str, where: str) -> Iterator[None]:
    """Turns what a user's strategy raises into an error with its place; those of the package pass through."""
    try:
        yield
    except A2lError:
        raise
    except Exception as error:
        if name in STRATEGIES:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise A2lError(
            f"the strategy {name} failed {where}: {reason} ({last.filename}, line {last.lineno})",
            f"fix it and run the same command again, scores so far are stored; {_FIX}",
        ) from error
