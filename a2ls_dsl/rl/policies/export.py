"""A policy as a file for others: a torch program that needs torch alone, or weights as safetensors.

The program is written by `torch.export`, not as TorchScript, which torch itself calls deprecated and which
Python 3.14 no longer supports. It holds the very operations that the policy computes with, so what it gives
equals the policy's to the last bit.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable
from a2ls_dsl.rl.policies.policy import Policy
from a2ls_dsl.rl.runs.stored import training_values


class PolicyProgram(nn.Module):
    """A policy and its encoder as one function of observations (B, *seen).

    Gives the actions, float32 (B, action_size) in (-1, 1) or int64 numbers (B,), and features (B, features).
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        agent, self.discrete = policy.agent, policy.discrete
        for network, frozen in agent.acting_networks():
            name = next(name for name, child in agent.named_children() if child is network)
            self.add_module(name, frozen)
        self._arithmetic, self._greedy = agent.arithmetic, agent.greedy

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        with self._arithmetic():
            action = self._greedy(observation[None])[0]
            features: Tensor = self.get_submodule("encoder")(observation[None])[0]
        return action.argmax(dim=-1) if self.discrete else action, features


def write_policy(policy: Policy, path: Path) -> None:
    """Write a policy: `*.pt2` as a program, `*.safetensors` as weights. Raises `A2lError`."""
    writers: dict[str, Callable[[Policy], bytes]] = {".pt2": _program, ".safetensors": _weights}
    if path.suffix not in writers:
        raise A2lError(
            f"`{path}` doesn't name a kind of policy", "name a file that ends in .pt2 or .safetensors"
        )
    content = writers[path.suffix](policy)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        partial.unlink(missing_ok=True)


def about(policy: Policy) -> dict[str, Any]:
    """What a file says of its policy, as JSON values."""
    trained = policy.trained
    return {
        "policy": trained.name,
        "training": training_values(trained.training),
        "seed": trained.seed,
        "frames": trained.frames,
        "score": trained.score,
        "observations": asdict(policy.observations),
        "sees": policy.seen,
        "actions": policy.action_size,
        "discrete": policy.discrete,
        "features": policy.features,
    }


def _program(policy: Policy) -> bytes:
    """Loads as `torch.export.load(path).module()`; its extra file `a2l.json` says what it is."""
    example = torch.zeros(2, *policy.seen, dtype=policy.observations.dtype)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    program = torch.export.export(
        PolicyProgram(policy).eval(),
        (example,),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"a2l.json": json.dumps(about(policy))})
    return file.getvalue()


def _weights(policy: Policy) -> bytes:
    """The tensors of the networks by name, without the axis of members; what they are is in the metadata."""
    try:
        from safetensors.numpy import save
    except ModuleNotFoundError:
        raise A2lError("weights need the package safetensors", "pip install 'a2ls-dsl[policy]'") from None
    networks = policy.trained.networks.arrays
    arrays = {name.replace("/", ".", 1): array[0].copy() for name, array in networks.items()}
    content: bytes = save(arrays, metadata={"a2l": json.dumps(about(policy))})
    return content
