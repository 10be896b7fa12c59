"""Compares ways to compute the convolutions of a stack: see `rl/networks/convolutions.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.diagnostics import reason
from a2ls_dsl.rl.bench.updates import FRAMES
from a2ls_dsl.rl.compute.arithmetic import arithmetic
from a2ls_dsl.rl.networks.convolutions import Arrangement, measure
from a2ls_dsl.rl.networks.encoders import PixelEncoder
from a2ls_dsl.rl.settings import Computation


@dataclass(frozen=True)
class ConvolutionTime:
    """Milliseconds per member for the paper's four convolutions, forward and backward, by way.

    failed: the error, if there was one.
    """

    batch_size: int
    members: int
    milliseconds: dict[Arrangement, float]
    failed: str = ""

    @property
    def chosen(self) -> Arrangement:
        """The fastest way."""
        return min(self.milliseconds, key=lambda way: self.milliseconds[way])


def measure_convolutions(
    sizes: Sequence[tuple[int, int]], device: str, computation: Computation
) -> Iterator[ConvolutionTime]:
    """Measure each (batch size, members); a size that runs out of memory is reported, and the next tried."""
    for batch, members in sizes:
        try:
            yield ConvolutionTime(batch, members, _measured(batch, members, device, computation))
        except RuntimeError as error:
            yield ConvolutionTime(batch, members, {}, reason(error))


def _measured(batch: int, members: int, device: str, computation: Computation) -> dict[Arrangement, float]:
    encoder = PixelEncoder(members, *FRAMES.seen[:2])
    encoder.reset(slice(None), CounterRng(torch.arange(members)))
    encoder.to(device)
    frames = torch.randint(0, 256, (members, batch, *FRAMES.seen), dtype=torch.uint8, device=device)
    with arithmetic(computation.precision, device):
        times = measure(encoder.base, encoder, frames)
    return {way: 1e3 * seconds / members for way, seconds in times.items()}
