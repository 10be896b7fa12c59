"""What a user's own code calls; `a2ls_dsl` re-exports it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol

from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.load import load_one


class Space(Protocol):
    """Anything with a shape: a Gymnasium `Box`, a dm_env array specification."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def load(file: str | Path, name: str | None = None) -> Loss:
    """The loss `name` (by default the last one) of a `.a2l` file, or a shipped loss by its plain name.

    Raises `LanguageError`, with the places, where the file has errors, and `A2lError` where there is no such
    file or loss.
    """
    return load_one(file, name)[1]


def compile(loss: Loss, observation: int | Space, action: int | Space, features: int) -> CompiledLoss:
    """An `nn.Module` that computes `loss` for an agent.

    observation, action: the sizes of the agent's vectors, or its spaces; features: how wide the encoder's
    output is. The module's parameters are initialised as torch does by default.
    """
    if not isinstance(loss, Loss):
        raise A2lError(f"{loss!r} is no loss", "pass what a2ls_dsl.load gives")
    if features < 1:
        raise A2lError(f"an encoder with {features} features", "pass the width of its output, at least 1")
    shape = () if isinstance(observation, int) else observation.shape
    if len(shape) == 3 and min(shape) > 0:  # frames: `o[t]` is narrower than they are
        return compile_loss(loss, Spaces.of(shape, _size(action), features))
    return compile_loss(loss, Spaces(_size(observation), _size(action), features))


def _size(space: int | Space) -> int:
    size = space if isinstance(space, int) else math.prod(space.shape)
    if size < 1:
        raise A2lError(
            f"a space needs at least one number, not {size}", "pass the size of the agent's vectors"
        )
    return size
