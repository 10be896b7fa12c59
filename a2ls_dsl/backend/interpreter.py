"""The meaning of a program: evaluate it node by node. Slow and simple; all other backends must match it.

Rows are (..., B, D). Leading dimensions are the members of a stack, and parameters then have them too; a
single loss has none. Calls of the agent's encoders and value are requests that are answered from outside, so
that a stack can answer several programs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from a2ls_dsl.backend import formulas
from a2ls_dsl.backend.functions import chosen, discounted, drawn, scheduled, spread
from a2ls_dsl.ir.nodes import (
    Add,
    Augment,
    Choose,
    Compare,
    Concat,
    Discount,
    Draw,
    Encode,
    EncodeBatch,
    Estimate,
    EstimateBatch,
    Node,
    Normalise,
    OverSteps,
    Pick,
    Predict,
    Program,
    Sample,
    Spread,
    Stop,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.syntax.tree import Schedule, Weight
from a2ls_dsl.words.agent import EMA, ONLINE, STOP, VALUE
from a2ls_dsl.words.draws import Draws, MemberDraws
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, operators

Encoder = Callable[[Tensor], Tensor]

CALLS = (ONLINE, EMA, STOP, VALUE)
"""The calls that an agent answers, ordered so that none waits for a later one."""


@dataclass(frozen=True)
class Request:
    """A call of the agent's function `name` (see `CALLS`) on batches of tensors of one shape.

    inputs: observations, or latents for a value. seen: for a value, the observations that were encoded.
    """

    name: str
    inputs: tuple[Tensor, ...]
    seen: tuple[Tensor, ...] = ()


Answer = tuple[Tensor, ...]
"""One result for each input: features (..., B, F), or values (..., B, 1)."""


class Context(Protocol):
    """Everything a program is evaluated with, except the agent."""

    def sample(self, stream: Stream, offset: int) -> Tensor:
        """A step of a stream: observations (..., B, ...), or a row (..., B, D)."""

    def crop(self, draw: int, offset: int) -> Tensor:
        """The observation of a step under a fresh crop."""

    def draws(self, draw: int) -> Draws:
        """The random numbers of a call of a view, or of an operator."""

    def head(self, number: int, row: Tensor) -> Tensor:
        """A row mapped by a head or another learned map."""

    def matrix(self, term: int) -> Tensor | None:
        """The matrix of a term whose operator has one."""

    def weights(self, given: Sequence[Weight]) -> Sequence[float | Tensor]:
        """The current weights of the terms."""


def execution(program: Program, context: Context) -> Generator[Request, Answer, Tensor]:
    """Evaluate a program: yields requests to the agent, is sent their answers, returns the loss (...)."""
    values: list[Tensor | Answer] = []
    for node in program.nodes:
        inputs = [values[read] for read in node.inputs]
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        match node:
            case Encode():
                (value,) = yield Request(node.encoder, tuple(tensors))
                values.append(value)
            case EncodeBatch():
                values.append((yield Request(node.encoder, tuple(tensors))))
            case Estimate():
                (value,) = yield Request(VALUE, (tensors[0],), (tensors[1],))
                values.append(value)
            case EstimateBatch():
                half = len(tensors) // 2
                values.append((yield Request(VALUE, tuple(tensors[:half]), tuple(tensors[half:]))))
            case Pick():
                values.append(inputs[0][node.index])
            case Augment() if functions[node.view].uncropped:
                sampled = program.nodes[node.inputs[0]]
                # After another view an observation has the agent's size already: nothing is left to crop.
                if isinstance(sampled, Sample):
                    values.append(context.crop(node.draw, sampled.offset))
                else:
                    values.append(tensors[0])
            case _:
                values.append(_evaluate(node, tensors, context))
    loss = values[-1]
    if not isinstance(loss, Tensor):
        raise TypeError("a program ends in a sum")
    return loss


def evaluate(program: Program, context: Context, answer: Callable[[Request], Answer]) -> Tensor:
    """The value of a program's loss, with an agent that answers its requests."""
    running = execution(program, context)
    try:
        request = next(running)
        while True:
            request = running.send(answer(request))
    except StopIteration as end:
        loss: Tensor = end.value
        return loss


def _evaluate(node: Node, inputs: list[Tensor], context: Context) -> Tensor:
    match node:
        case Sample():
            return context.sample(node.stream, node.offset)
        case Draw():
            shares, x = context.draws(node.draw), inputs[0]
            samples = x.shape[1 if isinstance(shares, MemberDraws) else 0]
            return drawn(shares.uniform(x, samples), node.count, node.ratio)
        case Choose():
            return chosen(inputs[0], inputs[1:])
        case Augment():
            return formulas.view(node.view, node.numbers, inputs[0], context.draws(node.draw))
        case Normalise():
            return formulas.normaliser(node.name, node.numbers, inputs[0])
        case Add():
            return inputs[0] + inputs[1]
        case Stop():
            return inputs[0].detach()
        case Unless():
            return inputs[0] * (1 - inputs[1])
        case Discount():
            return discounted(inputs, node.discount)
        case Spread():
            return spread(inputs[0], node.bins, node.low, node.high, node.symlog, node.smoothing)
        case Concat():
            return torch.cat(inputs, dim=-1)
        case Predict():
            return context.head(node.head, inputs[0])
        case Compare():
            matrix, options = context.matrix(node.term), dict(node.options)
            draws = context.draws(node.draw) if operators[node.operator].draws else None
            return formulas.compare(node.operator, node.against_batch, inputs, matrix, options, draws)
        case OverSteps():
            return discounted(inputs, node.decay) / len(inputs)
        case WeightedSum():
            weights = context.weights(node.weights)
            return torch.stack([w * x for w, x in zip(weights, inputs, strict=True)]).sum(dim=0)
    raise TypeError(f"no meaning for {type(node).__name__}")


def weight_at(weight: Weight, frames: float) -> float:
    """The weight of a term after that many environment frames."""
    if isinstance(weight, Schedule):
        return scheduled(weight.start, weight.end, weight.frames, frames)
    return weight
