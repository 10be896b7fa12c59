"""Adam for a stack: a member has a count of steps of its own, and can be started anew beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor, nn

# With fewer numbers to change than these, waking other threads costs a CPU more than they save. The kernel
# wakes them for any.
_WORTH_THREADS = 2**20
_REGISTER = 16  # numbers in the widest vector register of a CPU


class StackedAdam(nn.Module):
    """Adam (Kingma and Ba 2015) over parameters with a leading slot axis.

    A member's parameters are updated as `torch.optim.Adam` would update them alone, bias correction included.
    All state lies in buffers that are changed in place, so that a step can be captured as part of a graph.
    decay: that of weights, as `torch.optim.AdamW` has it; 0 for none.
    members: how many there are, by default as many as rows. owners: for each parameter whose its rows are,
    (rows,), or None where row i is member i's.
    """

    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        members: int | None = None,
        owners: Sequence[Tensor | None] | None = None,
        decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.decay = decay
        self.trained = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        for moment in ("first", "second"):
            for number, parameter in enumerate(self.trained):
                self.register_buffer(f"{moment}_{number}", torch.zeros_like(parameter, requires_grad=False))
        self.members = len(self.trained[0]) if members is None else members
        self.owners = [None] * len(self.trained) if owners is None else list(owners)
        device = self.trained[0].device if self.trained else None
        self.register_buffer("steps", torch.zeros(self.members, device=device))
        self._pieces = _Pieces()

    def step(self, losses: Tensor, active: Tensor | None = None) -> Sequence[Tensor]:
        """One step of every active member down its loss, of (members,); gives the gradients."""
        # A parameter that no loss reads at the moment has the gradient 0.
        gradients = torch.autograd.grad(losses.sum(), self.trained, allow_unused=True, materialize_grads=True)
        self.descend(gradients, active)
        return gradients

    @torch.no_grad()
    def descend(self, gradients: Sequence[Tensor], active: Tensor | None = None) -> None:
        """One step along gradients of the trained parameters.

        active: (members,), by default all. Of the others nothing changes by a bit: no parameter, moment or
        count, whatever their gradients are.
        """
        active = torch.ones_like(self.steps, dtype=torch.bool) if active is None else active
        self.steps += active
        # The kernel goes through memory in order, and convolutions give gradients with channels last.
        slopes = [gradient.contiguous() for gradient in gradients]
        if self.steps.is_cpu:
            self._descend_on_cpu(slopes, active)
        else:
            self._descend_at_once(slopes, active)

    def _descend_at_once(self, slopes: Sequence[Tensor], active: Tensor) -> None:
        """As many calls of kernels for many members as for few, and nothing that asks for a value."""
        counts = self.steps.double()
        size = self.lr / (1 - self.betas[0] ** counts)
        root = (1 - self.betas[1] ** counts).sqrt()
        of_members = torch.stack([active.double(), size, root], dim=1)
        of_rows = {id(owner): of_members if owner is None else of_members[owner] for owner in self.owners}
        step: Callable[..., None] = _one_kernel() if self.steps.is_cuda else plain_step
        states = zip(self.trained, slopes, self.moments("first"), self.moments("second"), strict=True)
        for state, owner in zip(states, self.owners, strict=True):
            rows = of_rows[id(owner)]
            flat = [values.view(len(rows), values.numel() // len(rows)) for values in state]
            step(*flat, rows=rows, decay=self.lr * self.decay, betas=self.betas, eps=self.eps)

    def _descend_on_cpu(self, slopes: Sequence[Tensor], active: Tensor) -> None:
        """A call of torch's fused kernel for all, in pieces of neighbours with one count of steps."""
        steps, running = self.steps.tolist(), active.tolist()
        runs = [len(list(run)) for _, run in groupby(zip(steps, running, strict=True))]
        owned = [owner if owner is None else owner.tolist() for owner in self.owners]
        if self._pieces.key != (runs, owned):
            self._pieces = self._in_pieces(runs, owned)
        pieces, counts = self._pieces, self.steps.float().unbind()
        cut = _cut(slopes, pieces.lengths)

        def update(numbers: Sequence[int]) -> None:
            moving = [number for number in numbers if running[pieces.members[number]]]
            if moving:
                parameters, first, second = ([state[number] for number in moving] for state in pieces.states)
                own = [counts[pieces.members[number]] for number in moving]
                self._fused(parameters, [cut[number] for number in moving], first, second, own)

        with _one_thread():
            update(pieces.small)
        update(pieces.large)

    def _in_pieces(self, runs: list[int], owned: list[list[int] | None]) -> _Pieces:
        """runs: of how many neighbours each is made; owned: as `owners`."""
        starts = list(accumulate(runs[:-1], initial=0))
        lengths, members = list[list[int]](), list[int]()
        for parameter, owner in zip(self.trained, owned, strict=True):
            if owner is not None:
                lengths.append([1] * len(parameter))
                members += owner
            # What a vector register does not fill is rounded otherwise: let it be the same in any company.
            elif parameter.numel() // self.members % _REGISTER == 0:
                lengths.append(runs)
                members += starts
            else:
                lengths.append([1] * self.members)
                members += range(self.members)
        states = self.trained, self.moments("first"), self.moments("second")
        return _Pieces((runs, owned), lengths, members, tuple(_cut(state, lengths) for state in states))

    @torch.no_grad()
    def reset(self, member: int) -> None:
        """Forget all that is known of a member's gradients."""
        moments = self.moments("first") + self.moments("second")
        for state, owner in zip(moments, self.owners * 2, strict=True):
            state[member if owner is None else owner == member] = 0
        self.steps[member] = 0

    def moments(self, moment: str) -> list[Tensor]:
        """The `first` or `second` moments, in the order of the trained parameters."""
        return [self.get_buffer(f"{moment}_{number}") for number in range(len(self.trained))]

    def _apply(self, *arguments: Any, **options: Any) -> StackedAdam:
        self._pieces = _Pieces()  # what is moved or converted lies elsewhere
        super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]
        return self

    def _fused(
        self,
        parameters: list[Tensor],
        slopes: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        counts: list[Tensor],
    ) -> None:
        """Change parameters and their moments."""
        kernel = torch._fused_adamw_ if self.decay else torch._fused_adam_
        kernel(
            parameters,
            slopes,
            first,
            second,
            [],
            counts,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )


def plain_step(
    parameter: Tensor,
    slope: Tensor,
    first: Tensor,
    second: Tensor,
    rows: Tensor,
    decay: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """One step of rows (rows, numbers) of a parameter, in place, down their slopes.

    rows: (rows, 3), whether a row moves at all, the size of its step, the root of its second correction.
    """
    moves, size, root = (column[:, None] for column in rows.unbind(1))
    size, root = size.to(parameter.dtype), root.to(parameter.dtype)
    mean = torch.lerp(first, slope, 1 - betas[0])
    square = betas[1] * second + (1 - betas[1]) * slope.square()
    moved = (1 - decay) * parameter - size * mean / (square.sqrt() / root + eps)
    for state, new in ((parameter, moved), (first, mean), (second, square)):
        state.copy_(torch.where(moves > 0, new, state))


@cache
def _one_kernel() -> Callable[..., None]:
    """The same as one kernel, where there is Triton."""
    try:
        from a2ls_dsl.rl.compute.adam_kernel import fused_step
    except ImportError:
        return plain_step
    return fused_step


@dataclass(frozen=True)
class _Pieces:
    """Parameters and moments in pieces of rows: views, which take longer to make than to use.

    key: what they depend on; lengths: of the pieces of each parameter; members: whose they are.
    """

    key: tuple[list[int], list[list[int] | None]] | None = None
    lengths: list[list[int]] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    states: tuple[list[Tensor], ...] = ()

    @cached_property
    def small(self) -> list[int]:
        """The numbers of those that one thread changes."""
        return [number for number, state in enumerate(self.states[0]) if state.numel() < _WORTH_THREADS]

    @cached_property
    def large(self) -> list[int]:
        """The numbers of the others."""
        return [number for number, state in enumerate(self.states[0]) if state.numel() >= _WORTH_THREADS]


def _cut(tensors: Sequence[Tensor], lengths: Sequence[list[int]]) -> list[Tensor]:
    pieces = list[Tensor]()
    for tensor, sizes in zip(tensors, lengths, strict=True):
        pieces += [tensor] if len(sizes) == 1 else torch.split(tensor, sizes)
    return pieces


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def unchanged_where(inactive: Tensor, tensors: Sequence[Tensor]) -> Iterator[None]:
    """Whatever is done to tensors inside, those of the inactive members leave as they came, bit for bit.

    inactive: (members,); tensors are changed in place and have a slot axis first.
    """
    if inactive.device.type == "cpu":  # which may be asked
        where = inactive.nonzero()[:, 0]
        kept = [tensor[where] for tensor in tensors] if len(where) else []
        yield
        for row, before in zip(tensors, kept, strict=False):
            row[where] = before
    else:
        kept = [tensor.clone() for tensor in tensors]
        yield
        for row, before in zip(tensors, kept, strict=True):
            row.copy_(torch.where(inactive.view(-1, *[1] * (row.dim() - 1)), before, row))
