"""A worker process of environment pools: `python -m a2ls_dsl.rl.envs.worker`, started by a pool.

It owns some lanes of that pool, and of pools that share its workers. It makes, steps or resets them on
request. It ends at once, whatever it is doing, when the socket through which pools are opened closes, however
their process ended. It never imports torch.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import socket
import sys
import traceback
import warnings
from contextlib import suppress
from threading import Thread
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.memory import trim
from a2ls_dsl.rl.envs.env import Env
from a2ls_dsl.rl.envs.lanes import DONE, FAILED, MAKE, MAP, RESET, Lanes, receive, receive_opening, send
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import read_task, suite_of

_GONE = (EOFError, BrokenPipeError, ConnectionResetError)


def main(arguments: list[str]) -> None:
    """Arguments: the descriptor of the socket through which pools are opened."""
    # The pool handles Ctrl-C: it closes the sockets.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of environment packages, which users can't act on
    with socket.socket(fileno=int(arguments[0])) as door, selectors.DefaultSelector() as selector:
        Thread(target=_end_with, args=(door.fileno(),), daemon=True).start()
        selector.register(door, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is door:
                    try:
                        part = _Part(*receive_opening(door))
                    except _GONE:
                        return
                    selector.register(part.channel, selectors.EVENT_READ, part)
                elif not key.data.serve():
                    selector.unregister(key.fileobj)
                    key.data.channel.close()


def _end_with(door: int) -> None:
    """End this process when the other end of a socket closes, even while it makes environments."""
    poll = select.poll()
    poll.register(door, 0)  # only wait for it to close
    poll.poll()
    os._exit(0)


class _Part:
    """The lanes of one pool that are in this process."""

    def __init__(self, channel: socket.socket, memory: int) -> None:
        self.channel, self._memory = channel, memory
        self._lane = 0  # the lane in work
        self._envs: dict[int, Env] = {}

    def serve(self) -> bool:
        """Serve a request of the pool; returns False if the pool is gone or an environment failed."""
        try:
            kind, text = receive(self.channel)
            send(self.channel, DONE, self._do(kind, text))
        except _GONE:
            return False
        except A2lError as error:
            return self._report(error.message, error.fix)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (reported to the user by the pool)
            return self._report(f"{type(error).__name__}: {error}\n{traceback.format_exc()}", "")
        return True

    def _do(self, kind: bytes, text: str) -> str:
        if kind == MAKE:
            return self._make(**json.loads(text))
        if kind == MAP:
            self._lanes = Lanes.map(self._memory, *self._sizes)
            return ""
        lanes = self._lanes
        for lane, env in self._envs.items():
            self._lane = lane
            if not lanes.chosen[lane]:
                continue
            if kind == RESET:
                lanes.observation[lane] = env.reset(int(lanes.seed[lane]))
            else:
                _step(lanes, env, lane)
        return ""

    def _make(
        self,
        begin: int,
        end: int,
        size: int,
        task: dict[str, Any],
        rendering: dict[str, Any] | None,
        life_loss: bool,
    ) -> str:
        """Make the lanes from `begin` to `end` (exclusive) of `size`; returns their sizes as JSON."""
        played = read_task(task)
        look = Rendering(**rendering) if rendering is not None else None
        for self._lane in range(begin, end):
            env = self._envs[self._lane] = suite_of(played).make(played, look, life_loss)
        trim()  # reading a model takes more memory than an environment keeps
        self._sizes = size, env.observation_shape, env.action_size, env.discrete
        return json.dumps([*self._sizes[1:], getattr(env, "episode_frames", 0)])

    def _report(self, message: str, fix: str) -> bool:
        with suppress(*_GONE):
            send(self.channel, FAILED, json.dumps([self._lane, message, fix]))
        return False


def _step(lanes: Lanes, env: Env, lane: int) -> None:
    step = env.step(lanes.action[lane])
    lanes.observation[lane] = step.observation
    lanes.reward[lane] = step.reward
    lanes.terminated[lane] = step.terminated
    lanes.last[lane] = step.last
    lanes.life_lost[lane] = step.life_lost


if __name__ == "__main__":
    main(sys.argv[1:])
