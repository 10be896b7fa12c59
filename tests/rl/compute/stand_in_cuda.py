"""A stand-in for the streams and graphs of torch.cuda, which keeps what it was asked for and runs nothing.

For tests of the order of calls, with tensors that have a device and no values: `FakeTensorMode`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch


class StandIn:
    """In the place of torch.cuda. `happened`: calls with what was current; broken: whether captures fail."""

    free = 7
    """Bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device, self.broken = 0, False
        self.streams: dict[int, object] = {}
        self.happened: list[tuple[Any, ...]] = []
        self.captures: list[dict[str, Any]] = []
        outer = self

        class Stream:
            def __init__(self, device: torch.device) -> None:
                self.device = device

            def wait_stream(self, other: object) -> None:
                outer.note("wait")

        class Event:
            def record(self) -> None:
                outer.note("record")

            def synchronize(self) -> None:
                pass

        class Graph:
            def replay(self) -> None:
                outer.note("replay")

        self.make = Stream
        for name, value in {
            "Stream": Stream,
            "Event": Event,
            "CUDAGraph": Graph,
            "graph": self.graph,
            "device": self.on_device,
            "stream": self.on_stream,
            "current_stream": self.current,
            "graph_pool_handle": object,
            "synchronize": lambda device=None: self.note("synchronize"),
            "empty_cache": lambda: self.note("empty"),
            "mem_get_info": lambda device: self.note("count") or (self.free, 9),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        # Without CUDA torch can't even copy what has no values.
        monkeypatch.setattr(torch.Tensor, "copy_", lambda own, given, non_blocking=False: own)

    def note(self, what: str) -> None:
        self.happened.append((what, self.device))

    def current(self) -> object:
        return self.streams.setdefault(self.device, self.make(torch.device("cuda", self.device)))

    @contextmanager
    def on_device(self, device: torch.device) -> Iterator[None]:
        before, self.device = self.device, device.index or 0
        yield
        self.device = before

    @contextmanager
    def on_stream(self, stream: Any) -> Iterator[None]:
        before = self.current()
        self.streams[self.device] = stream
        try:
            yield
        finally:
            self.streams[self.device] = before

    @contextmanager
    def graph(
        self, graph: object, pool: object, stream: object, capture_error_mode: str = "global"
    ) -> Iterator[None]:
        """As torch's: where the capture can't be ended, its stream stays the current one."""
        self.note("capture")
        self.captures.append(
            {"pool": pool, "stream": stream, "mode": capture_error_mode, "collects": gc.isenabled()}
        )
        self.streams[self.device] = stream
        try:
            yield
        finally:
            if self.broken:
                raise RuntimeError("operation failed due to a previous error during capture")
