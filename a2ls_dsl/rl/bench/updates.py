"""Milliseconds per member-update of stacks of several sizes, on made-up experience.

Measures SAC from vectors and pixels, and Rainbow on the frames of a game.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from a2ls_dsl.backend.window import reach
from a2ls_dsl.diagnostics import A2lError, reason
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings, observations_of
from a2ls_dsl.rl.bench.floor import Ceilings, count_work, synchronize
from a2ls_dsl.rl.compute.capture import WARM_UP
from a2ls_dsl.rl.compute.footprint import footprint_of
from a2ls_dsl.rl.rainbow.settings import VECTORS as RAINBOW_VECTORS
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

VECTORS = Observations((17,))  # cheetah-run
FRAMES = Observations((3, 100, 100), stack=3, crop=84)
ACTION = 6  # length of an action; for games the number of actions
GAME = (1, 84, 84)
EPISODE = 100  # agent steps of the made-up episodes
ROWS = 600  # of the replay


@dataclass(frozen=True)
class Case:
    """A case to measure; `observations` is `vectors`, `pixels` or `game`, whose frames are grey.

    discrete: whether actions are numbers, as in games: then Rainbow learns, otherwise SAC.
    """

    observations: str
    batch_size: int
    members: int
    discrete: bool = False


@dataclass(frozen=True)
class UpdateTime:
    """A case with its time in milliseconds per member-update, and the least possible time.

    left_out: why it was not measured; failed: the error, if there was one.
    """

    case: Case
    milliseconds: float = math.nan
    floor_milliseconds: float = math.nan
    left_out: str = ""
    failed: str = ""

    @property
    def ratio(self) -> float:
        """The time as a multiple of the floor."""
        return self.milliseconds / self.floor_milliseconds


def measure_updates(
    cases: list[Case],
    loss: Loss | None,
    ceilings: Ceilings,
    device: str,
    computation: Computation,
    budget: float,
) -> Iterator[UpdateTime]:
    """Measure cases in order; `budget`: seconds for each.

    A case is left out if it would take longer, judging by a smaller one, or more memory than there is.
    Raises `A2lError` for a loss that looks beyond the made-up episodes.
    """
    check_reach(loss)
    costs: dict[str, float] = {}  # seconds of an update, per member and sample of a batch
    for case in cases:
        samples = case.members * case.batch_size
        settings, observations = _agent(case)
        expected = costs.get(case.observations, 0.0) * samples * _least_updates(device)
        if expected > budget:
            yield UpdateTime(case, left_out=f"would take {expected:.0f} s, more than {budget:.0f}")
            continue
        footprint = footprint_of(settings, [loss], observations, ACTION, ROWS, device=device)
        fitting = footprint.fitting(case.members, 1, device)
        if fitting < case.members:
            size = footprint.of_learner(case.members) / 1e9
            most = f"{fitting} members fit" if fitting else "not even one member fits"
            yield UpdateTime(case, left_out=f"would take {size:.1f} GB of memory: {most}")
            continue
        floor = count_work(loss, observations, ACTION, settings).seconds(ceilings)
        try:
            seconds = _measured(case, loss, device, computation, budget)
        except torch.OutOfMemoryError:
            yield UpdateTime(case, left_out="does not fit into memory")
            continue
        except RuntimeError as error:  # of a compiler, a kernel or a driver; the next case may work
            yield UpdateTime(case, failed=reason(error))
            continue
        costs[case.observations] = seconds / samples
        yield UpdateTime(case, 1e3 * seconds / case.members, 1e3 * floor)


def _measured(case: Case, loss: Loss | None, device: str, computation: Computation, budget: float) -> float:
    """Seconds of an update of a learner, which is closed afterwards."""
    settings, observations = _agent(case)
    losses, seeds = [loss] * case.members, range(case.members)
    learner = Learner(losses, seeds, observations, ACTION, ROWS, settings, device, computation=computation)
    with closing(learner):
        return _seconds(learner, budget)


def check_reach(loss: Loss | None) -> None:
    """Raises `A2lError` for a loss that looks beyond the made-up episodes."""
    if reach(loss) >= EPISODE:
        raise A2lError(
            f"the loss looks {reach(loss)} steps ahead, and the made-up episodes have {EPISODE}",
            f"measure one that looks {EPISODE - 1} steps ahead or fewer",
        )


def _agent(case: Case) -> tuple[AgentSettings, Observations]:
    """The settings of the algorithm that learns, and the observations it learns from."""
    if case.observations == "game" or case.discrete:
        usual = RAINBOW_VECTORS if case.observations == "vectors" else RainbowSettings()
        rainbow = replace(usual, batch_size=case.batch_size)
        shapes = {"game": GAME, "pixels": (3, *GAME[1:]), "vectors": VECTORS.shape}
        return rainbow, observations_of(rainbow, shapes[case.observations], None)
    return SacSettings(batch_size=case.batch_size), VECTORS if case.observations == "vectors" else FRAMES


def _least_updates(device: str) -> int:
    return warm_up(device) + 2


def warm_up(device: str) -> int:
    """The number of updates before measuring; on a GPU, until all graphs are captured."""
    return 2 if device == "cpu" else 2 * (WARM_UP + 1)


def _seconds(learner: Learner, budget: float) -> float:
    """Median seconds of an update of all members; measured in pairs, as every second one trains the actor."""
    fill_replay(learner)
    begin = time.perf_counter()
    for _ in range(warm_up(learner.device)):
        learner.update()
    times: list[float] = []
    pairs = 1 if learner.device == "cpu" else 20
    while not times or (time.perf_counter() - begin < budget and len(times) < 20):
        synchronize(learner.device)
        start = time.perf_counter()
        for _ in range(2 * pairs):
            learner.update()
        synchronize(learner.device)
        times.append((time.perf_counter() - start) / (2 * pairs))
    return statistics.median(times)


def fill_replay(learner: Learner) -> None:
    """Fill the replay with random experience; zeros would be faster to multiply."""
    rng, members = np.random.default_rng(0), learner.members
    every = np.ones(members, np.bool_)
    for step in range(ROWS - 2 * ROWS // EPISODE):
        if step % EPISODE == 0:
            learner.begin(_seen(rng, learner.observations, members), every)
        learner.append(
            learner.random_actions(step),
            rng.uniform(size=members).astype(np.float32),
            ~every,
            _seen(rng, learner.observations, members),
            every & (step % EPISODE == EPISODE - 1),
        )


def _seen(rng: np.random.Generator, observations: Observations, members: int) -> NDArray[np.generic]:
    shape = (members, *observations.shape)
    if observations.crop is None:
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(0, 256, shape, dtype=np.uint8)
