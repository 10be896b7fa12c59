"""The least time of an update: its bytes and operations divided by the measured speed of this machine.

Operations are those of matrix products and convolutions, counted from their shapes on tensors without values.
Bytes are those that no order of computation avoids: parameters, gradients, the optimizers' moments and the
sampled batch, each counted as often as it must be read or written. Activations are left out: they could stay
in a cache.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.agents import AgentSettings, make_agent
from a2ls_dsl.rl.compute.arithmetic import Precision, arithmetic
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import SacSettings

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Ceilings:
    """Measured limits: bytes/s of a copy (read plus written), operations/s of a matrix product."""

    bytes_per_second: float
    operations_per_second: float


@dataclass(frozen=True)
class Work:
    """The least work of one update of one member: bytes moved, floating-point operations."""

    bytes: float
    operations: float

    def seconds(self, ceilings: Ceilings) -> float:
        """The least time: the larger of the two, since both can overlap."""
        return max(self.bytes / ceilings.bytes_per_second, self.operations / ceilings.operations_per_second)


def measure_ceilings(device: str, precision: Precision) -> Ceilings:
    """Copy and multiply matrices too large for the caches; each time is the median of several runs."""
    large = device != "cpu"
    numbers = torch.rand(2**28 if large else 2**25, device=device)
    copy = torch.empty_like(numbers)
    side = 8192 if large else 1536
    kind = torch.bfloat16 if precision is Precision.BF16 else torch.float32
    a, b = (torch.rand(side, side, device=device).to(kind) for _ in range(2))
    out = torch.empty_like(a)
    with arithmetic(precision, device):
        copying = seconds(lambda: copy.copy_(numbers), device)
        multiplying = seconds(lambda: torch.mm(a, b, out=out), device)
    return Ceilings(2 * FLOAT * numbers.numel() / copying, 2 * side**3 / multiplying)


def seconds(function: Callable[[], object], device: str, repeats: int = 10) -> float:
    """Median seconds of a call, waiting for the device."""
    times = []
    for _ in range(repeats + 3):
        synchronize(device)
        begin = time.perf_counter()
        function()
        synchronize(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[3:])


def synchronize(device: str) -> None:
    """Wait for all launched work."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def count_work(loss: Loss | None, observations: Observations, action: int, settings: AgentSettings) -> Work:
    """The least work of an update of a member with this loss, averaged over the updates of a cycle."""
    stack = make_agent(settings, [loss], [0], observations, action, "meta")
    replay = stack.make_replay(1000)
    with FlopCounterMode(display=False) as counter:
        for _ in range(settings.cycle):
            stack.update(replay)
    return Work(_bytes(stack, settings, observations), counter.get_total_flops() / settings.cycle)


def _bytes(stack: Agent, settings: AgentSettings, observations: Observations) -> float:
    # Trained: read forward and backward, gradient written, then Adam reads four values and writes three.
    trained, forward = 10, 1
    if isinstance(stack, SacStack):
        parameters = _of_sac(stack, stack.settings, trained, forward)
    else:  # Rainbow: the online and the target network also read the next observations
        networks = [network for network, _ in stack.acting_networks()]
        online = sum(_size(network) for network in networks)
        parameters = (trained + 2 * forward) * online + trained * _size(stack.auxiliary)
    states = 2 + stack.auxiliary.capacity.cost(stack.auxiliary.spaces).states
    seen = math.prod(observations.seen) * observations.dtype.itemsize
    return float(parameters + settings.batch_size * states * seen)


def _of_sac(stack: SacStack, settings: SacSettings, trained: int, forward: int) -> float:
    """Bytes of parameters that an update of SAC moves."""
    moved = 3
    encoder, actor, critic, auxiliary = (
        float(_size(network)) for network in (stack.encoder, stack.actor, stack.critic, stack.auxiliary)
    )
    every_actor, every_target = 1 / settings.actor_update_every, 1 / settings.target_update_every
    parameters = trained * (encoder + critic) + forward * (encoder + actor + encoder + critic)
    parameters += every_actor * (trained * actor + forward * encoder + 2 * forward * critic)
    parameters += every_target * moved * (encoder + critic)
    if stack.has_losses:
        parameters += (trained * (encoder + auxiliary) + forward * encoder) / settings.auxiliary_update_every
    return parameters


def _size(network: nn.Module) -> int:
    return FLOAT * _numbers(network.parameters())


def _numbers(parameters: Iterable[nn.Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters)
