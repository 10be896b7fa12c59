"""One loss as an `nn.Module`, for anybody's agent."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.interpreter import Context, Encoder, evaluate
from a2ls_dsl.backend.operators import OPERATIONS
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower, row_of, supported_terms
from a2ls_dsl.ir.nodes import Program
from a2ls_dsl.ir.passes import PASSES
from a2ls_dsl.lang.ast import Loss


def predictor(inputs: int, outputs: int) -> nn.Sequential:
    """The paper's predictor h: Linear, BatchNorm, ReLU, Linear, with 2 x inputs hidden units.

    The normalisation always uses the statistics of the batch: the loss is only ever taken in training.
    """
    hidden = 2 * inputs
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def term_widths(loss: Loss, spaces: Spaces) -> list[tuple[int, int]]:
    """The widths of source and target row of every term."""
    return [
        (spaces.width(row_of(term.source)), spaces.width(row_of(term.target)))
        for _, term in supported_terms(loss)
    ]


class CompiledLoss(nn.Module):
    """A loss for given spaces; its parameters are the predictors (and bilinear matrices) of its terms.

    Call it with an encoder, a target encoder (both (B, observation) -> (B, features); no gradient flows
    through the second) and a `Window` of at least `horizon` + 1 steps; it returns a scalar to be minimised
    over the encoder's parameters and its own (He et al. 2022, section 3).
    """

    def __init__(self, loss: Loss, spaces: Spaces, program: Program) -> None:
        super().__init__()
        self.loss, self.spaces, self.program = loss, spaces, program
        self.horizon = program.horizon
        self.predictors = nn.ModuleList()
        self.bilinear = nn.ParameterDict()
        widths = term_widths(loss, spaces)
        for term, ((_, comparison), (inputs, outputs)) in enumerate(
            zip(supported_terms(loss), widths, strict=True)
        ):
            self.predictors.append(predictor(inputs, outputs))
            if OPERATIONS[comparison.operator].bilinear:
                self.bilinear[str(term)] = nn.Parameter(torch.rand(outputs, outputs))

    def forward(self, encoder: Encoder, target_encoder: Encoder, window: Window) -> Tensor:
        """The loss of a batch of windows, a scalar. Raises `A2lError` where sizes do not fit."""
        self._check(window)
        bilinear = {int(term): matrix for term, matrix in self.bilinear.items()}
        return evaluate(
            self.program, Context(window, encoder, target_encoder, list(self.predictors), bilinear)
        )

    def _check(self, window: Window) -> None:
        batch = window.reward.shape[:-1]
        if len(batch) != 1:
            raise A2lError(
                f"a window's reward has the shape (batch, steps), not {tuple(window.reward.shape)}",
                "stack the windows of a batch along the first dimension, without any other",
            )
        if batch[0] < 2:
            raise A2lError(
                f"a batch of {batch[0]}: the predictor normalises over the batch",
                "sample two windows or more",
            )
        if window.steps <= self.horizon:
            raise A2lError(
                f"the loss looks {self.horizon} steps ahead, but the window holds {window.steps} steps",
                f"sample windows of {self.horizon + 1} steps",
            )
        for name, tensor, size in (
            ("observation", window.observation, self.spaces.observation),
            ("action", window.action, self.spaces.action),
        ):
            expected = (*batch, window.steps, size)
            if tuple(tensor.shape) != expected:
                raise A2lError(
                    f"the window's {name} has the shape {tuple(tensor.shape)}, not {expected}",
                    f"all parts have the same batch and steps, and {name}s here {size} numbers",
                )


@dataclass(frozen=True)
class Compilation:
    """A compiled loss and how it came about: (pass, number of nodes after it) and seconds taken."""

    module: CompiledLoss
    passes: tuple[tuple[str, int], ...]
    seconds: float


def compile_with_report(loss: Loss, spaces: Spaces) -> Compilation:
    """Compile a canonical loss and say what each pass left."""
    start = time.perf_counter()
    program = lower(loss)
    passes = [("lower", len(program.nodes))]
    for step in PASSES:
        program = step(program)
        passes.append((step.__name__, len(program.nodes)))
    module = CompiledLoss(loss, spaces, program)
    return Compilation(module, tuple(passes), time.perf_counter() - start)


def compile_loss(loss: Loss, spaces: Spaces) -> CompiledLoss:
    """Compile a canonical loss for an environment's spaces."""
    return compile_with_report(loss, spaces).module
