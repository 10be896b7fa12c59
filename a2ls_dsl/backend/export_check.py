"""An exported file is run before it is handed to the user."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.export import class_name
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss

_SHAPES = ((5,), (6, 24, 24))
_ACTION, _FEATURES, _BATCH = 2, 4, 5
_SEED = 1


def check_export(name: str, loss: Loss, text: str) -> None:
    """Run the file that `export` wrote on random windows, of vectors and of frames.

    Raises `A2lError` if it fails, or if its result differs from that of `CompiledLoss`.
    """
    try:
        made = load_class(name, text)
        pairs = [_run(made, loss, shape) for shape in _SHAPES]
    # A user's function that reads what the file doesn't hold may fail in any way.
    except Exception as error:  # noqa: BLE001
        raise _refusal(name, f"fails: {type(error).__name__}: {error}") from None
    for outside, inside in pairs:
        if not torch.allclose(outside, inside, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise _refusal(name, f"gives {outside.item():g} where the loss is {inside.item():g}")


def load_class(name: str, text: str) -> type[nn.Module]:
    """The class of an exported file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} is not a Python file")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    made: type[nn.Module] = getattr(module, class_name(name))
    return made


def _run(made: Callable[..., nn.Module], loss: Loss, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The results of the file and of the compiled loss, with equal weights, windows and random numbers."""
    spaces = Spaces.of(shape, _ACTION, _FEATURES)
    compiled = compile_loss(loss, spaces).double()
    sizes = {"action": _ACTION, "features": _FEATURES, "data": spaces.data}
    module = made(**_wanted(made, sizes)).double()
    module.load_state_dict(compiled.state_dict())
    window = _windows(shape, loss.horizon + 1)
    numbers = torch.Generator().manual_seed(_SEED)
    encoders = [_encoder(torch.randn(spaces.observation, _FEATURES, generator=numbers)) for _ in range(2)]
    outside: Tensor = module(*encoders, **_wanted(module.forward, vars(window) | _agent()))
    torch.autograd.backward(outside)
    inside: Tensor = compiled(*encoders, window, **_agent())
    return outside.detach(), inside.detach()


def _agent() -> dict[str, Any]:
    """The other arguments that an agent passes, besides encoders and windows."""
    generator = torch.Generator().manual_seed(_SEED)
    return {"value": lambda features: features.sum(dim=1).sin(), "frames": 500, "generator": generator}


def _wanted(function: Callable[..., object], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in inspect.signature(function).parameters if name in given}


def _encoder(weights: Tensor) -> Callable[[Tensor], Tensor]:
    weights = weights.double().requires_grad_()
    return lambda x: torch.tanh(x.double().view(len(x), -1) / 100 @ weights)


def _windows(shape: tuple[int, ...], steps: int) -> Window:
    numbers = torch.Generator().manual_seed(_SEED)
    head = (_BATCH, steps)
    if len(shape) == 1:
        observation, whole = torch.randn(*head, *shape, generator=numbers), None
    else:
        room = (shape[0], *(size + 4 for size in shape[1:]))
        whole = torch.randint(0, 256, (*head, *room), dtype=torch.uint8, generator=numbers)
        observation = whole[..., 2:-2, 2:-2]
    action, reward = torch.rand(*head, _ACTION, generator=numbers), torch.rand(*head, generator=numbers)
    done = (torch.rand(*head, generator=numbers) < 0.3).float()
    return Window(observation, action, reward, done, whole)


def _refusal(name: str, reason: str) -> A2lError:
    return A2lError(
        f"the file of {name} {reason}",
        "functions of your own read torch and their arguments only; anything else is an error of this "
        "package: please report it with the loss",
    )
