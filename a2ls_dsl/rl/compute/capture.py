"""Functions of tensors as CUDA graphs: launched as a whole, where Python would launch kernel by kernel.

A stack's update is hundreds of small kernels; launching them takes longer than running them. What a
captured function computes must depend on nothing but tensors that live as long as it does: those it reads and
writes in place, and the inputs that are copied into buffers of its own. Elsewhere than on CUDA calls are
plain calls.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from a2ls_dsl.diagnostics import reason
from a2ls_dsl.rl.compute.memory import give_back

T = TypeVar("T")

WARM_UP = 3
"""Plain calls of a variant before it is captured: libraries load kernels, optimizers make their state."""
RENEWED = 1
"""Plain calls of a variant that has been captured before: kernels for new shapes are chosen."""


class Captured(Generic[T]):
    """A function's calls `function(variant, *inputs)` as one CUDA graph a variant.

    The function comes with each call, always the same, and isn't kept: it may hold who holds this.

    A variant is whatever decides which kernels run (a flag, say). Inputs may lie on the host; their shapes
    must not change. Gives what the function gives; tensors in it are overwritten by the next call.

    Where a capture fails, a warning says why, and all calls are plain from then on.
    """

    def __init__(self, device: torch.device | str, enabled: bool = True) -> None:
        self._device = torch.device(device)
        self._wanted = self._enabled = enabled and self._device.type == "cuda"
        self._known = set[Hashable]()  # variants that were captured once
        self._variants: dict[Hashable, _Variant[T]] = {}
        # Variants never run together, so they share memory; on other streams a pool would give them more.
        self._stream: torch.cuda.Stream | None = None
        self._pool: Any = None

    def __call__(self, function: Callable[..., T], variant: Hashable, *inputs: Tensor) -> T:
        with _current(self._device):
            if not self._enabled:
                return function(variant, *(tensor.to(self._device) for tensor in inputs))
            if self._stream is None:
                self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
                self._pool = torch.cuda.graph_pool_handle()
            if variant not in self._variants:
                calls = RENEWED if variant in self._known else WARM_UP
                self._variants[variant] = _Variant(self._device, inputs, self._stream, self._pool, calls)
            own = self._variants[variant]

            def call() -> T:
                return function(variant, *own.inputs)

            try:
                return own.launch(call, inputs)
            except _NotCaptured as error:
                why = str(error)
            self._enabled = False
            self.close()
            give_back(str(self._device))
            text = f"no CUDA graph could be captured, so kernels are launched one by one, more slowly: {why}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return call()

    @property
    def graphs(self) -> int:
        """How many variants have been captured."""
        return sum(variant.graph is not None for variant in self._variants.values())

    def renew(self) -> None:
        """The function reads other tensors from now on, or runs other kernels: capture all variants anew."""
        self._known |= {variant for variant, graph in self._variants.items() if graph.graph is not None}
        self.close()
        self._enabled = self._wanted

    def close(self) -> None:
        """Let go of all graphs, and of the memory that they hold."""
        self._variants.clear()
        self._pool = self._stream = None


class _NotCaptured(Exception):
    """Why a call could not be captured."""


class _Variant(Generic[T]):
    """The graph of one variant and the buffers of its inputs; all on the current device."""

    def __init__(
        self,
        device: torch.device,
        inputs: tuple[Tensor, ...],
        stream: torch.cuda.Stream,
        pool: Any,
        warm_ups: int,
    ) -> None:
        self._device, self._stream, self._pool = device, stream, pool
        self.inputs = [torch.empty_like(tensor, device=device) for tensor in inputs]
        # Pages that the device copies from by itself; an ordinary copy would wait for all that runs there.
        self._pinned = [torch.empty_like(tensor, device="cpu", pin_memory=True) for tensor in inputs]
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._warm_ups = warm_ups
        self.graph: torch.cuda.CUDAGraph | None = None

    def launch(self, call: Callable[[], T], inputs: tuple[Tensor, ...]) -> T:
        """What `call` computes from these inputs: as a graph, once it is warm. Raises `_NotCaptured`."""
        self._feed(inputs)
        if self._warm_ups:
            self._warm_ups -= 1
            return self._warm_up(call)
        if self.graph is None:
            self.graph, self._output = self._captured(call)
        self.graph.replay()
        return self._output

    def _feed(self, inputs: tuple[Tensor, ...]) -> None:
        """Copy the inputs to the device without waiting for what runs there."""
        self._copied.synchronize()  # the last copy out of the pinned pages has ended
        for given, pinned, own in zip(inputs, self._pinned, self.inputs, strict=True):
            if given.is_cuda:
                own.copy_(given, non_blocking=True)
            else:
                own.copy_(pinned.copy_(given), non_blocking=True)
        self._copied.record()

    def _warm_up(self, call: Callable[[], T]) -> T:
        before = torch.cuda.current_stream()
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            output = call()
        before.wait_stream(self._stream)
        return output

    def _captured(self, call: Callable[[], T]) -> tuple[torch.cuda.CUDAGraph, T]:
        """A call that is recorded, not run, and where its output will be."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile.
        recording = torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local")
        failed: RuntimeError | None = None
        give_back(str(self._device))
        try:
            # If a capture can't be ended, torch leaves its stream the current one: the outer context doesn't.
            with torch.cuda.stream(self._stream), _no_collections(), recording:
                try:
                    output = call()
                except RuntimeError as error:
                    failed = error  # the capture can't be ended then, which says less
                    raise
        except RuntimeError as error:
            raise _NotCaptured(reason(failed or error)) from None
        return graph, output


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Streams, events and kernels are those of the current device: let it be this one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def _no_collections() -> Iterator[None]:
    """Garbage may hold graphs, and a graph must not be destroyed while another one is captured."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
