"""What a stack of losses asks of its agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng


class StackEncoder(Protocol):
    """The encoders of a stack's members, each with its own parameters."""

    def __call__(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        """(N, M, observation) -> (N, M, features).

        members: (N,) whose encoder row i goes through; None where it is member i's.
        """


class StackValue(Protocol):
    """The values of a stack's members, each by its own networks."""

    def __call__(self, latents: Tensor, observations: Tensor, members: Tensor | None = None) -> Tensor:
        """Latents (N, M, features) and the observations they are of -> estimates (N, M).

        members: as for `StackEncoder`.
        """


@dataclass(frozen=True)
class StackAgent:
    """What a stack of losses asks of its agents; members that ask for the same are called at once.

    frames: (members,) environment frames that each has trained. rng, counter: the streams of views, and
    (members,) which draw of them this is.
    """

    encode: StackEncoder
    encode_target: StackEncoder
    value: StackValue | None = None
    frames: Tensor | None = None
    rng: CounterRng | None = None
    counter: Tensor | None = None
