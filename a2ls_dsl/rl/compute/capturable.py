"""Losses that no CUDA graph can hold: an operator of one's own may look at the value of a number."""

from __future__ import annotations

from a2ls_dsl.backend.stacked.structure import structure_key
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings, make_agent
from a2ls_dsl.rl.replay.observations import Observations


class Looks:
    """Whether an update with a loss looks at values: tried on tensors that have none, once a structure."""

    def __init__(self, settings: AgentSettings, observations: Observations, action: int) -> None:
        self._agent = settings, observations, action
        self._known = dict[str, bool]()

    def __call__(self, loss: Loss) -> bool:
        key = structure_key(loss)
        if key not in self._known:
            self._known[key] = self._fails(loss)
        return self._known[key]

    def _fails(self, loss: Loss) -> bool:
        settings, observations, action = self._agent
        agent = make_agent(settings, [loss], [0], observations, action, "meta")
        replay = agent.make_replay(loss.horizon + observations.stack + 10)
        try:
            agent.run_update((True,) * len(agent.parts_due), replay)
        except RuntimeError:
            return True
        return False
