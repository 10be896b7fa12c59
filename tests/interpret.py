"""Programs evaluated node by node, with draws of views that depend on nothing but the number of the call."""

from __future__ import annotations

import torch
from torch import Tensor

from a2ls_dsl.backend.functions import Generated
from a2ls_dsl.backend.interpreter import Encoder, evaluate
from a2ls_dsl.backend.module import Agent, Alone, CompiledLoss, Value
from a2ls_dsl.backend.window import Window
from a2ls_dsl.ir.nodes import Program
from a2ls_dsl.words.language import Stream


class Numbered(Alone):
    """Passes change the order in which views are called; equal numbers give equal draws here."""

    def draws(self, draw: int) -> Generated:
        return Generated(torch.Generator().manual_seed(draw))

    moved = 0.1
    """How far each draw of a crop moves vectors, so that draws differ there, too."""

    def crop(self, draw: int, offset: int) -> Tensor:
        return self.sample(Stream.STATE, offset) + self.moved * draw


def interpret(
    program: Program,
    module: CompiledLoss,
    encoder: Encoder,
    target_encoder: Encoder,
    window: Window,
    value: Value | None = None,
    frames: float = 0,
    crop: float = 0.1,
) -> Tensor:
    """The value of a program with the parameters of a module."""
    context = Numbered(module, window, frames, None)
    context.moved = crop
    return evaluate(program, context, Agent(encoder, target_encoder, value))
