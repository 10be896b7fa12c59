"""A loss as an `nn.Module`, for any agent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.checks import check_agent, check_window, checked_encoder, checked_value
from a2ls_dsl.backend.formulas import make_head
from a2ls_dsl.backend.functions import Generated, newest_frame
from a2ls_dsl.backend.interpreter import Answer, Encoder, Request, evaluate, weight_at
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import (
    Compare,
    Predict,
    Program,
    Row,
)
from a2ls_dsl.ir.passes import PASSES
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.syntax.tree import Loss, Weight
from a2ls_dsl.words.agent import EMA, ONLINE, VALUE
from a2ls_dsl.words.language import HEAD, Stream
from a2ls_dsl.words.registry import operators
from a2ls_dsl.words.views.frames import crop

Value = Callable[[Tensor], Tensor]
"""The agent's estimates for latents: (B, features) -> (B,) or (B, 1)."""


@dataclass(frozen=True)
class Learned:
    """The learned parts of a loss: (node, inputs, outputs) of maps, by number; (term, size) of matrices."""

    heads: tuple[tuple[Predict, int, int], ...]
    matrices: tuple[tuple[int, int], ...]

    @property
    def widest(self) -> int:
        """The width of the widest row that a map or a matrix reads or gives."""
        rows = [size for _, *sizes in self.heads for size in sizes] + [size for _, size in self.matrices]
        return max(rows, default=0)


def learned(program: Program, spaces: Spaces) -> Learned:
    """The learned parts of a program as lowered, including those of terms of weight 0."""
    types = verify(program)
    heads: dict[int, tuple[Predict, int, int]] = {}
    matrices: dict[int, int] = {}
    for node in program.nodes:
        rows = [row for row in (types[read] for read in node.inputs) if isinstance(row, Row)]
        if isinstance(node, Predict):
            heads[node.head] = node, spaces.width(rows[0]), spaces.width(node.output)
        elif isinstance(node, Compare) and operators[node.operator].matrix:
            matrices[node.term] = spaces.width(rows[0])
    return Learned(tuple(heads[number] for number in sorted(heads)), tuple(matrices.items()))


class CompiledLoss(nn.Module):
    """A loss for given spaces; its parameters are the learned maps and bilinear matrices of its terms.

    Call it with an encoder, a target encoder (both (B, observation) -> (B, features); no gradient flows
    through the second) and a `Window` of at least `horizon` + 1 steps; it returns a scalar to be minimised
    over the encoder's parameters and its own (He et al. 2022, section 3).
    """

    def __init__(self, loss: Loss, spaces: Spaces, program: Program, parts: Learned | None = None) -> None:
        """program: that of the loss after some passes or none; parts: what it learns, where that is known."""
        super().__init__()
        self.loss, self.spaces, self.program = loss, spaces, program
        self.horizon = program.horizon
        self.learned = parts = parts or learned(lower(loss), spaces)
        self.heads = nn.ModuleList(
            make_head(node.kind, inputs, outputs, node.layers, bool(node.output.units))
            for node, inputs, outputs in parts.heads
        )
        self.bilinear = nn.ParameterDict(
            {str(term): nn.Parameter(torch.rand(size, size)) for term, size in parts.matrices}
        )

    def forward(
        self,
        encoder: Encoder,
        target_encoder: Encoder,
        window: Window,
        value: Value | None = None,
        frames: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The loss of a batch of windows, a scalar. Raises `A2lError` if sizes or parts don't fit.

        value: the agent's estimates for latents, for losses with `value(...)`. frames: how many environment
        frames the agent has trained, for schedules. generator: draws views.
        """
        check_window(self.program, self.spaces, window)
        check_agent(self.program, value, frames)
        agent = Agent(
            checked_encoder(encoder, self.spaces.features),
            checked_encoder(target_encoder, self.spaces.features),
            value and checked_value(value),
        )
        return evaluate(self.program, Alone(self, window, frames or 0, generator), agent)


class Alone:
    """The context of a single loss: see `interpreter.Context`."""

    def __init__(
        self, module: CompiledLoss, window: Window, frames: float, generator: torch.Generator | None
    ) -> None:
        self._module, self._window, self._frames = module, window, frames
        self._draws = Generated(generator)
        self._dtype = next(module.parameters(), window.reward).dtype

    def sample(self, stream: Stream, offset: int) -> Tensor:
        window, dtype = self._window, self._dtype
        match stream:
            case Stream.STATE:
                return window.observation[:, offset]
            case Stream.ACTION:
                return window.action[:, offset].to(dtype)
            case Stream.REWARD:
                return window.reward[:, offset, None].to(dtype)
            case Stream.RAW:
                data = window.data
                row = newest_frame(window.observation[:, offset]) if data is None else data[:, offset]
                return row.to(dtype)
            case Stream.DONE:
                done = window.reward.new_zeros(()) if window.done is None else window.done[:, offset, None]
                return done.to(dtype)

    def crop(self, draw: int, offset: int) -> Tensor:
        whole = self._window.uncropped
        seen = self._window.observation[:, offset]
        return crop(seen, self._draws, None if whole is None else whole[:, offset])

    def draws(self, draw: int) -> Generated:
        return self._draws

    def head(self, number: int, row: Tensor) -> Tensor:
        prediction: Tensor = self._module.heads[number](row)
        return prediction

    def matrix(self, term: int) -> Tensor | None:
        matrix: Tensor | None = self._module.bilinear.get(str(term))
        return matrix

    def weights(self, given: Sequence[Weight]) -> list[float]:
        return [weight_at(weight, self._frames) for weight in given]


@dataclass(frozen=True)
class Agent:
    """Answers a program's requests with the functions of an agent."""

    encoder: Encoder
    target_encoder: Encoder
    value: Value | None

    def __call__(self, request: Request) -> Answer:
        x = torch.cat(request.inputs)
        if request.name == ONLINE:
            result = self.encoder(x)
        else:
            with torch.no_grad():
                if request.name == VALUE:
                    result = torch.as_tensor(self.value(x) if self.value else 0.0).reshape(-1, 1)
                else:
                    result = (self.target_encoder if request.name == EMA else self.encoder)(x)
        return result.chunk(len(request.inputs))


def shapes(module: CompiledLoss) -> list[str]:
    """The learned parts of a loss in words, a line for each kind of map: `predictor 5 -> 10 -> 3`."""
    heads: dict[str, list[str]] = {}
    for (node, inputs, _), head in zip(module.learned.heads, module.heads, strict=True):
        layers = (layer.out_features for layer in head.modules() if isinstance(layer, nn.Linear))
        name = node.kind if node.role == HEAD else f"{node.role} {node.kind}"
        heads.setdefault(name, []).append(" -> ".join(map(str, (inputs, *layers))))
    lines = [f"{kind} {', '.join(sizes)}" for kind, sizes in heads.items()]
    lines += [f"matrix {len(matrix)} x {len(matrix)}" for matrix in module.bilinear.values()]
    return lines


@dataclass(frozen=True)
class Compilation:
    """A compiled loss and how it was made: (pass, number of nodes after it), and the seconds taken."""

    module: CompiledLoss
    passes: tuple[tuple[str, int], ...]
    seconds: float


def planned(loss: Loss, spaces: Spaces) -> tuple[Program, Learned, list[tuple[str, int]]]:
    """What a canonical loss computes and what it learns, before any of that takes memory; and its passes."""
    program = lower(loss)
    parts = learned(program, spaces)
    passes = [("lower", len(program.nodes))]
    for step in PASSES:
        program = step(program)
        passes.append((step.__name__, len(program.nodes)))
    return program, parts, passes


def compile_with_report(loss: Loss, spaces: Spaces) -> Compilation:
    """Compile a canonical loss and report what each pass left."""
    start = time.perf_counter()
    program, parts, passes = planned(loss, spaces)
    module = CompiledLoss(loss, spaces, program, parts)
    return Compilation(module, tuple(passes), time.perf_counter() - start)


def compile_loss(loss: Loss, spaces: Spaces) -> CompiledLoss:
    """Compile a canonical loss for an environment's spaces."""
    return compile_with_report(loss, spaces).module
