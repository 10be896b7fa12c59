"""Networks of all members: called for some of them, copied, followed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from a2ls_dsl.backend.stacked import StackEncoder
from a2ls_dsl.rl.compute.adam import unchanged_where
from a2ls_dsl.rl.networks.layers import Rows


@torch.no_grad()
def follow(online: nn.Module, target: nn.Module, share: float, active: Tensor) -> None:
    """Exponential moving averages: a share of each active member's parameters enters those of the target."""
    followers = tuple(target.parameters())
    with unchanged_where(~active, followers):
        torch._foreach_lerp_(followers, tuple(online.parameters()), share)


def of_members(network: nn.Module) -> StackEncoder:
    """A network of all members, to be called for some of them as well."""

    def encode(x: Tensor, members: Tensor | None = None) -> Tensor:
        return called(network, (x,), members)

    return encode


def called(network: nn.Module, inputs: tuple[Tensor, ...], members: Tensor | None) -> Tensor:
    """What a network of all members gives for inputs (N, ...) of some (N,), or with None of all."""
    own: dict[str, Tensor] = {}
    if members is not None:
        tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        own = {name: tensor.index_select(0, members) for name, tensor in tensors.items()}
    result: Tensor = functional_call(network, own, inputs) if own else network(*inputs)
    return result


def copy_members(source: nn.Module, target: nn.Module, members: Rows) -> None:
    """Copy the parameters and buffers of members from one network to another of equal shape."""
    for mine, its in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        its[members] = mine[members]
