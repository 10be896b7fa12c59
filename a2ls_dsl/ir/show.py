"""Programs as text, for `a2l show --ir` and golden tests."""

from __future__ import annotations

from dataclasses import fields

from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.nodes import Node, Program, Sample
from a2ls_dsl.ir.passes import PASSES
from a2ls_dsl.ir.verify import verify
from a2ls_dsl.lang.syntax.printer import print_step, print_weight
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.language import HEAD
from a2ls_dsl.words.numbers import print_number


def print_program(program: Program) -> str:
    """One node a line: `%4 = encode %3  : row(1 state)`."""
    lines = [
        f"%{index} = {_print_node(node)}" + (f" {reads}" if (reads := _reads(node)) else "")
        for index, node in enumerate(program.nodes)
    ]
    width = max(len(line) for line in lines)
    return "\n".join(f"{line:{width}}  : {kind}" for line, kind in zip(lines, verify(program), strict=True))


def show_ir(name: str, loss: Loss, passes: bool) -> str:
    """The program of a canonical loss after all passes; with `passes`, also before and after each of them."""
    program = lower(loss)
    stages = [("lowered", program)]
    for step in PASSES:
        program = step(program)
        stages.append((f"after {step.__name__}: {(step.__doc__ or '').splitlines()[0]}", program))
    if not passes:
        stages = [("", program)]
    titled = (f"{name}{': ' if title else ''}{title}\n{print_program(program)}" for title, program in stages)
    return "\n\n".join(titled)


def _reads(node: Node) -> str:
    return ", ".join(f"%{index}" for index in node.inputs)


def _print_node(node: Node) -> str:
    """The node's kind and its own fields, without its inputs and without what its type shows."""
    values = {field.name: getattr(node, field.name) for field in fields(node) if field.name != "inputs"}
    if isinstance(node, Sample):
        return f"sample {node.stream}[{print_step(node.offset)}]"
    words = [_kebab(type(node).__name__)]
    if values.get("role") == HEAD:
        values.pop("role")
    words += [values.pop(name) for name in _NAMES if name in values]
    for optional in ("draw", "smoothing"):
        if not values.get(optional, 1):  # only some nodes have these
            values.pop(optional)
    if values.pop("against_batch", False):
        words.append("against-batch")
    values.pop("output", None)
    if "weights" in values:
        values["weights"] = tuple(map(print_weight, values["weights"]))
    if "options" in values:
        values |= dict(values.pop("options"))
    kept = {name: value for name, value in values.items() if value != () and value is not False}
    return " ".join([*words, *(f"{name}={_value(value)}" for name, value in kept.items())])


_NAMES = ("role", "view", "encoder", "name", "kind", "operator")
"""Fields that name what is called; they are printed without the name of the field."""


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_value, value)) + ")"
    return print_number(value) if isinstance(value, float) else str(value)
