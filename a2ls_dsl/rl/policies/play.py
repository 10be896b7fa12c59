"""Episodes of a trained policy, as its evaluations play them, with pictures of what happens where wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable
from a2ls_dsl.rl.envs.rendering import use_renderer
from a2ls_dsl.rl.envs.tasks import suite_of
from a2ls_dsl.rl.policies.policy import Policy
from a2ls_dsl.rl.replay.observations import History
from a2ls_dsl.rl.slots.evaluation import STEPS

FRAMES_PER_SECOND = 60


@dataclass(frozen=True)
class Moment:
    """One agent step. picture: (height, width, 3) uint8 where asked for; total: the return so far."""

    episode: int
    step: int
    reward: float
    total: float
    terminated: bool
    last: bool
    picture: NDArray[np.uint8] | None


def play(policy: Policy, episodes: int, pictures: bool = False) -> Iterator[Moment]:
    """Play whole episodes: first those of the policy's last evaluation, with the same seeds and draws.

    Their returns are those that its curve has there, if the policy has not been trained on since. pictures:
    render every step; raises `A2lError` where nothing can be rendered.
    """
    training = policy.trained.training
    if pictures:
        use_renderer()  # before anything imports what renders
    rendering = training.pixels.rendering if training.pixels else None
    env = suite_of(training.task).make(training.task, rendering, life_loss=False, screen=pictures)
    first = max(0, policy.trained.networks.evaluations - 1) * training.evaluation.episodes
    everywhere = np.ones(1, np.bool_)
    for number in range(first, first + episodes):
        history = History(1, policy.observations)
        history.begin(env.reset(policy.evaluation_seed(number))[None], everywhere)
        total, step, last = 0.0, 0, False
        if pictures:
            yield Moment(number - first, 0, 0.0, 0.0, False, False, env.screen())
        while not last:
            done = env.step(policy.act_at(history.seen[0], number * STEPS + step))
            history.push(done.observation[None])
            # As a pool hands rewards on.
            total += float(np.float32(done.reward))
            step, last = step + 1, done.last
            picture = env.screen() if pictures else None
            yield Moment(number - first, step, done.reward, total, done.terminated, last, picture)


class Video(AbstractContextManager["Video"]):
    """A file of pictures in H.264, as browsers and players show; it is there when all is written.

    Raises `A2lError` without the package that encodes, for a name that is none of an `.mp4`, or where it
    can't be written.
    """

    def __init__(self, path: Path, frames_per_step: int) -> None:
        try:
            import av
        except ModuleNotFoundError:
            raise A2lError("videos need the package av", "pip install 'a2ls-dsl[video]'") from None
        if path.suffix != ".mp4":
            raise A2lError(f"`{path}` is not the name of a video", "name a file that ends in .mp4")
        self._path, self._partial = path, path.with_name(f".{path.stem}.partial.mp4")
        self._picture: Any = av.VideoFrame.from_ndarray
        try:
            self._file: Any = av.open(str(self._partial), "w")
        except OSError as error:
            raise unwritable(path, error) from None
        self._rate = Fraction(FRAMES_PER_SECOND, frames_per_step)
        self._stream: Any = None

    def add(self, picture: NDArray[np.uint8]) -> None:
        """The next picture (height, width, 3)."""
        height, width = picture.shape[:2]
        if self._stream is None:
            self._stream = self._file.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = width - width % 2, height - height % 2
            self._stream.pix_fmt = "yuv420p"
        even = np.ascontiguousarray(picture[: height - height % 2, : width - width % 2])
        self._write(self._picture(even, format="rgb24"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._stream is not None:
                self._write(None)
            self._file.close()
            if self._stream is not None:
                self._partial.replace(self._path)
        except OSError as failed:
            raise unwritable(self._path, failed) from None
        finally:
            self._partial.unlink(missing_ok=True)

    def _write(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._file.mux(packet)
        except OSError as error:
            raise unwritable(self._path, error) from None
