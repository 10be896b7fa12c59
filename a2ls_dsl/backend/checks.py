"""Checks of what `CompiledLoss` is called with; errors say what to pass instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields

from torch import Tensor

from a2ls_dsl.backend.functions import newest_frame
from a2ls_dsl.backend.window import Spaces, Window, has_schedules, reads
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.nodes import RAW, Augment, Estimate, EstimateBatch, Program
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions


def check_window(program: Program, spaces: Spaces, window: Window) -> None:
    """Raises `A2lError` if a window lacks what the loss reads, or has it in another shape."""
    for field in fields(window):
        part = getattr(window, field.name)
        if part is not None and not isinstance(part, Tensor):
            raise A2lError(
                f"the window's {field.name} is a {type(part).__name__}, not a tensor",
                f"pass torch.as_tensor({field.name}), on the device of your encoder",
            )
    batch = window.reward.shape[:-1]
    if len(batch) != 1:
        raise A2lError(
            f"a window's reward has the shape (batch, steps), not {tuple(window.reward.shape)}",
            "stack the windows of a batch along the first dimension, and add no other dimension",
        )
    if batch[0] < 2:
        raise A2lError(
            f"a batch of {batch[0]}: the loss compares the samples of a batch",
            "sample two windows or more",
        )
    if window.steps <= program.horizon:
        raise A2lError(
            f"the loss looks {program.horizon} steps ahead, but the window holds {window.steps} steps",
            f"sample windows of {program.horizon + 1} steps",
        )
    _check_vectors("observation", window.observation, spaces.observation, window)
    _check_vectors("action", window.action, spaces.action, window)
    if reads(program, Stream.DONE):
        _check_done(window)
    if reads(program, Stream.RAW):
        data = newest_frame(window.observation.flatten(0, 1)) if window.data is None else window.data
        if window.data is not None:
            _check_vectors("data", data, spaces.width(RAW), window)
        elif data.shape[-1] != spaces.width(RAW):
            raise A2lError(
                f"`o` of such observations has {data.shape[-1]} numbers, not {spaces.width(RAW)}",
                "compile the loss for the shape of your frames: observation=(channels, height, width)",
            )
    if any(isinstance(node, Augment) and functions[node.view].uncropped for node in program.nodes):
        _check_uncropped(window.observation, window.uncropped)


def check_agent(program: Program, value: object, frames: float | None) -> None:
    """Raises `A2lError` if a loss reads something of the agent that was not passed."""
    if value is None and any(isinstance(node, Estimate | EstimateBatch) for node in program.nodes):
        raise A2lError(
            "the loss reads `value(...)`, and no value was given",
            "pass value=, a function of features (B, features) that gives the agent's estimates (B,)",
        )
    if frames is None and has_schedules(program):
        raise A2lError(
            "a weight of the loss follows a schedule, and no frames were given",
            "pass frames=, how many environment frames the agent has trained so far",
        )


def checked_encoder(encoder: Callable[[Tensor], Tensor], width: int) -> Callable[[Tensor], Tensor]:
    """An encoder that raises `A2lError` unless it returns (B, width) for observations (B, ...)."""

    def checked(observations: Tensor) -> Tensor:
        features, batch = encoder(observations), len(observations)
        if _shape(features) != (batch, width):
            raise A2lError(
                f"the encoder gives {_described(features)} for {batch} observations, not {(batch, width)}",
                "compile the loss with features=, the width of one output of your encoder",
            )
        return features

    return checked


def checked_value(value: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A value that raises `A2lError` unless it returns (B,) or (B, 1) for features (B, F)."""

    def checked(features: Tensor) -> Tensor:
        estimates, batch = value(features), len(features)
        if _shape(estimates) not in ((batch,), (batch, 1)):
            raise A2lError(
                f"the value gives {_described(estimates)} for {batch} features, not {(batch,)}",
                "pass a value= that returns one number for each sample, such as the smaller of two critics",
            )
        return estimates

    return checked


def _shape(result: object) -> tuple[int, ...] | None:
    return tuple(result.shape) if isinstance(result, Tensor) else None


def _described(result: object) -> str:
    return f"the shape {_shape(result)}" if isinstance(result, Tensor) else f"a {type(result).__name__}"


def _check_vectors(name: str, tensor: Tensor, size: int, window: Window) -> None:
    wanted = (*window.reward.shape, size)
    if tensor.shape[:2] != window.reward.shape or math.prod(tensor.shape[2:]) != size or tensor.dim() < 3:
        raise A2lError(
            f"the window's {name} has the shape {tuple(tensor.shape)}, not {wanted}",
            f"all parts have the same batch and steps, and {name}s here have {size} numbers; "
            "discrete ones are one-hot",
        )


def _check_done(window: Window) -> None:
    if window.done is None:
        raise A2lError(
            "the loss reads which states are terminal, and the window has no `done`",
            "pass done=, (B, steps), 1 where a step's state is terminal by the task's own rules",
        )
    if window.done.shape != window.reward.shape:
        raise A2lError(
            f"the window's done has the shape {tuple(window.done.shape)}, not {tuple(window.reward.shape)}",
            "pass one number for each step, 1 where its state is terminal",
        )


def _check_uncropped(seen: Tensor, whole: Tensor | None) -> None:
    if whole is None:
        if seen.dim() > 4:
            raise A2lError(
                "the loss crops frames, and the window has no `uncropped`",
                "pass uncropped=, the frames (B, steps, channels, height, width) before your agent's crop",
            )
        return
    smaller = any(have < want for have, want in zip(whole.shape[-2:], seen.shape[-2:], strict=True))
    if whole.shape[:-2] != seen.shape[:-2] or smaller:
        raise A2lError(
            f"frames of the shape {tuple(seen.shape)} can't be crops of `uncropped`, {tuple(whole.shape)}",
            "pass the same steps before they were cropped, with their channels in the same order",
        )
