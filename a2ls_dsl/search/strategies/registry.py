"""What to try next: the strategies of a search, one entry each, behind one small interface.

A strategy is asked for proposals whenever a slot would be empty. It sees what the study knows, and nothing
else; the same knowledge and the same generator give the same proposals. A user's own strategy is named by
`module:Class` and needs no entry.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from a2ls_dsl.diagnostics import A2lError, unknown

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.search.strategies.evolution import Proposal


@dataclass(frozen=True)
class Entry:
    """A strategy of the package. proposes: what, in words, for the help; place: its class, as `module:Class`.

    cascade: whether gates and rungs are on by default.
    """

    proposes: str
    place: str
    cascade: bool = False


STRATEGIES = {
    "paper": Entry(
        "a population, once the one before is scored (He et al. 2022)",
        "a2ls_dsl.search.strategies.evolution:PaperEvolution",
    ),
    "async": Entry(
        "a child of the best of the last, whenever a slot is free",
        "a2ls_dsl.search.strategies.evolution:SteadyEvolution",
        cascade=True,
    ),
    "model": Entry(
        "what a model of the scores so far holds for the best, or may be",
        "a2ls_dsl.search.strategies.model:ModelSearch",
    ),
    "random": Entry(
        "fresh losses only: what every search has to be better than",
        "a2ls_dsl.search.strategies.evolution:RandomSearch",
    ),
}
"""The strategies of `a2l evolve --strategy`, as help, checks and documentation read them."""


@dataclass(frozen=True)
class Scored:
    """A loss of the search with its score: the mean of `runs` runs.

    inside: whether the grammar holds the loss, so that its moves can be applied.
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
        """Whether any proposed loss has no score yet."""

    @property
    def free(self) -> int:
        """How many slots are free now, 1 or more."""

    @property
    def taken(self) -> Collection[str]:
        """The keys that must not be proposed: those of all losses so far."""

    def generation(self, number: int) -> Sequence[Scored]:
        """The scored losses of a generation, in the order of proposal."""

    def latest(self, number: int) -> Sequence[Scored]:
        """The losses that were scored last, the newest at the end."""


class Strategy(Protocol):
    """Proposes losses. The class is called with the grammar and the settings of the search.

    Two members are optional: `generational = True`, if all that is proposed at once is a generation, and
    `ranked(scored)`, which gives the losses of `scored` in the strategy's own order, the best first: the
    front goes into the race. Without it the means decide.
    """

    def propose(self, known: Knowledge, rng: Generator) -> Sequence[Proposal | Loss | str]:
        """What to train next, any number of losses; empty: nothing until another loss is scored.

        Losses may be texts in the language. The caller watches the budget: it takes as many as it can use,
        from the front, and leaves out those that are taken.
        """


_OWN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def check_name(name: str) -> None:
    """Raise `A2lError` unless this is the name of a strategy, or may be that of a user's own class."""
    if name not in STRATEGIES and ":" not in name:
        raise unknown("search strategy", name, (*STRATEGIES, "module:Class"))
    if name not in STRATEGIES and not _OWN.fullmatch(name):
        raise A2lError(f"`{name}` doesn't name a class", "write `a2l evolve --strategy module:Class`")
