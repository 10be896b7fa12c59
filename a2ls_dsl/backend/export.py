"""A loss as a plain Python file that needs torch only, for an agent that shall not depend on this package.

The file is printed from the optimised program, node by node. Heads, views and operators are the source text
of the functions that this package itself computes with, so both can only mean the same.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator

import a2ls_dsl
from a2ls_dsl.backend import functions, operators, registry, window
from a2ls_dsl.backend.export_text import called, statements, used_names, wrapped
from a2ls_dsl.backend.window import has_schedules
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import (
    Augment,
    Compare,
    Estimate,
    EstimateBatch,
    Predict,
    Program,
    Row,
    Sample,
    Transition,
)
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.ast import Loss, Stream
from a2ls_dsl.lang.operators import LINEAR, MLP
from a2ls_dsl.lang.printer import print_loss
from a2ls_dsl.lang.types import Width

_BUILT_IN: tuple[Callable[..., object], ...] = (
    window.check_windows,
    window.check_uncropped,
    window.features_of,
    window.values_of,
    functions.predictor,
    functions.mlp,
    functions.Generated,
    functions.are_frames,
    functions.pixels_at,
    functions.crop,
    functions.shift,
    functions.intensity,
    functions.noise,
    functions.mask,
    functions.newest_frame,
    functions.l2,
    functions.avgl1,
    functions.simnorm,
    functions.discounted,
    functions.scheduled,
    operators.spread,
    operators.normalise,
    operators.distance,
    operators.similarity,
    operators.huber,
    operators.cross_entropy,
    operators.variance,
    operators.covariance,
    operators.barlow,
    operators.diffuse,
    operators.mico,
    operators.bisim,
)
"""What files may need, in the order in which they hold it."""

_TAKEN = {"None", "True", "False", "F", "Tensor", "Callable", "Sequence", "Draws"}
"""Names of Python and of the file's imports that no class can have."""


def export(name: str, loss: Loss) -> str:
    """The text of a module with one class, called after the loss; it works for spaces of any size.

    The class' parameters have the names and shapes of `CompiledLoss`', whose state it can load. Raises
    `A2lError` for a registered function whose source can't be read.
    """
    naive = lower(loss)
    program = optimise(naive)
    body = _class(name, program, naive)
    blocks = [*_helpers(program, body), body]
    own = any(map(registry.is_own, used_names(program)))
    return "\n\n\n".join([_header(name, loss, "\n".join(blocks), own), *blocks]) + "\n"


def class_name(name: str) -> str:
    """`A2Winner` for `a2_winner`; `LossF` for `f`, as `F` has a meaning in the file."""
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return words if words.isidentifier() and words not in _TAKEN else f"Loss{words}"


def parameters(name: str, loss: Loss) -> str:
    """How the class is made: `A2Winner(action, features)`."""
    return f"{class_name(name)}({', '.join(_sizes(lower(loss)))})"


def _header(name: str, loss: Loss, text: str, own: bool) -> str:
    formula = textwrap.fill(print_loss(loss), 96, initial_indent="    ", subsequent_indent="        ")
    typing = [each for each in ("Callable", "Sequence") if f"{each}[" in text]
    imports = [
        *(["import math"] if "math." in text else []),
        f"from collections.abc import {', '.join(typing)}",
        "",
        *(["import torch"] if "torch." in text else []),
        *(["import torch.nn.functional as F"] if "F." in text else []),
        "from torch import Tensor, nn",
    ]
    return "\n".join(
        [
            f'"""The auxiliary loss {name}, written by a2l {a2ls_dsl.__version__}. Needs torch only.',
            "",
            formula,
            '"""',
            "",
            # What a user's function is annotated with need not be known there.
            *(["from __future__ import annotations", ""] if own else []),
            *imports,
        ]
    )


def _helpers(program: Program, body: str) -> list[str]:
    """The functions that the class calls, and those that they call."""
    own = {called(name): registry.function_of(name) for name in used_names(program) if registry.is_own(name)}
    sources = {each.__name__: inspect.getsource(each) for each in _BUILT_IN}
    sources["Draws"] = sources.pop("Generated").replace("class Generated", "class Draws")
    texts = {name: _source(name, function) for name, function in own.items()}
    if clash := sources.keys() & texts.keys():
        raise A2lError(
            f"a function called `{min(clash)}` can't be written to a file, which has another one",
            "give yours another name and register it again",
        )
    order = [each.__name__ for each in _BUILT_IN]
    order[order.index("Generated")] = "Draws"
    known, needed, rest = sources | texts, set[str](), [body]
    while rest:
        text = rest.pop()
        found = {name for name in known if f"{name}(" in text} - needed
        needed |= found
        rest += [known[name] for name in found]
    return [known[name].rstrip() for name in [*order, *texts] if name in needed]


def _source(name: str, function: Callable[..., object]) -> str:
    """The text of a function of a user's."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        text = ""
    if not text.startswith(f"def {name}("):
        raise A2lError(
            f"`{name}` can't be written to a file: its function has no source called `def {name}(...)`",
            "register a plain function of that name, defined in a file, that needs torch only",
        )
    return text


def _class(name: str, program: Program, naive: Program) -> str:
    arguments, notes = _arguments(program)
    sizes = _sizes(naive)
    meanings = {
        "action": "numbers in an action",
        "features": "numbers that an encoder returns for one observation",
        "data": "numbers in `o`",
    }
    about = textwrap.fill("; ".join(f"{each}: {meanings[each]}" for each in sizes) + ".", 100)
    windows = (
        f"windows of {program.horizon + 1} consecutive steps of one episode: index i is step t+i"
        if program.horizon
        else "single steps t, as windows of one step"
    )
    lines = [
        f"class {class_name(name)}(nn.Module):",
        f'    """Give it {windows}.',
        "",
        "    A step is an observation, the action taken on it, and the reward that followed.",
        *(f"    {line}" for line in about.splitlines()),
        '    """',
        "",
        f"    horizon = {program.horizon}",
        "",
        f"    def __init__(self, {', '.join(f'{each}: int' for each in sizes)}) -> None:",
        "        super().__init__()",
        "        self.action, self.features = action, features",
        *(line for text in _parameters(naive) for line in wrapped(text, 8)),
        "",
        "    def forward(",
        "        self,",
        *(f"        {argument}," for argument in arguments),
        "    ) -> Tensor:",
        '        """The loss of a batch of at least two windows, a scalar.',
        "",
        *(f"        {line}" for text in notes for line in textwrap.wrap(text, 100, subsequent_indent="  ")),
        '        """',
        *(line for text in _checks(program) for line in wrapped(text, 8)),
        *(line for text in statements(program) for line in wrapped(text, 8)),
    ]
    return "\n".join(lines)


def _arguments(program: Program) -> tuple[list[str], list[str]]:
    """What `forward` takes, and what there is to say about it."""
    streams = {node.stream for node in program.nodes if isinstance(node, Sample)}
    views = [node.view for node in program.nodes if isinstance(node, Augment)]
    arguments = [
        "encoder: Callable[[Tensor], Tensor]",
        "target_encoder: Callable[[Tensor], Tensor]",
        "observation: Tensor",
        "action: Tensor",
        "reward: Tensor",
    ]
    notes = ["observation: (B, steps, ...); action: (B, steps, action); reward: (B, steps)."]
    if Stream.DONE in streams:
        arguments.append("done: Tensor")
        notes.append("done: (B, steps), 1 where a step's state is terminal by the task's own rules.")
    if any(isinstance(node, Estimate | EstimateBatch) for node in program.nodes):
        arguments.append("value: Callable[[Tensor], Tensor]")
        notes.append("value: the agent's estimates (B,) of features (B, features).")
    if has_schedules(program):
        arguments.append("frames: float")
        notes.append("frames: how many environment frames the agent has trained.")
    if Stream.RAW in streams:
        arguments.append("data: Tensor | None = None")
        notes.append("data: (B, steps, data), if `o` is not to be made of the observations.")
    if registry.CROP in views:
        arguments.append("uncropped: Tensor | None = None")
        notes.append("uncropped: (B, steps, ...), frames that observation was cut out of; vectors have none.")
    if views:
        arguments.append("generator: torch.Generator | None = None")
        notes.append("generator: draws views.")
    return arguments, notes


def _checks(program: Program) -> Iterator[str]:
    samples = [node.stream for node in program.nodes if isinstance(node, Sample)]
    done = ", done" if Stream.DONE in samples else ""
    yield f"check_windows({program.horizon + 1}, self.action, observation, action, reward{done})"
    if any(isinstance(node, Augment) and node.view == registry.CROP for node in program.nodes):
        yield "check_uncropped(observation, uncropped)"


def _sizes(program: Program) -> list[str]:
    """The sizes that the class is made with."""
    raw = any(isinstance(node, Sample) and node.stream is Stream.RAW for node in program.nodes)
    return ["action", "features", *(["data"] if raw else [])]


def _parameters(program: Program) -> Iterator[str]:
    """What the class learns, as `CompiledLoss` makes it."""
    types = verify(program)
    heads: dict[int, str] = {}
    matrices: dict[int, str] = {}
    transition = False
    for node in program.nodes:
        rows = [each for each in (types[read] for read in node.inputs) if isinstance(each, Row)]
        if isinstance(node, Predict):
            inputs, outputs = _width(rows[0]), _width(node.output)
            heads[node.head] = {
                LINEAR: f"nn.Linear({inputs}, {outputs})",
                MLP: f"mlp({inputs}, {list(node.layers)}, {outputs})",
            }.get(node.kind, f"predictor({inputs}, {outputs})")
        elif isinstance(node, Compare) and node.operator == "bilinear":
            matrices[node.term] = _width(rows[0])
        transition = transition or isinstance(node, Transition)
    if heads:
        yield "self.heads = nn.ModuleList()"
    for number in sorted(heads):
        yield f"self.heads.append({heads[number]})"
    if matrices:
        yield "self.bilinear = nn.ParameterDict()"
    for term, width in matrices.items():
        yield f'self.bilinear["{term}"] = nn.Parameter(torch.rand({width}, {width}))'
    if transition:
        yield "inputs = features + action"
        yield "self.transition = mlp(inputs, [2 * inputs], features)"


def _width(row: Row) -> str:
    """`features + 3 * action`."""
    words = {Width.LATENT: "features", Width.ACTION: "action", Width.RAW: "data"}
    parts = [
        f"{n} * {word}" if n > 1 else word for width, word in words.items() if (n := row.parts.count(width))
    ]
    numbers = row.parts.count(Width.NUMBER)
    text = " + ".join([*parts, *([str(numbers)] if numbers else [])])
    if not row.bins or text == "1":
        return str(row.bins) if row.bins else text
    return f"{row.bins} * ({text})" if "+" in text or "*" in text else f"{row.bins} * {text}"
