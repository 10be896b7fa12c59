"""The worker process of an environment pool: `python -m a2ls_dsl.rl.envs.worker`, started by the pool.

It owns some lanes, says what sizes they have, then steps or resets them when told to. It ends when its
socket closes, however the pool's process went away. It never imports torch.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import traceback

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.env import Env, make_env
from a2ls_dsl.rl.envs.lanes import DONE, FAILED, MAP, RESET, Lanes, receive, send
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import Game, Task


def main(arguments: list[str]) -> None:
    """Arguments: the socket's and the memory's descriptor, the first lane and the one behind the last, the
    pool's size; as JSON whether the task is a game, the task, the rendering, and whether a lost life ends an
    episode."""
    # Ctrl-C is the pool's business: it closes the sockets.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel_number, memory, begin, end, size = (int(a) for a in arguments[:5])
    is_game, fields, look, life_loss = json.loads(arguments[5])
    task = Game(**fields) if is_game else Task(**fields)
    rendering = Rendering(**look) if look is not None else None
    with socket.socket(fileno=channel_number) as channel:
        try:
            _serve(channel, memory, range(begin, end), size, task, rendering, life_loss)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _serve(
    channel: socket.socket,
    memory: int,
    own: range,
    size: int,
    task: Task,
    rendering: Rendering | None,
    life_loss: bool,
) -> None:
    """Answer the pool until it is gone, or until an environment fails."""
    lane = own.start
    try:
        envs: dict[int, Env] = {}
        for lane in own:
            envs[lane] = make_env(task, rendering, life_loss)
        sizes = envs[own.start].observation_shape, envs[own.start].action_size
        send(channel, DONE, json.dumps(sizes))
        kind, _ = receive(channel)
        if kind != MAP:
            raise ValueError(f"expected the order to map the arrays, got {kind!r}")
        lanes = Lanes.map(memory, size, *sizes, task.discrete)
        while True:
            kind, _ = receive(channel)
            for lane in own:
                if not lanes.chosen[lane]:
                    continue
                if kind == RESET:
                    lanes.observation[lane] = envs[lane].reset(int(lanes.seed[lane]))
                else:
                    _step(lanes, envs[lane], lane)
            send(channel, DONE)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except A2lError as error:
        _report(channel, lane, error.message, error.fix)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is reported where the user looks)
        _report(channel, lane, f"{type(error).__name__}: {error}\n{traceback.format_exc()}", "")


def _step(lanes: Lanes, env: Env, lane: int) -> None:
    step = env.step(lanes.action[lane])
    lanes.observation[lane] = step.observation
    lanes.reward[lane] = step.reward
    lanes.terminated[lane] = step.terminated
    lanes.last[lane] = step.last
    lanes.life_lost[lane] = step.life_lost


def _report(channel: socket.socket, lane: int, message: str, fix: str) -> None:
    send(channel, FAILED, json.dumps([lane, message, fix]))


if __name__ == "__main__":
    main(sys.argv[1:])
