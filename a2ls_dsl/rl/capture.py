"""Functions of tensors as CUDA graphs: launched as a whole, where Python would launch kernel by kernel.

A stack's update is hundreds of small kernels; launching them takes longer than running them. What a
captured function computes must depend on nothing but tensors that live as long as it does: those it reads and
writes in place, and the inputs that are copied into buffers of its own. Elsewhere than on CUDA calls are
plain calls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

WARM_UP = 3
"""Plain calls of a variant before it is captured: libraries load kernels, optimizers make their state."""


class Captured(Generic[T]):
    """A function's calls `function(variant, *inputs)` as one CUDA graph a variant.

    The function comes with each call, always the same, and isn't kept: it may hold who holds this.

    A variant is whatever decides which kernels run (a flag, say). Inputs may lie on the host; their shapes
    must not change. Gives what the function gives; tensors in it are overwritten by the next call.
    """

    def __init__(self, device: torch.device | str, enabled: bool = True) -> None:
        self._device = torch.device(device)
        self._enabled = enabled and self._device.type == "cuda"
        self._variants: dict[Hashable, _Variant[T]] = {}
        self._pool: Any = None  # variants never run together, so they share their memory

    def __call__(self, function: Callable[..., T], variant: Hashable, *inputs: Tensor) -> T:
        if not self._enabled:
            return function(variant, *(each.to(self._device) for each in inputs))
        if variant not in self._variants:
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            self._variants[variant] = _Variant(self._device, inputs, self._pool)
        return self._variants[variant].call(lambda *given: function(variant, *given), inputs)

    def close(self) -> None:
        """Let go of all graphs, and of the memory that they hold."""
        self._variants.clear()
        self._pool = None


class _Variant(Generic[T]):
    """The graph of one variant and the buffers of its inputs."""

    def __init__(self, device: torch.device, inputs: tuple[Tensor, ...], pool: Any) -> None:
        self._pool = pool
        self._inputs = [torch.empty_like(each, device=device) for each in inputs]
        # Pages that the device copies from by itself; an ordinary copy would wait for all that runs there.
        self._pinned = [torch.empty_like(each, device="cpu", pin_memory=True) for each in inputs]
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._calls = 0

    def call(self, function: Callable[..., T], inputs: tuple[Tensor, ...]) -> T:
        self._feed(inputs)
        self._calls += 1
        if self._calls <= WARM_UP:
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                output = function(*self._inputs)
            current.wait_stream(self._stream)
            return output
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool=self._pool, stream=self._stream):
                self._output = function(*self._inputs)  # recorded, not run
        self._graph.replay()
        return self._output

    def _feed(self, inputs: tuple[Tensor, ...]) -> None:
        """Copy the inputs to the device without waiting for what runs there."""
        self._copied.synchronize()  # the last copy out of the pinned pages has ended
        for given, pinned, own in zip(inputs, self._pinned, self._inputs, strict=True):
            if given.is_cuda:
                own.copy_(given, non_blocking=True)
            else:
                own.copy_(pinned.copy_(given), non_blocking=True)
        self._copied.record()
