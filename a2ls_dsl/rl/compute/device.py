"""Where tensors live, and bit-for-bit repeatability on the CPU."""

from __future__ import annotations

import torch

from a2ls_dsl.diagnostics import A2lError, reason


def choose_device(name: str | None = None) -> str:
    """The device called `name`, `cpu` also for `cpu:0`; by default the GPU where there is one, or the CPU."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("only cpu and cuda are supported")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise A2lError(f"the device `{name}` cannot be used: {reason(error)}", "use the device cpu") from None
    return "cpu" if device.type == "cpu" else name


def make_deterministic(device: str) -> None:
    """Make torch repeat results bit for bit: one thread, deterministic algorithms only.

    Promised for the CPU, on one machine with one version of torch. Affects the whole process.
    """
    if device != "cpu":
        raise A2lError(
            "only the CPU repeats runs bit for bit", "use the device cpu, or do without exact repetition"
        )
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
