"""Finds losses that are written differently but compute the same.

The canonical form unites losses that are equal by the rules of the language. Two losses can still be one
computation: `nmse` of rows that were normalised before is `nmse` of the rows, and a crop of a vector is the
vector. Here both are evaluated on the same random numbers, and the results are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.rules.canonical import canonical, key, views_of
from a2ls_dsl.lang.rules.sums import shared_names, view_names
from a2ls_dsl.lang.syntax.printer import print_item, print_weight
from a2ls_dsl.lang.syntax.tree import Comparison, Loss, Weighted

SPACES = Spaces(observation=6, action=3, features=16)
BATCH = 12
PROBES = 8
"""The number of random directions on which the gradient of the encoder is projected."""
DIGITS = 6
"""How many digits of each number count: far more than chance could match, far fewer than rounding affects."""

Meaning: TypeAlias = tuple[tuple[object, ...], ...]


class DuplicateGate:
    """Stops a loss that computes the same as an earlier one. earlier: losses that passed the gate before.

    frames: whether the task's observations are frames; on vectors, views without effect are ignored.
    """

    name = "duplicates"

    def __init__(self, frames: bool, earlier: Iterable[Loss | None] = ()) -> None:
        self._frames = frames
        self._seen: dict[Meaning, str] = {}
        for loss in earlier:
            self.stops(loss)

    def stops(self, loss: Loss | None) -> str:
        """See `Gate.stops`; a loss that passes is remembered."""
        if loss is None or (computed := meaning(loss, self._frames)) is None:
            return ""
        mine = key(loss)
        first = self._seen.setdefault(computed, mine)
        return "" if first == mine else f"it computes the same as {first[:8]}"


def meaning(loss: Loss, frames: bool) -> Meaning | None:
    """What a canonical loss computes, as a value that can be compared; None if it can't be compiled.

    Every term is evaluated by itself on a fixed batch: its value, and the direction of its gradient for a
    small encoder. Learned parameters are fixed numbers that depend only on their place in the term and their
    shape, so a term gives the same in every loss. Equal terms still count twice, as each has its own head.
    Which terms share a head or a view counts, too.
    """
    blocks: dict[str, list[tuple[object, ...]]] = {}
    for place, weighted in enumerate(loss.terms):
        term = weighted.term
        if not isinstance(term, Comparison):
            raise TypeError("a canonical loss has no references")
        name = next(iter(shared_names(term)), f"{place}")
        try:
            numbers = _numbers(term)
        except A2lError:
            return None
        views = tuple(_views(term) if frames else view_names(term))
        blocks.setdefault(name, []).append((print_weight(weighted.weight), *numbers, *views))
    return tuple(sorted((tuple(sorted(block, key=repr)) for block in blocks.values()), key=repr))


def _numbers(term: Comparison) -> tuple[str, ...]:
    options = tuple(replace(option, shared=None) for option in term.options)
    alone = canonical(Loss((Weighted(1.0, replace(term, options=options)),)))
    module = compile_loss(alone, SPACES).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(_fixed(f"{name} {tuple(parameter.shape)}", *parameter.shape))
    encoder = [_fixed(f"encoder {layer}", *shape).requires_grad_() for layer, shape in enumerate(_LAYERS)]
    follower = [_fixed(f"follower {layer}", *shape) for layer, shape in enumerate(_LAYERS)]
    critic = _fixed("critic", SPACES.features)
    value = module(
        lambda x: _encoded(encoder, x),
        lambda x: _encoded(follower, x),
        _window(alone.horizon + 1),
        value=lambda latent: latent @ critic,
        generator=torch.Generator().manual_seed(0),  # views are drawn alike, too
    )
    gradients = torch.autograd.grad(value, encoder, allow_unused=True)
    flat = torch.cat(
        [
            torch.zeros_like(p).flatten() if g is None else g.flatten()
            for p, g in zip(encoder, gradients, strict=True)
        ]
    )
    length = flat.norm()
    direction = flat / length if float(length) > 1e-12 else torch.zeros_like(flat)
    probes = _fixed("probes", PROBES, flat.numel()) @ direction
    return tuple(_rounded(number) for number in (value, *probes))


_LAYERS = ((SPACES.features, SPACES.observation), (SPACES.features, SPACES.features))


def _encoded(layers: list[Tensor], observation: Tensor) -> Tensor:
    hidden = observation
    for layer in layers:
        hidden = torch.tanh(hidden @ layer.T)
    return hidden


def _window(steps: int) -> Window:
    """Random windows; a step's numbers are the same in longer ones."""
    return Window(
        observation=torch.stack(
            [_fixed(f"observation {step}", BATCH, SPACES.observation) for step in range(steps)], dim=1
        ),
        action=torch.stack(
            [_fixed(f"action {step}", BATCH, SPACES.action).tanh() for step in range(steps)], dim=1
        ),
        reward=torch.stack([_fixed(f"reward {step}", BATCH) for step in range(steps)], dim=1),
        done=torch.stack([(_fixed(f"done {step}", BATCH) > 0.4).double() for step in range(steps)], dim=1),
    )


def _fixed(name: str, *shape: int) -> Tensor:
    """Normal numbers in double precision that depend on a name and a shape alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 0.5


def _rounded(number: Tensor) -> str:
    value = float(number.detach())
    return f"{value:.{DIGITS - 1}e}" if abs(value) > 1e-9 else "0"


def _views(term: Comparison) -> Iterable[str]:
    """The random views of each side: values computed on vectors can't tell what they do to frames."""
    for side, items in (("source", term.source), ("target", term.target)):
        yield from sorted(f"{side} {print_item(item)}" for item in items if views_of(item))
