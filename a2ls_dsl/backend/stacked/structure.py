"""What members of equal structure have in common: a program without weights, the make of its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.module import CompiledLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import Augment, Sample
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions


class Structure:
    """A loss but for its weights. Parameters lie one behind the other in a vector of `size` numbers."""

    def __init__(self, loss: Loss, spaces: Spaces) -> None:
        bare = without_weights(loss)
        self.key = structure_key(loss)
        self.program = optimise(lower(bare))
        with torch.device("meta"):
            self.module = CompiledLoss(bare, spaces, self.program)
        self.shapes = {name: parameter.shape for name, parameter in self.module.named_parameters()}
        self.places: dict[str, slice] = {}
        self.size = 0
        for name, shape in self.shapes.items():
            self.places[name] = slice(self.size, self.size + math.prod(shape))
            self.size += math.prod(shape)
        self.states = self._states()

    def split(self, rows: Tensor) -> dict[str, Tensor]:
        """Parameters (members, *shape) by name, as views into vectors (members, size or more)."""
        parts = torch.split(rows[:, : self.size], [math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {
            name: part.view(len(rows), *shape)
            for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def start(self, rng: CounterRng) -> Tensor:
        """Fresh parameters (size,) as torch's layers and the paper start them; rng: of one member."""
        parts = []
        for number, (name, shape) in enumerate(self.shapes.items()):
            values = rng.uniform(Purpose.INIT_LOSS, number, math.prod(shape))[0]
            path, _, kind = name.rpartition(".")
            layer = None if path == "bilinear" else self.module.get_submodule(path)
            if isinstance(layer, nn.Linear):
                values = (2 * values - 1) / math.sqrt(layer.in_features)
            elif isinstance(layer, nn.BatchNorm1d | nn.LayerNorm):
                values = torch.full_like(values, float(kind == "weight"))
            parts.append(values)
        return torch.cat(parts) if parts else torch.zeros(0)

    def _states(self) -> list[tuple[int, int]]:
        """The (step, draw) of all observations that the program reads."""
        read: dict[tuple[int, int], None] = {}
        users = self.program.users()
        for index, node in enumerate(self.program.nodes):
            if not isinstance(node, Sample) or node.stream not in (Stream.STATE, Stream.RAW):
                continue
            for reader in (self.program.nodes[user] for user in users[index]):
                cut = isinstance(reader, Augment) and functions[reader.view].uncropped
                read[node.offset, reader.draw if cut and isinstance(reader, Augment) else 0] = None
        return list(read)


def without_weights(loss: Loss) -> Loss:
    """The loss with the weight 1 for every term."""
    return Loss(tuple(replace(term, weight=1.0) for term in loss.terms))


def structure_key(loss: Loss) -> str:
    """Equal for losses that differ in their weights only."""
    return print_loss(without_weights(loss))


def forward(layer: nn.Module, parameters: Mapping[str, Tensor], path: str, x: Tensor) -> Tensor:
    """What a head computes for rows (members, B, D), with parameters (members, ...) called path.NAME."""
    match layer:
        case nn.Sequential():
            for name, inner in layer.named_children():
                x = forward(inner, parameters, f"{path}.{name}", x)
            return x
        case nn.Linear():
            weight, bias = parameters[f"{path}.weight"], parameters[f"{path}.bias"]
            return torch.baddbmm(bias[:, None], x, weight.mT)
        case nn.BatchNorm1d():
            normal = F.layer_norm(x.mT, x.shape[1:2], eps=layer.eps).mT
            return normal * parameters[f"{path}.weight"][:, None] + parameters[f"{path}.bias"][:, None]
        case nn.LayerNorm():
            normal = F.layer_norm(x, x.shape[-1:], eps=layer.eps)
            return normal * parameters[f"{path}.weight"][:, None] + parameters[f"{path}.bias"][:, None]
        case nn.ReLU() | nn.ELU() | nn.Mish():
            activated: Tensor = layer(x)
            return activated
    raise TypeError(f"heads have no {type(layer).__name__}")
