"""Where a search stands, beside its study: the slots with what trains in them, which goes on from there."""

from __future__ import annotations

from pathlib import Path

import a2ls_dsl
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl import checkpoint
from a2ls_dsl.rl.stacks import Stacks
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.store import SLOTS
from a2ls_dsl.search.study import Study


class Standing:
    """Stores slots and conductor after a tick, and takes them up again; what doesn't fit is left alone."""

    def __init__(self, study: Study, conductor: Conductor, slots: Stacks) -> None:
        self._study, self._conductor, self._slots = study, conductor, slots
        self._path: Path = study.folder / SLOTS
        self._about = {
            "version": a2ls_dsl.__version__,
            "slots": len(slots.members),
            "exact": slots.exact,
            "device": slots.device,
        }

    def save(self, tick: int) -> None:
        """Store all after this tick. Raises `A2lError` where it can't be written."""
        arrays, values = self._slots.state()
        told = {"about": self._about, "slots": values, "conductor": self._conductor.state(tick)}
        checkpoint.save(self._path, arrays, told)

    def take_up(self) -> int:
        """The first tick: behind the stored one, or without one the first of the runs that begin anew."""
        conductor = self._conductor
        if not self._path.exists():
            return conductor.first_tick
        try:
            arrays, values = checkpoint.load(self._path)
        except A2lError as error:
            self._study.log("begun anew", {"reason": error.message})
            return conductor.first_tick
        fits = values.get("about") == self._about
        ended = conductor.take_up(values["conductor"]) if fits else None
        if ended is None:
            self._study.log("begun anew", {"reason": f"{SLOTS} is of other slots or of another study"})
            return conductor.first_tick
        with checkpoint.fitting(self._path, "study"):
            self._slots.restore(arrays, values["slots"])
        for slot in ended:
            self._slots.clear(slot)
        tick = int(values["conductor"]["tick"])
        self._study.log("taken up", {"tick": tick, "runs": len(values["conductor"]["runs"]) - len(ended)})
        return tick + 1

    def forget(self) -> None:
        """The search has ended: nothing is left to go on with."""
        checkpoint.remove(self._path)
