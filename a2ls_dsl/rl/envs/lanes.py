"""What an environment pool and its workers share: the arrays, and the messages that pass the turn.

The arrays live in unnamed memory that is passed as a file descriptor, so nothing is left behind however a
process ends. A message is one byte for its kind and a text, usually empty; a closed socket means that the
other side is gone, so each side notices the other's death at once. Each pool has a socket to each worker; the
worker receives it, with the memory, through the socket of its process.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From the pool: make environments; map the arrays once sizes are known; step or reset the `chosen` lanes.
MAKE, MAP, STEP, RESET = b"E", b"M", b"S", b"R"
# From a worker: done; failed, with a text.
DONE, FAILED = b"D", b"F"

_HEADER = struct.Struct("<cI")
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class StepResult:
    """The result of one agent step, a row per lane; the arrays belong to the caller.

    `observation` (N, obs) float32, or frames (N, channels, size, size) uint8; `reward` (N,) float32,
    summed over the frames of the step; `terminated` (N,) bool, the task ended by its own rules (no
    bootstrapping); `last` (N,) bool, the episode is over: reset that lane before the next step, unless
    `life_lost` (N,) bool: then the next episode begins with this observation, and the game goes on.
    """

    observation: NDArray[Any]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    last: NDArray[np.bool_]
    life_lost: NDArray[np.bool_]


@dataclass(frozen=True)
class Lanes:
    """Arrays with a row for each of N lanes (environments): views of the shared memory.

    The pool writes `action` (N, act), or (N,) action numbers, `seed` (N,), and `chosen` (N,), the lanes to
    act on; the worker that owns a lane writes the rest. `reward` is summed over the frames of
    one agent step.
    """

    action: NDArray[Any]
    seed: NDArray[np.uint64]
    chosen: NDArray[np.bool_]
    observation: NDArray[Any]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    last: NDArray[np.bool_]
    life_lost: NDArray[np.bool_]

    @classmethod
    def map(
        cls, descriptor: int, size: int, observation_shape: tuple[int, ...], action_size: int, discrete: bool
    ) -> Lanes:
        """The arrays in the memory of `descriptor`, which is grown to hold them.

        Observations are float32 vectors, or uint8 frames if they have three axes.
        """
        frames = len(observation_shape) > 1
        columns: list[tuple[str, type, tuple[int, ...]]] = [
            ("seed", np.uint64, ()),
            ("action", np.int64, ()) if discrete else ("action", np.float32, (action_size,)),
            ("reward", np.float32, ()),
            ("observation", np.uint8 if frames else np.float32, observation_shape),
            ("terminated", np.bool_, ()),
            ("last", np.bool_, ()),
            ("life_lost", np.bool_, ()),
            ("chosen", np.bool_, ()),
        ]
        # Widest type first: every array then starts where its type is aligned, without padding.
        layout = [(name, np.dtype(kind), (size, *shape)) for name, kind, shape in columns]
        total = sum(kind.itemsize * int(np.prod(shape)) for _, kind, shape in layout)
        os.ftruncate(descriptor, total)
        memory, offset, arrays = mmap.mmap(descriptor, total), 0, {}
        for name, kind, shape in layout:
            arrays[name] = np.ndarray(shape, kind, buffer=memory, offset=offset)
            offset += arrays[name].nbytes
        return cls(**arrays)

    def result(self) -> StepResult:
        """A copy of the result of the last step."""
        return StepResult(
            self.observation.copy(),
            self.reward.copy(),
            self.terminated.copy(),
            self.last.copy(),
            self.life_lost.copy(),
        )


def shared_memory() -> int:
    """A file descriptor of empty memory that is freed with the last process that holds it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("a2l-lanes")
    with tempfile.TemporaryFile() as file:  # Not Linux: a file that is already unlinked.
        return os.dup(file.fileno())


def send(channel: socket.socket, kind: bytes, text: str = "") -> None:
    """Send one message. Raises OSError when the other side is gone."""
    payload = text.encode()
    channel.sendall(_HEADER.pack(kind, len(payload)) + payload)


def receive(channel: socket.socket, patience: float | None = None) -> tuple[bytes, str]:
    """The next message. Raises EOFError when the other side is gone, TimeoutError when it is silent.

    patience: seconds to wait, counted while this process runs; by default forever.
    """
    kind, length = _HEADER.unpack(_exactly(channel, _HEADER.size, patience))
    return kind, _exactly(channel, length, patience).decode() if length else ""


def send_opening(door: socket.socket, channel: socket.socket, memory: int) -> None:
    """Hand a worker its end of a pool's socket, and the pool's memory."""
    socket.send_fds(door, [b"O"], [channel.fileno(), memory])


def receive_opening(door: socket.socket) -> tuple[socket.socket, int]:
    """The other end of `send_opening`. Raises EOFError when the other side is gone."""
    data, descriptors, _, _ = socket.recv_fds(door, 1, 2)
    if not data:
        raise EOFError
    channel, memory = descriptors
    return socket.socket(fileno=channel), memory


def _exactly(channel: socket.socket, length: int, patience: float | None) -> bytes:
    data = b""
    while len(data) < length:
        if patience is not None:
            _await(channel, patience)
        piece = channel.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _await(channel: socket.socket, seconds: float) -> None:
    """Wait until there is something to read; TimeoutError after `seconds` in which this process ran.

    If the process is stopped meanwhile (Ctrl-Z, a suspended machine), much time passes in one poll. So a poll
    counts for as long as it was meant to last, however long it took, and another follows.
    """
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    left = seconds
    while not poll.poll(1000 * min(left, _LOOK_SECONDS)):
        left -= _LOOK_SECONDS
        if left <= 0:
            raise TimeoutError
