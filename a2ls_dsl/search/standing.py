"""The state of a running search, stored beside its study: the slots and what trains in them."""

from __future__ import annotations

from pathlib import Path

import a2ls_dsl
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.slots.slot_sets import SlotSet
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.study.store import SLOTS
from a2ls_dsl.search.study.study import Study


class Standing:
    """Stores slots and conductor after a tick, and restores them; a state that doesn't fit is ignored."""

    def __init__(self, study: Study, conductor: Conductor, slots: SlotSet) -> None:
        self._study, self._conductor, self._slots = study, conductor, slots
        self._path: Path = study.folder / SLOTS
        self._about = {"version": a2ls_dsl.__version__, **slots.about}

    def save(self, tick: int) -> None:
        """Store everything after this tick. Raises `A2lError` if it can't be written."""
        arrays, values = self._slots.state()
        state = {"about": self._about, "slots": values, "conductor": self._conductor.state(tick)}
        checkpoint.save(self._path, arrays, state)

    def take_up(self) -> int:
        """The first tick: the one after the stored state, or else the first one of runs that begin again."""
        if self._path.exists() and (reason := self._taken_up()):
            self._study.log("begun anew", {"reason": reason})
        return self._conductor.begin()

    def _taken_up(self) -> str:
        """Restore the stored state; returns why not, or an empty text."""
        try:
            arrays, values = checkpoint.load(self._path)
        except A2lError as error:
            return error.message
        fits = values.get("about") == self._about
        ended = self._conductor.take_up(values["conductor"]) if fits else None
        if ended is None:
            return f"{SLOTS} is of other slots or of another study"
        with checkpoint.fitting(self._path, "study"):
            self._slots.restore(arrays, values["slots"])
        for slot in ended:
            self._slots.clear(slot)
        conductor = values["conductor"]
        self._study.log("taken up", {"tick": conductor["tick"], "runs": len(conductor["runs"]) - len(ended)})
        return ""

    def forget(self) -> None:
        """Remove the state, as the search has ended."""
        checkpoint.remove(self._path)
