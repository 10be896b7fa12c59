"""A loss as a plain Python file that needs torch only, for an agent that must not depend on this package.

The file is printed from the optimised program, node by node. Heads, views and operators are the source text
of the functions that this package itself computes with, so the two cannot differ.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

import a2ls_dsl
from a2ls_dsl.backend import functions, window
from a2ls_dsl.backend.export_source import formula_of, source, sources
from a2ls_dsl.backend.export_text import crops, draws, entry_of, statements
from a2ls_dsl.backend.python_text import wrapped
from a2ls_dsl.backend.window import has_schedules
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import (
    Compare,
    Estimate,
    EstimateBatch,
    Predict,
    Program,
    Row,
    Sample,
)
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.rules.types import Width
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.heads import layers
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import is_own, operators
from a2ls_dsl.words.views import frames

_BASE: tuple[Callable[..., object], ...] = (
    window.check_windows,
    window.check_uncropped,
    window.features_of,
    window.values_of,
    functions.Generated,
    frames.are_frames,
    functions.newest_frame,
    functions.discounted,
    functions.scheduled,
    functions.spread,
    functions.drawn,
    functions.chosen,
    layers.mlp,
)
"""Helpers that a file may need besides the entries it names, in the order in which they are written."""

_TAKEN = {"None", "True", "False", "F", "Tensor", "Callable", "Sequence", "Draws"}
"""Names of Python and of the file's imports, which no class may have."""


def export(name: str, loss: Loss) -> str:
    """The text of a module with one class, named after the loss, for spaces of any size.

    The class' parameters have the names and shapes of those of `CompiledLoss`, whose state it can load.
    Raises `A2lError` for a registered function whose source can't be read, or that reads a name which the
    file doesn't have.
    """
    naive = lower(loss)
    program = optimise(naive)
    body = _class(name, program, naive)
    blocks = [*_helpers(program, body), body]
    own = any(map(is_own, filter(None, map(entry_of, program.nodes))))
    return "\n\n\n".join([_header(name, loss, "\n".join(blocks), own), *blocks]) + "\n"


def class_name(name: str) -> str:
    """`A2Winner` for `a2_winner`; `LossF` for `f`, since `F` already has a meaning in the file."""
    words = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return words if words.isidentifier() and words not in _TAKEN else f"Loss{words}"


def parameters(name: str, loss: Loss) -> str:
    """The call that makes the class: `A2Winner(action, features)`."""
    return f"{class_name(name)}({', '.join(_sizes(lower(loss)))})"


def _header(name: str, loss: Loss, text: str, own: bool) -> str:
    formula = textwrap.fill(print_loss(loss), 96, initial_indent="    ", subsequent_indent="        ")
    typing = [name for name in ("Callable", "Sequence") if f"{name}[" in text]
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
            # The annotations of a user's function may name what the file doesn't import.
            *(["from __future__ import annotations", ""] if own else []),
            *imports,
        ]
    )


def _helpers(program: Program, body: str) -> list[str]:
    """The functions that the class calls, and the functions that these call."""
    base = {helper.__name__: source(helper) for helper in _BASE}
    base["Draws"] = base.pop("Generated").replace("class Generated", "class Draws")
    named = dict.fromkeys(filter(None, map(entry_of, program.nodes)))
    texts = sources(filter(None, map(formula_of, named)))
    needed, rest = set[str](), [body, *texts.values()]
    while rest:
        text = rest.pop()
        new = {name for name in base if f"{name}(" in text} - needed
        needed |= new
        rest += [base[name] for name in new]
    kept = [text for name, text in base.items() if name in needed and name not in texts]
    return [*kept, *texts.values()]


def _class(name: str, program: Program, naive: Program) -> str:
    arguments, notes = _arguments(program)
    sizes = _sizes(naive)
    meanings = {
        "action": "numbers in an action",
        "features": "numbers that an encoder returns for one observation",
        "data": "numbers in `o`",
    }
    about = textwrap.fill("; ".join(f"{size}: {meanings[size]}" for size in sizes) + ".", 100)
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
        f"    def __init__(self, {', '.join(f'{size}: int' for size in sizes)}) -> None:",
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
    """The arguments of `forward`, and notes about them."""
    streams = {node.stream for node in program.nodes if isinstance(node, Sample)}
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
    if crops(program):
        arguments.append("uncropped: Tensor | None = None")
        notes.append("uncropped: (B, steps, ...), frames that observation was cut out of; vectors have none.")
    if draws(program):
        arguments.append("generator: torch.Generator | None = None")
        notes.append("generator: draws views, steps and directions.")
    return arguments, notes


def _checks(program: Program) -> Iterator[str]:
    samples = [node.stream for node in program.nodes if isinstance(node, Sample)]
    done = ", done" if Stream.DONE in samples else ""
    yield f"check_windows({program.horizon + 1}, self.action, observation, action, reward{done})"
    if crops(program):
        yield "check_uncropped(observation, uncropped)"


def _sizes(program: Program) -> list[str]:
    """The names of the sizes that the class takes."""
    raw = any(isinstance(node, Sample) and node.stream is Stream.RAW for node in program.nodes)
    return ["action", "features", *(["data"] if raw else [])]


def _parameters(program: Program) -> Iterator[str]:
    """Statements that make the learned parts, as `CompiledLoss` makes them."""
    types = verify(program)
    heads: dict[int, str] = {}
    matrices: dict[int, str] = {}
    for node in program.nodes:
        rows = [row for row in (types[read] for read in node.inputs) if isinstance(row, Row)]
        if isinstance(node, Predict):
            inputs, outputs = _width(rows[0]), _width(node.output)
            sizes = [inputs, outputs, *([str(list(node.layers))] if node.layers else [])]
            if node.output.units:
                sizes[1] = "1"  # only its hidden layers are kept
            heads[node.head] = f"{node.kind}({', '.join(sizes)})" + "[:-1]" * bool(node.output.units)
        elif isinstance(node, Compare) and operators[node.operator].matrix:
            matrices[node.term] = _width(rows[0])
    if heads:
        yield "self.heads = nn.ModuleList()"
    for number in sorted(heads):
        yield f"self.heads.append({heads[number]})"
    if matrices:
        yield "self.bilinear = nn.ParameterDict()"
    for term, width in matrices.items():
        yield f'self.bilinear["{term}"] = nn.Parameter(torch.rand({width}, {width}))'


def _width(row: Row) -> str:
    """`features + 3 * action`."""
    if row.units:
        return str(row.units)
    words = {Width.LATENT: "features", Width.ACTION: "action", Width.RAW: "data"}
    parts = [
        f"{n} * {word}" if n > 1 else word for width, word in words.items() if (n := row.parts.count(width))
    ]
    numbers = row.parts.count(Width.NUMBER)
    text = " + ".join([*parts, *([str(numbers)] if numbers else [])])
    if not row.bins or text == "1":
        return str(row.bins) if row.bins else text
    return f"{row.bins} * ({text})" if "+" in text or "*" in text else f"{row.bins} * {text}"
