"""Everything a learner knows, as arrays of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from a2ls_dsl.backend.stacked import Layout
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.replay.buffer import Replay

Arrays = dict[str, Any]
"""Arrays by name, and of frames a `Ring`."""

_LAYOUTS = "layouts"


def arrays_of(stacks: Sequence[Agent], replays: Sequence[Replay]) -> Arrays:
    """See `Learner.state`."""
    arrays: Arrays = {"updates": np.array(stacks[0].ticks), _LAYOUTS: _as_array(stacks)}
    for prefix, module in _modules(stacks, replays).items():
        frames = isinstance(module, Replay) and module.observations.crop is not None
        for name, value in module.state_dict().items():
            if frames and name == "observation":
                arrays[f"{prefix}/{name}"] = module.frames
            else:
                arrays[f"{prefix}/{name}"] = value.detach().cpu().numpy()
    return arrays


def restore(
    stacks: Sequence[Agent], replays: Sequence[Replay], arrays: Mapping[str, NDArray[np.generic]]
) -> bool:
    """See `Learner.restore`; gives whether losses lie elsewhere than before."""
    moved = False
    if _LAYOUTS in arrays:  # since it is stored
        for stack, layout in zip(stacks, _of_array(arrays[_LAYOUTS]), strict=True):
            moved |= stack.lay_out(layout)
    for prefix, module in _modules(stacks, replays).items():
        state = {
            name: torch.as_tensor(np.asarray(arrays[f"{prefix}/{name}"])) for name in module.state_dict()
        }
        if isinstance(module, Replay) and state["observation"].shape[1] < module.capacity:
            state = module.moved(state)
        module.load_state_dict(state)
        if isinstance(module, Replay):
            module.begin_lives()
    for stack in stacks:
        stack.resume(int(arrays["updates"]))
    return moved


def _modules(stacks: Sequence[Agent], replays: Sequence[Replay]) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = {f"stack/{number}": stack for number, stack in enumerate(stacks)}
    return modules | {f"replay/{number}": replay for number, replay in enumerate(replays)}


def _as_array(stacks: Sequence[Agent]) -> NDArray[np.uint8]:
    """Where the losses of stacks lie, as bytes of JSON."""
    layouts = [vars(stack.auxiliary.layout) for stack in stacks]
    values = [
        layout | {"planned": [loss and print_loss(loss) for loss in layout["planned"]]} for layout in layouts
    ]
    return np.frombuffer(json.dumps(values).encode(), np.uint8)


def _of_array(array: NDArray[np.generic]) -> Iterator[Layout]:
    for layout in json.loads(array.tobytes()):
        planned = tuple(text and loads(f"loss member = {text}")["member"] for text in layout["planned"])
        seats = tuple(tuple((bucket, lane) for bucket, lane in own) for own in layout["seats"])
        yield Layout(planned, float(layout["padding"]), bool(layout["spare"]), seats)
