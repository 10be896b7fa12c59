"""The meaning of a program: evaluate it node by node. Slow and plain; all other backends must equal it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from a2ls_dsl.backend.operators import compare
from a2ls_dsl.backend.window import Window
from a2ls_dsl.ir.nodes import (
    Augment,
    Compare,
    Concat,
    Encode,
    EncodeBatch,
    Node,
    Pick,
    Predict,
    Program,
    Sample,
    WeightedSum,
)
from a2ls_dsl.lang.ast import Stream

Encoder = Callable[[Tensor], Tensor]


def no_view(view: str, draw: int, observation: Tensor) -> Tensor:
    """Views are augmentations of images; on vector observations they change nothing."""
    return observation


@dataclass(frozen=True)
class Context:
    """What a program is evaluated with.

    encode, encode_target: (B, observation) -> (B, features). predictors, bilinear: by term.
    augment: (view, draw, observation) -> observation.
    """

    window: Window
    encode: Encoder
    encode_target: Encoder
    predictors: Sequence[Callable[[Tensor], Tensor]]
    bilinear: Mapping[int, Tensor] = field(default_factory=dict)
    augment: Callable[[str, int, Tensor], Tensor] = no_view


def evaluate(program: Program, context: Context) -> Tensor:
    """The value of a program's loss: a scalar tensor."""
    values: list[Tensor] = []
    for node in program.nodes:
        values.append(_evaluate(node, [values[read] for read in node.inputs], context))
    return values[-1]


def _evaluate(node: Node, inputs: list[Tensor], context: Context) -> Tensor:
    match node:
        case Sample():
            return _sample(node, context.window)
        case Augment():
            return context.augment(node.view, node.draw, inputs[0])
        case Encode():
            return _encode(node.target, inputs[0], context)
        case EncodeBatch():
            encoded = _encode(node.target, torch.cat(inputs), context)
            return encoded.reshape(len(inputs), -1, encoded.shape[-1])
        case Pick():
            return inputs[0][node.index]
        case Concat():
            return torch.cat(inputs, dim=-1)
        case Predict():
            return context.predictors[node.term](inputs[0])
        case Compare():
            matrix = context.bilinear.get(node.term)
            return compare(node.operator, node.against_batch, inputs[0], inputs[1], matrix)
        case WeightedSum():
            weighted = [w * x for w, x in zip(node.weights, inputs, strict=True)]
            return torch.stack(weighted).sum()
    raise TypeError(f"no meaning for {type(node).__name__}")


def _sample(node: Sample, window: Window) -> Tensor:
    match node.stream:
        case Stream.STATE:
            return window.observation[:, node.offset]
        case Stream.ACTION:
            return window.action[:, node.offset]
        case Stream.REWARD:
            return window.reward[:, node.offset, None]
    raise TypeError(f"no window holds the stream {node.stream}")


def _encode(target: bool, observation: Tensor, context: Context) -> Tensor:
    if target:
        with torch.no_grad():
            return context.encode_target(observation)
    return context.encode(observation)
