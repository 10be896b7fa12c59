"""What to try next: the strategies of a search, an entry each, behind one small interface.

A strategy is asked for proposals whenever a slot would be empty. It sees what the study knows, and nothing
else; the same knowledge and the same generator give the same proposals. One of a user's own is named by
`module:Class` and needs no entry.
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from a2ls_dsl.diagnostics import A2lError, unknown

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.lang.grammar import Grammar
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.search.evolution import Proposal
    from a2ls_dsl.search.settings import SearchSettings


@dataclass(frozen=True)
class Entry:
    """A strategy of the package. proposes: in words, as the help has it; place: its class, as `module:Class`.

    cascade: gates and rungs are on by default.
    """

    proposes: str
    place: str
    cascade: bool = False


STRATEGIES = {
    "paper": Entry(
        "a population, once the one before is scored (He et al. 2022)",
        "a2ls_dsl.search.evolution:PaperEvolution",
    ),
    "async": Entry(
        "a child of the best of the last, whenever a slot is free",
        "a2ls_dsl.search.evolution:SteadyEvolution",
        cascade=True,
    ),
    "model": Entry(
        "what a model of the scores so far holds for the best, or may be",
        "a2ls_dsl.search.model:ModelSearch",
    ),
    "random": Entry(
        "fresh losses only: what every search has to be better than",
        "a2ls_dsl.search.evolution:RandomSearch",
    ),
}
"""What `a2l evolve --strategy` knows: help, checks and the tables of the documentation read it here."""


@dataclass(frozen=True)
class Scored:
    """A loss of the search that has a score: the mean of so many runs.

    inside: whether the grammar holds it, so that its moves can be applied.
    """

    loss: Loss
    score: float
    runs: int = 1
    inside: bool = True


class Knowledge(Protocol):
    """What a study knows, as strategies need it."""

    @property
    def proposed(self) -> int:
        """How many losses were proposed so far."""

    @property
    def newest(self) -> int:
        """The number of the newest generation; 0 before the first."""

    @property
    def waiting(self) -> bool:
        """Whether any of them is still to get its score."""

    @property
    def free(self) -> int:
        """How many slots are to be filled now, 1 or more."""

    @property
    def taken(self) -> Collection[str]:
        """The keys that must not be proposed: all known ones."""

    def generation(self, number: int) -> Sequence[Scored]:
        """The scored losses of a generation, in the order of proposal."""

    def latest(self, number: int) -> Sequence[Scored]:
        """The losses that were scored last, the newest at the end."""


class Strategy(Protocol):
    """Proposes losses. The class is called with the grammar and the settings of the search.

    Two things more are optional: `generational = True` where all that is proposed at once is a generation,
    and `ranked(scored)`, which gives the losses of `scored`, the best first as the strategy believes: the
    front goes into the race. Without it the means decide.
    """

    def propose(self, known: Knowledge, rng: Generator) -> Sequence[Proposal | Loss | str]:
        """What to train next, as many as it likes; empty: nothing before something more is scored.

        Losses, also as texts in the language. Whatever is left of the budget is the caller's to watch: it
        takes from the front what it can use, and leaves out what is known.
        """


_OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_FIX = "docs/search.md#a-strategy-of-your-own says what it has to have"


def check_name(name: str) -> None:
    """Raise `A2lError` unless a strategy is called so, or it can be a class of one's own."""
    if name not in STRATEGIES and ":" not in name:
        raise unknown("search strategy", name, (*STRATEGIES, "module:Class"))
    if name not in STRATEGIES and not _OWN.fullmatch(name):
        raise A2lError(f"`{name}` names no class", "write `a2l evolve --strategy module:Class`")


def strategy_of(settings: SearchSettings, grammar: Grammar) -> Strategy:
    """The strategy that settings name. Raises `A2lError` where there is none, or where it fails."""
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
    """What is scored, the best first as a strategy believes, or by the means; of equals the earlier first."""
    by_mean = [each.loss for each in sorted(scored, key=lambda each: -each.score)]
    if not hasattr(strategy, "ranked"):
        return by_mean
    with _explained(name, "in `ranked`"):
        believed = list(dict.fromkeys(strategy.ranked(scored)))
    known = set(by_mean)
    return list(dict.fromkeys([*(loss for loss in believed if loss in known), *by_mean]))


def proposed(strategy: Strategy, name: str, known: Knowledge, rng: Generator) -> list[Proposal]:
    """What a strategy proposes, each loss once and none that is known."""
    from a2ls_dsl.search.evolution import Origin, Proposal
    from a2ls_dsl.search.proposals import loss_of

    with _explained(name, "in `propose`"):
        found = list(strategy.propose(known, rng))
    proposals = [
        each
        if isinstance(each, Proposal)
        else Proposal(loss_of(each, f"the strategy {name}"), Origin.STRATEGY)
        for each in found
    ]
    return list({each.key: each for each in proposals if each.key not in known.taken}.values())


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
    classes = [each for each, value in vars(loaded).items() if isinstance(value, type)]
    if own not in classes:
        raise unknown(f"class in {module} called", own, classes or ["none"])
    if not callable(getattr(found := getattr(loaded, own), "propose", None)):
        raise A2lError(f"the class {name} has no method `propose(known, rng)`", _FIX)
    return found


@contextmanager
def _explained(name: str, where: str) -> Iterator[None]:
    """Turns what a strategy of one's own raises into an error that says where; those of the package pass."""
    try:
        yield
    except A2lError:
        raise
    except Exception as error:
        if name in STRATEGIES:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise A2lError(
            f"the strategy {name} failed {where}: {said} ({last.filename}, line {last.lineno})",
            f"mend it and run the same command again, what was scored is stored; {_FIX}",
        ) from error
