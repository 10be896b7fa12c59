"""What a user's own code calls; `a2ls_dsl` re-exports it."""

from __future__ import annotations

import math
import operator
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol, SupportsIndex

import torch

from a2ls_dsl.backend.module import CompiledLoss, planned, shapes
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.lang import load as language
from a2ls_dsl.lang.syntax.tree import Loss

MANY_WEIGHTS = 100_000_000
"""A loss with more weights of its own gets a warning: 0.4 GB, and three times that in an optimizer."""

WIDE = 2_000
"""Maps between narrower rows have few weights, which may take their memory before they are counted."""


class HasShape(Protocol):
    """A space of Gymnasium, an array specification of dm_env."""

    @property
    def shape(self) -> tuple[int, ...]: ...


Space = SupportsIndex | tuple[int, ...] | HasShape
"""A number of numbers, a shape, or anything that has a shape. What is discrete is one-hot."""


def load(file: str | Path, name: str | None = None) -> Loss:
    """The loss `name` (by default the last one) of a `.a2l` file, or a shipped loss by its plain name.

    Raises `LanguageError`, with the places, where the file has errors, and `A2lError` where there is no such
    file or loss.
    """
    return language.load_one(file, name)[1]


def loads(text: str, name: str | None = None) -> Loss:
    """The loss `name` (by default the last one) of a text in the language: as `load`."""
    losses = language.loads(text)
    if name is None:
        return list(losses.values())[-1]
    if name not in losses:
        raise unknown("loss in the text called", name, losses)
    return losses[name]


def compile(loss: Loss, observation: Space, action: Space, features: SupportsIndex) -> CompiledLoss:
    """An `nn.Module` that computes `loss` for an agent.

    observation, action: the sizes of the agent's vectors, their shapes, or its spaces; actions of a discrete
    space are one-hot vectors. features: how wide the encoder's output is. The module's parameters are
    initialised as torch does by default; more than `MANY_WEIGHTS` of them are warned of. Raises `A2lError`.
    """
    if not isinstance(loss, Loss):
        raise A2lError(f"{loss!r} is not a loss", "pass what a2ls_dsl.load gives")
    width = _index(features)
    if width is None or width < 1:
        raise A2lError(f"an encoder with {features!r} features", "pass the width of its output, at least 1")
    seen, action_size = _shape("observation", observation), math.prod(_shape("action", action))
    if len(seen) == 3:  # frames: `o[t]` is narrower than they are
        spaces = Spaces.of(seen, action_size, width)
    else:
        spaces = Spaces(math.prod(seen), action_size, width)
    program, parts, _ = planned(loss, spaces)
    wide = parts.widest > WIDE
    with torch.device("meta") if wide else nullcontext():  # where weights have sizes and take no memory
        module = CompiledLoss(loss, spaces, program, parts)
    weights = sum(parameter.numel() for parameter in module.parameters())
    if weights > MANY_WEIGHTS:
        warnings.warn(
            f"the loss learns {weights:,} weights of its own ({4 * weights / 1e9:.1f} GB in float32): "
            f"{'; '.join(shapes(module))}. Give your encoder a narrower output, or the loss a smaller head: "
            "`with head = mlp(256)`",
            stacklevel=2,
        )
    return CompiledLoss(loss, spaces, program, parts) if wide else module


def _shape(name: str, space: Space) -> tuple[int, ...]:
    """The shape of what an agent's networks are given of a space. Raises `A2lError` where there is none."""
    size = _index(space)
    if size is not None:
        return _checked(name, (size,))
    shape = getattr(space, "shape", space)
    choices = getattr(space, "n", getattr(space, "num_values", None))
    if shape == () and choices is not None:  # Gymnasium's `Discrete`, dm_env's `DiscreteArray`
        return _checked(name, (operator.index(choices),))
    kind = type(space).__name__
    whole = shape == () and "int" in str(getattr(space, "dtype", ""))
    sizes = [_index(size) for size in shape] if isinstance(shape, tuple) else [None]
    if whole or hasattr(space, "nvec") or None in sizes:
        raise A2lError(
            f"the {name} space {kind} has no width: {space!r}",
            f"pass the width of the {name} vectors that networks are given, such as of their one-hot form",
        )
    return _checked(name, tuple(size for size in sizes if size is not None))


def _checked(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(size < 1 for size in shape):
        raise A2lError(
            f"a space needs at least one number, and the {name}'s has the shape {shape}",
            "pass the size of the agent's vectors",
        )
    return shape


def _index(number: object) -> int | None:
    """A whole number of any kind; None for what is not a number."""
    try:
        return operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        return None
