"""A stack that is made narrower or wider leaves who stays in it as it is, whatever the algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.agents import AgentSettings
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.simba import SimbaSettings
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner

NAMES = ("a2_winner", "spr", None, "curl_a2ls", "a2_winner_v", "atc")  # of the paper, and beyond
SLOTS, ACTION = len(NAMES), 3
LOSSES = [name and load_one(name)[1] for name in NAMES]
ALGORITHMS = {
    "sac": SacSettings(hidden=16, batch_size=8),
    "sac with weights that decay": SacSettings(hidden=16, batch_size=8, weight_decay=0.01),
    "two steps of the encoder": SacSettings(hidden=16, batch_size=8, auxiliary_encoder_steps=2),
    "simba": SimbaSettings(hidden=16, batch_size=8),
    "rainbow": RainbowSettings(hidden=16, batch_size=8, multi_step=2, target_period=5),
}


class Lived:
    """A learner of six members, with steps that depend on a slot's number alone."""

    def __init__(self, settings: AgentSettings) -> None:
        self.learner = Learner(LOSSES, range(SLOTS), Observations((5,)), ACTION, 80, settings, refill=True)
        self.floats: type[np.floating[Any]] = np.float32
        self.generators = [np.random.default_rng(slot) for slot in range(SLOTS)]
        self.begin(range(SLOTS))
        self.live(30)

    def begin(self, slots: range | list[int]) -> None:
        self.learner.begin(self._seen(), np.isin(np.arange(SLOTS), slots))

    def in_float64(self) -> None:
        self.floats = np.float64
        self.learner.stacks[0].double()
        self.learner.replays[0].double()

    def _seen(self) -> NDArray[Any]:
        return np.stack([generator.normal(size=5) for generator in self.generators]).astype(self.floats)

    def live(self, steps: int, updates: int = 0) -> None:
        nobody = np.zeros(SLOTS, np.bool_)
        for _ in range(steps):
            actions = np.eye(ACTION)[[generator.integers(ACTION) for generator in self.generators]]
            rewards = np.array([generator.normal() for generator in self.generators], self.floats)
            self.learner.append(actions.astype(self.floats), rewards, nobody, self._seen(), nobody)
            for _ in range(updates):
                self.learner.update()

    def of(self, slot: int) -> dict[str, Tensor]:
        """All numbers of a member, by name, wherever they lie."""
        (stack,), (replay,) = self.learner.stacks, self.learner.replays
        _, row = self.learner.roster.place(slot)
        state = {name: value for name, value in stack.state_dict().items() if "auxiliary." not in name}
        number = list(stack.optimizers).index("auxiliary")
        loss, adam = stack.auxiliary, stack.optimizers["auxiliary"]
        state = {name: value for name, value in state.items() if not name.startswith(f"adams.{number}.")}
        sums = state.pop("metrics.sums")[..., row]
        numbers = {name: value[row] for name, value in (state | replay.state_dict()).items()}
        shared = len(adam.trained) - len(list(loss.parameters()))
        for moment in ("first", "second"):
            names = [name for name, _ in loss.named_parameters()]
            own = dict(zip(names, adam.moments(moment)[shared:], strict=True))
            numbers |= {f"{moment} {name}": own[at][index] for name, (at, index) in loss.places(row).items()}
            numbers |= {f"{moment} {i}": rows[row] for i, rows in enumerate(adam.moments(moment)[:shared])}
        return numbers | loss.member_state(row) | {"sums": sums, "steps of the loss": adam.steps[row]}


def assert_equal(mine: Lived, its: Lived, slot: int, tolerance: float = 0.0) -> None:
    ours, theirs = mine.of(slot), its.of(slot)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(
            value, theirs[name], rtol=tolerance, atol=tolerance, equal_nan=True, msg=f"{slot} {name}"
        )


@pytest.mark.parametrize("settings", ALGORITHMS.values(), ids=ALGORITHMS)
def test_who_stays_is_the_same_in_a_narrower_stack_and_in_a_wider_one(settings: AgentSettings) -> None:
    """To the last bit when it moves, and in float64 ten updates later."""
    narrowed, whole = Lived(settings), Lived(settings)
    for lived in (narrowed, whole):
        lived.live(6, updates=1)
    kept = [1, 3, 4]
    narrowed.learner.hold({slot: LOSSES[slot] for slot in kept})
    assert narrowed.learner.stacks[0].members == len(kept)
    for lived in (narrowed, whole):
        lived.in_float64()
    for slot in kept:
        assert_equal(narrowed, whole, slot)
    for lived in (narrowed, whole):
        lived.live(5, updates=2)
    for slot in kept:
        assert_equal(narrowed, whole, slot, 1e-9)
    # A policy acts for its slot, and none where there is no row.
    seen, steps = np.ones((SLOTS, 5)), np.arange(SLOTS)
    acts = [lived.learner.act(seen, steps, steps % 2 == 0) for lived in (narrowed, whole)]
    np.testing.assert_allclose(acts[0][kept], acts[1][kept], rtol=1e-9)
    assert not acts[0][[0, 2, 5]].any()


def test_new_members_learn_in_a_wider_stack_as_in_one_of_their_own() -> None:
    settings = ALGORITHMS["sac"]
    lived, fresh = Lived(settings), Lived(settings)
    lived.live(6, updates=1)
    lived.learner.hold({1: LOSSES[1]})
    lived.live(5, updates=1)
    fresh.learner.skip(lived.learner.updates)
    before = {name: value.clone() for name, value in lived.of(1).items()}
    wanted = {0: LOSSES[3], 1: LOSSES[1], 5: LOSSES[5]}
    lived.learner.hold(wanted, fresh=(0, 5))
    assert all(torch.equal(value, before[name]) for name, value in lived.of(1).items())
    assert lived.learner.losses == [LOSSES[3], LOSSES[1], None, None, None, LOSSES[5]]
    for learner in (lived.learner, fresh.learner):
        learner.reset(0, LOSSES[3], 11)
        learner.reset(5, LOSSES[5], 12)
    fresh.generators = [np.random.default_rng(slot) for slot in range(SLOTS)]
    lived.generators = [np.random.default_rng(slot) for slot in range(SLOTS)]
    for grown in (lived, fresh):
        grown.in_float64()
        grown.begin([0, 5])
        grown.live(20)
        grown.learner.activate(0)
        grown.learner.activate(5)
        grown.live(5, updates=2)
    for slot in (0, 5):
        assert_equal(lived, fresh, slot, 1e-9)
