"""All members of a plan as one learner: a single stack, or in exact mode a stack for each member.

In one stack a member's sums run over rows as wide as the widest neighbour's, so its last digits depend on
who the neighbours are, and Adam magnifies them where a gradient is all rounding. Where results must repeat
bit for bit in any company, members are computed one by one; the price is speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.capture import Captured
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.sac import SacStack
from a2ls_dsl.rl.settings import Computation, SacSettings

Arrays = dict[str, NDArray[np.generic]]


class Learner:
    """Stacks and their replay buffers; members are in the order of `losses` throughout.

    capacity: rows of replay a member; action: size of an action.
    """

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        observations: Observations,
        action: int,
        capacity: int,
        settings: SacSettings,
        device: str = "cpu",
        exact: bool = False,
        computation: Computation | None = None,
    ) -> None:
        width = 1 if exact else len(losses)
        self.parts = [slice(start, start + width) for start in range(0, len(losses), width)]
        self.stacks = [
            SacStack(losses[part], seeds[part], observations, action, settings, device, computation)
            for part in self.parts
        ]
        self.replays = [
            Replay(stack.horizon, capacity, observations, action).to(device) for stack in self.stacks
        ]
        self._rng = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))
        self.device, self.observations = device, observations
        capture = (computation or Computation()).capture
        self._update = Captured(self._run_update, device, capture)
        self._append = Captured(self._run_append, device, capture)
        self._act = Captured(self._run_act, device, capture)
        self._act_frozen = Captured(self._run_act_frozen, device, capture)

    @property
    def updates(self) -> int:
        """Gradient updates of each member so far."""
        return self.stacks[0].ticks

    def act(self, observation: NDArray[Any], counter: int) -> NDArray[np.float32]:
        """Actions (members, action), sampled for step `counter`."""
        return _host(self._act(None, _tensor(observation), torch.tensor(counter)))

    def act_frozen(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        """The mean actions (members, action) of the policies as they were at the last `freeze`."""
        return _host(self._act_frozen(None, _tensor(observation)))

    def freeze(self) -> None:
        """Keep the policies as they are now, to be evaluated while training goes on."""
        for stack in self.stacks:
            stack.freeze()

    def random_action(self, counter: int) -> NDArray[np.float32]:
        """Uniform actions (members, action) for step `counter`."""
        return _host(torch.cat([stack.random_action(counter) for stack in self.stacks]))

    def begin(self, observation: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """Start an episode of the members in the mask."""
        seen, mask = _tensor(observation).to(self.device), _tensor(where).to(self.device)
        for replay, part in zip(self.replays, self.parts, strict=True):
            replay.begin(seen[part], mask[part])

    def append(self, *step: NDArray[Any]) -> None:
        """Store one step of every member: the arguments of `Replay.append`."""
        self._append(None, *map(_tensor, step))

    def update(self) -> None:
        """One gradient update of every member."""
        self._update(tuple(stack.parts_due for stack in self.stacks))
        for stack in self.stacks:
            stack.ticks += 1

    def finite(self) -> NDArray[np.bool_]:
        """(members,) whether each policy is finite."""
        return np.concatenate([stack.finite().cpu().numpy() for stack in self.stacks])

    def pop_metrics(self) -> dict[str, list[float]]:
        """Means since the last call, by name, one number a member."""
        parts = [stack.pop_metrics() for stack in self.stacks]
        return {name: [value for part in parts for value in part[name]] for name in parts[0]}

    def episode_seeds(self, purpose: Purpose, number: NDArray[np.int64]) -> NDArray[np.int64]:
        """(members,) seeds of the episodes with these numbers: a function of each member's own seed."""
        bits = self._rng.bits(purpose, torch.as_tensor(number), 1)[:, 0]
        return np.asarray((bits & 0xFFFFFFFF).numpy())

    def state(self) -> Arrays:
        """Everything the learner knows, as arrays."""
        arrays: Arrays = {"updates": np.array(self.updates)}
        for prefix, module in self._modules().items():
            for name, value in module.state_dict().items():
                arrays[f"{prefix}/{name}"] = value.detach().cpu().numpy()
        for number, stack in enumerate(self.stacks):
            for name, optimizer in stack.optimizers.items():
                for index, values in optimizer.state_dict()["state"].items():
                    for key, value in values.items():
                        arrays[f"adam/{number}/{name}/{index}/{key}"] = value.cpu().numpy()
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` of an equal learner returned."""
        for prefix, module in self._modules().items():
            module.load_state_dict(
                {name: torch.as_tensor(arrays[f"{prefix}/{name}"]) for name in module.state_dict()}
            )
        for number, stack in enumerate(self.stacks):
            stack.ticks = int(arrays["updates"])
            for name, optimizer in stack.optimizers.items():
                prefix, state = f"adam/{number}/{name}/", dict[int, dict[str, Tensor]]()
                for key in (key for key in arrays if key.startswith(prefix)):
                    index, field = key.removeprefix(prefix).split("/")
                    state.setdefault(int(index), {})[field] = torch.as_tensor(arrays[key])
                optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        self._update.forget()  # the optimizers' state lies elsewhere now

    def _modules(self) -> dict[str, nn.Module]:
        stacks = {f"stack/{number}": stack for number, stack in enumerate(self.stacks)}
        return stacks | {f"replay/{number}": replay for number, replay in enumerate(self.replays)}

    # What is captured. The first argument is the variant.

    def _run_update(self, parts: tuple[tuple[bool, bool, bool], ...]) -> None:
        for due, stack, replay in zip(parts, self.stacks, self.replays, strict=True):
            stack.run_update(due, replay)

    def _run_append(self, _: None, *step: Tensor) -> None:
        for replay, part in zip(self.replays, self.parts, strict=True):
            replay.append(*(each[part] for each in step))

    def _run_act(self, _: None, seen: Tensor, counter: Tensor) -> Tensor:
        pairs = zip(self.stacks, self.parts, strict=True)
        return torch.cat([stack.act(seen[part], counter) for stack, part in pairs])

    def _run_act_frozen(self, _: None, seen: Tensor) -> Tensor:
        pairs = zip(self.stacks, self.parts, strict=True)
        return torch.cat([stack.act_frozen(seen[part]) for stack, part in pairs])


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.as_tensor(array)


def _host(tensor: Tensor) -> NDArray[np.float32]:
    """The numbers of a tensor; waits for the device."""
    return np.asarray(tensor.cpu().numpy())
