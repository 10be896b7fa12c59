"""Adam for a stack: a member has a count of steps of its own, and can be started anew beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class StackedAdam(nn.Module):
    """Adam (Kingma and Ba 2015) over parameters with a leading slot axis, by torch's fused kernel.

    A member's parameters are updated as `torch.optim.Adam` would update them alone, bias correction included.
    All state lies in buffers that are changed in place, so that a step can be captured as part of a graph.
    together: no member is ever reset, so that one count serves all and tensors are updated as a whole.
    members: how many share the slot axis, each with an equal part of it; by default its length.
    """

    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        together: bool = True,
        members: int | None = None,
    ) -> None:
        super().__init__()
        self.trained = list(parameters)
        self.lr, self.betas, self.eps, self.together = lr, betas, eps, together
        for moment in ("first", "second"):
            for number, each in enumerate(self.trained):
                self.register_buffer(f"{moment}_{number}", torch.zeros_like(each, requires_grad=False))
        self.members = len(self.trained[0]) if members is None else members
        device = self.trained[0].device
        self.register_buffer("steps", torch.zeros(self.members, device=device))

    def step(self, losses: Tensor) -> None:
        """One step of every member down the gradient of its loss; losses: (members,)."""
        # A parameter that no loss reads at the moment has the gradient 0.
        self.descend(
            torch.autograd.grad(losses.sum(), self.trained, allow_unused=True, materialize_grads=True)
        )

    @torch.no_grad()
    def descend(self, gradients: Sequence[Tensor]) -> None:
        """One step along gradients of the trained parameters."""
        self.steps += 1
        counts = self.steps.float().unbind()[: 1 if self.together else None]
        tensors: list[list[Tensor]] = [
            list(self.trained),
            # The kernel goes through memory in order, and convolutions give gradients with channels last.
            [each.contiguous() for each in gradients],
            self.moments("first"),
            self.moments("second"),
        ]
        if not self.together:
            tensors = [self._parts(each) for each in tensors]
        parameters, slopes, first, second = tensors
        torch._fused_adam_(
            parameters,
            slopes,
            first,
            second,
            [],
            [count for _ in self.trained for count in counts],
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )

    @torch.no_grad()
    def reset(self, member: int) -> None:
        """Forget all that is known of a member's gradients; not for members that stay together."""
        for state in self.buffers():
            by_member(state, self.members)[member] = 0

    def moments(self, moment: str) -> list[Tensor]:
        """The `first` or `second` moments, in the order of the trained parameters."""
        return [self.get_buffer(f"{moment}_{number}") for number in range(len(self.trained))]

    def _parts(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """The parts of all members of all tensors."""
        return [part for each in tensors for part in by_member(each, self.members).unbind()]


def by_member(tensor: Tensor, members: int) -> Tensor:
    """A slot axis that several rows of each member share, as two axes: the members, and their rows."""
    return tensor.view(members, len(tensor) // members, *tensor.shape[1:])
