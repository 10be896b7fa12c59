"""Adam for a stack: a member has a count of steps of its own, and can be started anew beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import torch
from torch import Tensor, nn

# With fewer numbers to change than these, waking other threads costs a CPU more than they save. The kernel
# wakes them for any.
_WORTH_THREADS = 2**20
_REGISTER = 16  # numbers in the widest vector register of a CPU


class StackedAdam(nn.Module):
    """Adam (Kingma and Ba 2015) over parameters with a leading slot axis, by torch's fused kernel.

    A member's parameters are updated as `torch.optim.Adam` would update them alone, bias correction included.
    All state lies in buffers that are changed in place, so that a step can be captured as part of a graph.
    together: no member is ever reset, so that one count serves all and tensors are updated as a whole. On a
    CPU neighbours of one count are in any case.
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
        # The kernel goes through memory in order, and convolutions give gradients with channels last.
        slopes = [each.contiguous() for each in gradients]
        runs, alone = self._runs(), [1] * self.members
        steps = self.steps.float()
        parts = list[tuple[Tensor, ...]]()
        for states in zip(self.trained, slopes, self.moments("first"), self.moments("second"), strict=True):
            # What a vector register does not fill is rounded otherwise: let it be the same in any company.
            fills = self.together or states[0].numel() // self.members % _REGISTER == 0
            parts += _cut((*states, steps), runs if fills else alone)
        if self.steps.is_cuda:
            self._update(parts)
        else:
            with _one_thread():
                self._update([each for each in parts if each[0].numel() < _WORTH_THREADS])
            self._update([each for each in parts if each[0].numel() >= _WORTH_THREADS])

    @torch.no_grad()
    def reset(self, member: int) -> None:
        """Forget all that is known of a member's gradients; not for members that stay together."""
        for state in self.buffers():
            by_member(state, self.members)[member] = 0

    def moments(self, moment: str) -> list[Tensor]:
        """The `first` or `second` moments, in the order of the trained parameters."""
        return [self.get_buffer(f"{moment}_{number}") for number in range(len(self.trained))]

    def _runs(self) -> list[int]:
        """How many neighbours have one count, in order. A GPU isn't asked: captured steps can't change."""
        if self.together:
            return [self.members]
        if self.steps.is_cuda:
            return [1] * self.members
        return [len(list(run)) for _, run in groupby(self.steps.tolist())]

    def _update(self, parts: Sequence[tuple[Tensor, ...]]) -> None:
        """Change parameters and their moments: (parameter, gradient, first, second, count of steps) each."""
        if not parts:
            return
        parameters, slopes, first, second, counts = map(list, zip(*parts, strict=True))
        torch._fused_adam_(
            parameters,
            slopes,
            first,
            second,
            [],
            counts,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )


def _cut(states: tuple[Tensor, ...], runs: list[int]) -> Iterable[tuple[Tensor, ...]]:
    """Tensors of all members, the last with their counts, in runs of so many members, each with one count."""
    if len(runs) == 1:
        return [(*states[:-1], states[-1][0])]
    members = sum(runs)
    cut = [torch.split(by_member(each, members), runs) for each in states[:-1]]
    return zip(*cut, [run[0] for run in torch.split(states[-1], runs)], strict=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def by_member(tensor: Tensor, members: int) -> Tensor:
    """A slot axis that several rows of each member share, as two axes: the members, and their rows."""
    return tensor.view(members, len(tensor) // members, *tensor.shape[1:])
