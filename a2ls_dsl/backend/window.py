"""The data of a loss: the sizes of an environment's spaces, and windows of trajectories.

The checks here are for exported files; `CompiledLoss` has errors of its own, with fixes (`checks.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from a2ls_dsl.backend.functions import newest_frame
from a2ls_dsl.ir.lower import is_paper_shaped, lower
from a2ls_dsl.ir.nodes import Program, Row, Sample, WeightedSum
from a2ls_dsl.lang.rules.canonical import comparisons
from a2ls_dsl.lang.rules.types import Width
from a2ls_dsl.lang.syntax.tree import Loss, Schedule, elements_of
from a2ls_dsl.words.entry import Kind, Sees
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions


@dataclass(frozen=True)
class Spaces:
    """Sizes of the vectors that a loss reads.

    observation: numbers in one observation; action: numbers in one action; features: width of what the
    encoder returns for one observation; data: width of `o[t]`, by default that of a vector.
    """

    observation: int
    action: int
    features: int
    data: int | None = None

    @staticmethod
    def of(observation: tuple[int, ...], action: int, features: int) -> Spaces:
        """The sizes for observations of a shape: (numbers,), or (channels, height, width) of frames."""
        data = newest_frame(torch.empty(1, *observation, device="meta")).shape[-1]
        return Spaces(math.prod(observation), action, features, data)

    def width(self, row: Row) -> int:
        """The width of a row, in numbers."""
        if row.units:
            return row.units
        sizes = {
            Width.LATENT: self.features,
            Width.ACTION: self.action,
            Width.RAW: self.observation if self.data is None else self.data,
            Width.NUMBER: 1,
        }
        return sum(sizes[part] for part in row.parts) * max(row.bins, 1)


@dataclass(frozen=True)
class Window:
    """A batch of windows, each of `steps` consecutive steps t, t+1, ... of one episode.

    observation: (..., B, steps, observation size) of vectors, (..., B, steps, channels, height, width) of
    frames; action: (..., B, steps, action size), in [-1, 1]; reward: (..., B, steps). The leading dimensions
    are empty for one loss and (members,) for a stack.

    done: (..., B, steps), 1 where a step's state is terminal; for losses that read it. uncropped: frames
    (..., B, steps, channels, height, width) that the observations were cut out of: what `crop` cuts from.
    data: (..., B, steps, n), `o`, unless it is what `functions.newest_frame` makes of the observations.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    done: Tensor | None = None
    uncropped: Tensor | None = None
    data: Tensor | None = None

    @property
    def steps(self) -> int:
        return self.reward.shape[-1]

    def states(self, step: Tensor, draw: Tensor, members: Tensor | None = None) -> Tensor:
        """The observations (N, T, B, ...) of some steps of a stack's windows.

        step: (N, T) offsets; draw: (N, T), 0 for the augmentation draw that belongs to the step's
        observation, any other number for a fresh draw. Vectors are not augmented. members: (N,) whose
        windows are read, by default all.
        """
        if members is None:
            members = torch.arange(len(step), device=step.device)
        return self.observation.transpose(1, 2)[members[:, None], step]


class StackWindow(Protocol):
    """What a stack of losses reads: windows of all members; states are fetched on demand."""

    @property
    def action(self) -> Tensor:
        """(members, B, steps, action size)"""

    @property
    def reward(self) -> Tensor:
        """(members, B, steps)"""

    @property
    def done(self) -> Tensor | None:
        """(members, B, steps)"""

    def states(self, step: Tensor, draw: Tensor, members: Tensor | None = None) -> Tensor:
        """See `Window.states`."""


def check_windows(
    steps: int,
    width: int,
    observation: Tensor,
    action: Tensor,
    reward: Tensor,
    done: Tensor | None = None,
) -> None:
    """Raises ValueError if windows don't have the shapes that `forward` names, TypeError if not tensors.

    steps: how many the loss reads; width: numbers in an action.
    """
    given = {"observation": observation, "action": action, "reward": reward, "done": done}
    for name, tensor in given.items():
        if tensor is not None and not isinstance(tensor, Tensor):
            kind = type(tensor).__name__
            raise TypeError(f"{name} is of the type {kind}, expected a Tensor")
    batch = tuple(reward.shape)
    if len(batch) != 2 or batch[0] < 2 or batch[1] < steps:
        wanted = f"(B, steps), at least 2 windows of {steps} steps"
        raise ValueError(f"reward has the shape {batch}, expected {wanted}")
    if tuple(observation.shape[:2]) != batch or observation.dim() == 2:
        wanted = f"({batch[0]}, {batch[1]}, ...), as reward has the shape {batch}"
        raise ValueError(f"observation has the shape {tuple(observation.shape)}, expected {wanted}")
    if tuple(action.shape) != (*batch, width):
        raise ValueError(f"action has the shape {tuple(action.shape)}, expected {(*batch, width)}")
    if done is not None and done.shape != reward.shape:
        raise ValueError(f"done has the shape {tuple(done.shape)}, expected {batch}")


def check_uncropped(observation: Tensor, uncropped: Tensor | None) -> None:
    """Raises ValueError if the frames for fresh crops are missing or have another shape."""
    seen = tuple(observation.shape)
    if uncropped is None and len(seen) > 4:
        raise ValueError("uncropped is missing, the frames that observation was cut out of: the loss crops")
    whole = seen if uncropped is None else tuple(uncropped.shape)
    if whole[:-2] != seen[:-2] or whole[-2] < seen[-2] or whole[-1] < seen[-1]:
        wanted = f"frames that those of the shape {seen} were cut out of"
        raise ValueError(f"uncropped has the shape {whole}, expected {wanted}")


def features_of(encoder: Callable[[Tensor], Tensor], observations: Tensor, features: int) -> Tensor:
    """The features (B, features) of observations (B, ...). Raises ValueError for another shape."""
    encoded = encoder(observations)
    shape, wanted = tuple(encoded.shape), (len(observations), features)
    if shape != wanted:
        raise ValueError(f"the encoder gives the shape {shape}, expected {wanted}: (B, features)")
    return encoded


def values_of(value: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """Estimates (B, 1) for features (B, features). Raises ValueError unless `value` gives (B,) or (B, 1)."""
    estimates = value(features)
    if tuple(estimates.shape) not in ((len(features),), (len(features), 1)):
        wanted = f"({len(features)},)"
        raise ValueError(f"the value gives the shape {tuple(estimates.shape)}, expected {wanted}: (B,)")
    return estimates.reshape(-1, 1)


def reads(program: Program, stream: Stream) -> bool:
    """Whether a program reads a stream."""
    return any(isinstance(node, Sample) and node.stream is stream for node in program.nodes)


def has_schedules(program: Program) -> bool:
    """Whether a weight depends on how long the agent has been training."""
    last = program.nodes[-1]
    return isinstance(last, WeightedSum) and any(isinstance(weight, Schedule) for weight in last.weights)


def ends_in_a_state(program: Program) -> bool:
    """Whether no action or reward of the last step is read, so that it may end an episode."""
    read = [node for node in program.nodes if isinstance(node, Sample)]
    return program.horizon > 0 and not any(
        node.offset == program.horizon and node.stream in (Stream.ACTION, Stream.REWARD) for node in read
    )


def reach(loss: Loss | None) -> int:
    """How many steps after its first a window of a loss needs when it is sampled from an episode.

    Losses that read no action or reward of their last step may end in an episode's last state; those of
    He et al. 2022 need the whole horizon, as in their release.
    """
    if loss is None or is_paper_shaped(loss):
        return 0 if loss is None else loss.horizon
    program = lower(loss)
    return program.horizon - ends_in_a_state(program)


def views_without_effect(losses: Iterable[Loss | None], frames: bool = False) -> list[str]:
    """Warnings for losses with views that change nothing on vector observations, or on frames."""
    views = {
        call.name
        for loss in losses
        if loss is not None
        for _, term in comparisons(loss)
        for element in elements_of(term.items)
        for call in element.calls
        if functions[call.name].kind is Kind.VIEW
    }
    kind, other = (Sees.FRAMES, Sees.VECTORS) if frames else (Sees.VECTORS, Sees.FRAMES)
    idle = [view for view in views if functions[view].sees is other]
    return [f"`{view}` changes nothing on {kind}: every draw is the same state" for view in sorted(idle)]
