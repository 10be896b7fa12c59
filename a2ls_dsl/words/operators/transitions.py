"""Metrics of states: distances of two samples' latents against those of their rewards and next latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sets
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.operators.a2ls import normalise
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DISCOUNT = Number("discount", 0.99, Range(0, 1, below=True), "the weight of the next states' distance")


def diffuse(x: Tensor, other: Tensor) -> Tensor:
    """The diffuse distance of rows: mean squared lengths plus 0.1 times the angle (Castro et al. 2021)."""
    lengths = (x.square().sum(dim=-1) + other.square().sum(dim=-1)) / 2
    cosine = (normalise(x) * normalise(other)).sum(dim=-1)
    # The root has no slope at 0, where rows are parallel.
    return lengths + 0.1 * torch.atan2((1 - cosine.square()).clamp_min(1e-9).sqrt(), cosine)


@operator(
    "diffuse distance of two states against that of their rewards and next states",
    example="mico({ s[t] } -> { r[t], s[t+1] })",
    sets=Sets.TRANSITION,
    head=False,
    pairwise=True,
    stacks=True,
    options=(_DISCOUNT,),
    source="Castro et al. 2021, arXiv 2106.08229",
    text="mean of (U(y, y′) − |r − r′| − discount × U(z, z′))², U the diffuse distance of MICo",
    latex=r"\bigl(U({y}, {other_y}) - \lvert {r} - {other_r} \rvert"
    r" - {discount}\, U({z}, {other_z})\bigr)^2",
)
def mico(y: Tensor, reward: Tensor, z: Tensor, discount: float) -> Tensor:
    """Diffuse distances of states against those of what follows, each sample with the one before it."""
    y_other, r_other, z_other = (rows.roll(1, dims=-2) for rows in (y, reward, z))
    goal = (reward - r_other).abs().squeeze(-1) + discount * diffuse(z, z_other)
    return (diffuse(y, y_other) - goal).square().mean(dim=-1)


@operator(
    "L1 distance of two states against that of their rewards and next states",
    example="bisim({ s[t] } -> { r[t], stop(s[t+1]) })",
    sets=Sets.TRANSITION,
    head=False,
    pairwise=True,
    stacks=True,
    options=(_DISCOUNT,),
    source="Zhang et al. 2021, arXiv 2006.10742",
    text="mean of (U(y, y′) − |r − r′| − discount × U(z, z′))², U the L1 distance",
    latex=r"\bigl(\lVert {y} - {other_y} \rVert_1 - \lvert {r} - {other_r} \rvert"
    r" - {discount}\, \lVert {z} - {other_z} \rVert_1\bigr)^2",
)
def bisim(y: Tensor, reward: Tensor, z: Tensor, discount: float) -> Tensor:
    """L1 distances of states against those of what follows (Zhang et al. 2021)."""
    y_other, r_other, z_other = (rows.roll(1, dims=-2) for rows in (y, reward, z))
    goal = (reward - r_other).abs().squeeze(-1) + discount * (z - z_other).abs().sum(dim=-1)
    return ((y - y_other).abs().sum(dim=-1) - goal).square().mean(dim=-1)


@operator(
    "cosine distance of two states against that of their rewards and next states",
    example="simsr({ s[t] } -> { r[t], rollout(stop(s[t]), a[t]) })",
    sets=Sets.TRANSITION,
    head=False,
    pairwise=True,
    stacks=True,
    options=(_DISCOUNT,),
    source="Zang et al. 2021, arXiv 2112.15303",
    text="mean of (U(y, y′) − |r − r′| − discount × U(z, z′))², U the cosine distance, 1 − cos",
    latex=r"\bigl(d_{{\cos}}({y}, {other_y}) - \lvert {r} - {other_r} \rvert"
    r" - {discount}\, d_{{\cos}}({z}, {other_z})\bigr)^2",
)
def simsr(y: Tensor, reward: Tensor, z: Tensor, discount: float) -> Tensor:
    """Cosine distances of states against those of what follows (Zang et al. 2021)."""
    y_other, r_other, z_other = (rows.roll(1, dims=-2) for rows in (y, reward, z))
    next_distance = 1 - (normalise(z) * normalise(z_other)).sum(dim=-1)
    goal = (reward - r_other).abs().squeeze(-1) + discount * next_distance
    return (1 - (normalise(y) * normalise(y_other)).sum(dim=-1) - goal).square().mean(dim=-1)
