"""When graphs are captured, where, and what happens if one can't be; the graphs themselves: test_gpu.py."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rl.compute.stand_in_cuda import StandIn
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from a2ls_dsl.cli.train import computation
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.capture import RENEWED, WARM_UP, Captured
from a2ls_dsl.rl.compute.device import choose_device
from a2ls_dsl.rl.compute.footprint import Footprint
from a2ls_dsl.rl.compute.memory import free_bytes
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.search import run
from a2ls_dsl.search.presets import PRESETS


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield StandIn(monkeypatch)


def double(variant: object, x: Tensor) -> Tensor:
    return 2 * x


def test_all_happens_on_the_device_of_the_function(cuda: StandIn) -> None:
    captured, seen = Captured[Tensor]("cuda:1"), list[int]()

    def watched(variant: object, x: Tensor) -> Tensor:
        seen.append(cuda.device)
        return double(variant, x)

    for _ in range(WARM_UP + 2):
        captured(watched, None, torch.zeros(3))
    Captured[Tensor]("cuda:1", enabled=False)(watched, None, torch.zeros(3))
    assert {device for _, device in cuda.happened} == set(seen) == {1}
    assert [what for what, _ in cuda.happened].count("replay") == 2
    assert captured.graphs == 1
    assert cuda.device == 0


def test_variants_are_captured_on_one_stream_into_one_pool_and_nothing_is_collected(cuda: StandIn) -> None:
    captured = Captured[Tensor]("cuda")
    for variant in "abc":
        for _ in range(WARM_UP + 1):
            captured(double, variant, torch.zeros(3))
    assert captured.graphs == len(cuda.captures) == 3
    for name in ("pool", "stream"):
        assert len({id(capture[name]) for capture in cuda.captures}) == 1
    assert {capture["mode"] for capture in cuda.captures} == {"thread_local"}
    assert not any(capture["collects"] for capture in cuda.captures)
    assert gc.isenabled()


def test_a_renewed_graph_is_captured_after_one_plain_call(cuda: StandIn) -> None:
    """And what could not be captured is tried again, as another function may stand there now."""
    captured, plain = Captured[Tensor]("cuda"), list[str]()

    def told(variant: str, x: Tensor) -> Tensor:
        plain.append(variant)
        return double(variant, x)

    for _ in range(WARM_UP + 2):
        captured(told, "a", torch.zeros(3))
    captured.renew()
    assert captured.graphs == 0
    plain.clear()
    for _ in range(3):
        captured(told, "a", torch.zeros(3))
    assert len(plain) == RENEWED + 1
    assert len(cuda.captures) == 2
    plain.clear()
    for _ in range(WARM_UP + 1):
        captured(told, "b", torch.zeros(3))
    assert len(plain) == WARM_UP + 1
    captured._enabled = False
    captured.renew()
    for _ in range(RENEWED + 1):
        captured(told, "a", torch.zeros(3))
    assert captured.graphs == 1


class Garbage:
    """What only a collection frees."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.parametrize("what", ["capture", "count"])
def test_garbage_is_gone_and_memory_given_back_before(what: str, cuda: StandIn) -> None:
    """Before a capture, and before members are said not to fit."""
    captured = Captured[Tensor]("cuda:0")
    gc.disable()
    try:
        garbage = weakref.ref(Garbage())
        for _ in range(WARM_UP + 1 if what == "capture" else 0):
            captured(double, None, torch.zeros(3))
        if what == "count":
            assert taking(cuda.free + 1).fitting(1, 1, "cuda:0") == 0
        assert garbage() is None
    finally:
        gc.enable()
    order = [name for name, _ in cuda.happened]
    last = max(place for place, name in enumerate(order) if name == what)
    assert order.index("synchronize") < order.index("empty") < last


def test_what_fits_is_not_looked_at_twice(cuda: StandIn) -> None:
    assert taking(cuda.free).fitting(1, 1, "cuda:0") == 1
    assert [name for name, _ in cuda.happened] == ["count"]


def taking(replay: int) -> Footprint:
    """A member with a replay of so many bytes, and nothing else."""
    return Footprint(replay, networks=0, update=0, exact=False, environment=0, process=0)


def test_what_can_not_be_captured_is_computed_all_the_same(cuda: StandIn) -> None:
    """With a warning that says why, and not tried again; the stream before is the current one."""
    captured, calls = Captured[Tensor]("cuda:1"), list[str]()

    def refused(variant: str, x: Tensor) -> Tensor:
        calls.append(variant)
        if len(cuda.captures) and len(calls) == WARM_UP + 1:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        return double(variant, x)

    with cuda.on_device(torch.device("cuda:1")):
        before = cuda.current()
    for _ in range(WARM_UP):
        captured(refused, "a", torch.zeros(3))
    cuda.broken = True
    with pytest.warns(RuntimeWarning, match="more slowly: operation not permitted when stream is capturing$"):
        assert captured(refused, "a", torch.zeros(3)).shape == (3,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for variant in "ab":
            assert captured(refused, variant, torch.zeros(3)).shape == (3,)
    assert calls == [*"aaaaaab"]
    assert len(cuda.captures) == 1
    assert captured.graphs == 0
    assert ("replay", 1) not in cuda.happened
    assert cuda.streams[1] is before
    assert gc.isenabled()


def test_an_interrupted_capture_is_made_anew(cuda: StandIn) -> None:
    captured, interrupted = Captured[Tensor]("cuda"), list[bool]()

    def stopped(variant: str, x: Tensor) -> Tensor:
        if cuda.captures and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return double(variant, x)

    for _ in range(WARM_UP):
        captured(stopped, None, torch.zeros(3))
    with pytest.raises(KeyboardInterrupt):
        captured(stopped, None, torch.zeros(3))
    assert captured.graphs == 0
    captured(stopped, None, torch.zeros(3))
    assert len(cuda.captures) == 2
    assert captured.graphs == 1


def test_a_cpu_has_one_name() -> None:
    assert choose_device("cpu:0") == choose_device("cpu") == "cpu"
    assert free_bytes(choose_device("cpu:0")) > 0


def test_no_capture_reaches_the_learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a training, and of a search, which begins no stack here."""
    assert not computation("tf32", compile=False, capture=False, device="cuda").capture
    asked = list[bool]()

    def begun(training: Training, *_: object, **__: object) -> None:
        asked.append(training.computation.capture)
        raise A2lError("begun", "stop")

    monkeypatch.setattr(run, "Stacks", begun)
    for number, capture in enumerate((True, False)):
        with pytest.raises(A2lError, match="begun"):
            run.evolve(
                PRESETS["quick"]("cartpole-swingup"), tmp_path / str(number), device="cpu", capture=capture
            )
    assert asked == [True, False]
