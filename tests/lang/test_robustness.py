"""`a2l check` over whatever may be in a file: an answer, never a traceback, never much work."""

from __future__ import annotations

import io
import os
import random
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from cProfile import Profile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from large_files import LARGE  # noqa: E402

from a2ls_dsl.cli import main  # noqa: E402
from a2ls_dsl.lang.files import MAX_SIZE, shipped  # noqa: E402

BAD = Path(__file__).parent.parent / "bad"
VALID = [path.read_bytes() for path in shipped("losses", ".a2l").values()]
TEXTS = [*VALID, *(path.read_bytes() for path in sorted(BAD.glob("*.a2l")))]

PIECES = """
loss import against batch with as head = none linear mlp(256) predictor temperature bins decay discount
redundancy mse nmse infonce ce huber barlow mico bisim variance covariance ( ) { } [ ] -> , + - * # .. ...
s[t] a[t..t+3] r[t] o[t] done[t+1] t t+1 t-1 t+999 t+1000 0 1 1.5 1e999 -1 0.0
crop shift mask online ema stop l2 simnorm value return rollout value(s[t+3]) return(r[t..t+2])
rollout(s[t],a[t..t+2]) linear(0,1,100) "curl.a2l" "x" " \\ | ; : é → { s_t } s_{t+1} \\bar{z}
"""
WORDS = [*PIECES.split(), "\0", "\t", "\n", "\r"]


def mutated(rng: random.Random) -> bytes:
    """A known text with a few of its bytes or words gone, doubled, swapped or replaced."""
    text = rng.choice(TEXTS)
    for _ in range(rng.randint(0, 4)):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.randint(0, 12))
        other = rng.choice(TEXTS)
        place = rng.randint(0, len(other))
        piece = rng.choice(
            [
                b"",
                rng.choice(WORDS).encode(),
                text[start:end] * rng.randint(2, 40),
                other[place : place + rng.randint(1, 60)],
                bytes([rng.randrange(256)]),
            ]
        )
        text = text[:start] + piece + text[end:]
    return text


def heap(rng: random.Random) -> bytes:
    """Words of the language in any order."""
    words = rng.choices(WORDS, k=rng.randint(0, 60))
    return ("loss x = " * rng.randint(0, 1) + rng.choice([" ", ""]).join(words)).encode()


def noise(rng: random.Random) -> bytes:
    """Random bytes, or bytes that are characters."""
    if rng.random() < 0.5:
        return rng.randbytes(rng.randint(0, 300))
    return bytes(rng.choices(range(32, 127), k=rng.randint(0, 300)))


def large(rng: random.Random) -> bytes:
    """One piece over and over, up to the largest file that is looked at."""
    pieces = rng.choices(WORDS, k=rng.randint(1, 3))
    piece = (rng.choice(["", " ", "\n"])).join(pieces).encode() or b"x"
    head = rng.choice([b"", b"loss x = ", b"loss x = mse({ ", b"loss x = mse({ s[t] } -> { "])
    size = rng.choice([MAX_SIZE // 50, MAX_SIZE - len(head) - 1])
    return head + piece * (size // len(piece)) + rng.choice([b"", b")", b" } -> { r[t] })"])


def inputs(seed: int, count: int) -> Iterator[bytes]:
    """`count` files. Large ones are few."""
    rng = random.Random(seed)
    kinds = [mutated] * 60 + [heap] * 25 + [noise] * 14 + [large]
    for _ in range(count):
        yield rng.choice(kinds)(rng)


MOST = 3_000_000
"""Calls of functions that a file may take; `benchmarks/large_files.py` says what that is in seconds."""


def check(paths: list[str]) -> tuple[int, str, int]:
    """`a2l check` in this process: exit status, all it says, and its work in calls of functions."""
    sys.argv = ["a2l", "check", *paths]
    said, profile = io.StringIO(), Profile()
    with redirect_stdout(said), redirect_stderr(said), profile:
        try:
            main()
            status = 0
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else 99
    return status, said.getvalue(), sum(entry.callcount for entry in profile.getstats())


def survives(files: list[Path]) -> None:
    """Check files together, and where that was much work each alone."""
    status, said, calls = check([str(path) for path in files])
    assert status in (0, 1, 2), said
    assert "Traceback" not in said
    if calls > MOST:
        for path in files:
            status, said, calls = check([str(path)])
            assert status in (0, 1, 2), said
            assert calls < MOST, f"{calls:,} calls for {path.read_bytes()[:200]!r}..."


def run(folder: Path, seed: int, count: int, together: int = 25) -> None:
    files = [folder / f"{place}.a2l" for place in range(together)]
    waiting = inputs(seed, count)
    for _ in range(count // together):
        for path in files:
            path.write_bytes(next(waiting))
        survives(files)


@pytest.fixture(autouse=True)
def arguments() -> Iterator[None]:
    before = sys.argv
    yield
    sys.argv = before


def test_any_file_gets_an_answer(tmp_path: Path) -> None:
    run(tmp_path, seed=0, count=5_000)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_very_many_files_get_an_answer(tmp_path: Path) -> None:
    run(tmp_path, seed=1, count=110_000)


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_no_text_is_much_work(text: str, tmp_path: Path) -> None:
    path = tmp_path / "slow.a2l"
    path.write_text(text)
    assert len(text) <= MAX_SIZE
    survives([path])
    status, said, calls = check([str(path)])
    assert status in (0, 1), said
    assert calls < MOST


def test_what_is_no_file_gets_an_answer(tmp_path: Path) -> None:
    (tmp_path / "folder.a2l").mkdir()
    os.mkfifo(tmp_path / "pipe.a2l")
    (tmp_path / "loop.a2l").symlink_to("loop.a2l")
    (tmp_path / "nowhere.a2l").symlink_to("gone.a2l")
    (tmp_path / "forbidden.a2l").write_text("loss a = mse({ s[t] } -> { s[t+1] })")
    (tmp_path / "forbidden.a2l").chmod(0)
    (tmp_path / "latin.a2l").write_bytes(b"# caf\xe9")
    (tmp_path / "nul.a2l").write_bytes(b"loss\0")
    names = sorted(path.name for path in tmp_path.iterdir() if path.name != "forbidden.a2l" or os.getuid())
    for name in [*names, "missing.a2l", "x" * 5000 + ".a2l", "a\nb.a2l", "\udcff.a2l", "", "/dev/null", "."]:
        status, said, calls = check([os.path.join(tmp_path, name) if name else ""])
        assert status in (1, 2), name
        assert said.startswith("error"), said
        assert calls < MOST
