"""What the words of the language mean, as Markdown: from the tables of operators, functions and options."""

from __future__ import annotations

from a2ls_dsl.lang.messages.codes import GRAMMAR_RULES, RULES, explanations
from a2ls_dsl.words.entry import Function, Kind, Negatives, Number, Operator, Sets
from a2ls_dsl.words.language import HEAD, SCHEDULE, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, heads, operators

LEGEND = "B samples, F features of the encoder, A numbers of an action, D numbers of a row"

STREAMS = {
    Stream.STATE: (
        "state: an observation, encoded when it enters a loss",
        "(B, numbers) of vectors, (B, channels, height, width) of frames; encoded (B, F)",
    ),
    Stream.ACTION: ("action, in [-1, 1], as it is", "(B, A)"),
    Stream.REWARD: ("reward, as it is", "(B, 1)"),
    Stream.RAW: (
        "the observation as data: a vector as it is; of frames the newest one, averaged down 4x, in 0..1",
        "(B, numbers)",
    ),
    Stream.DONE: ("1 where the step's state is terminal by the task's own rules, else 0", "(B, 1)"),
}
"""What each stream is, and its shape."""

SYNTAX = {
    "loss": ("begins a definition", "loss NAME = TERM + TERM"),
    "import": ("makes the losses of another file known, or a shipped loss", 'import "curl.a2l"'),
    "against": (
        "takes the other samples of the batch as negatives",
        "mse({ s[t] } -> { s[t+1] }) against batch",
    ),
    "with": ("begins the options of a comparison", "... with head = mlp(256), decay = 0.9"),
    "as": (
        "names a learned map or a view: maps of one name in one loss are one module, views one draw",
        "... with head = mlp(256) as reward",
    ),
    SCHEDULE: (
        "a weight that goes from the first number to the second over that many environment frames",
        f"{SCHEDULE}(0.0, 1.0, 100000) * curl",
    ),
    "t": ("the first step of the window; a run names every step from its first to its last", "a[t+1..t+3]"),
}
"""What the other words of the language do, with an example."""
SYNTAX["batch"] = SYNTAX["against"]

_SHAPES = {
    Kind.DRAW: "a run -> the one of its steps that is drawn; one draw for all such calls of a term",
    Kind.VIEW: "an observation -> an observation of the same shape; each occurrence without a name is a draw",
    Kind.ENCODER: "an observation -> a latent (B, F)",
    Kind.NORMALISER: "a latent (B, F) -> a latent (B, F)",
    Kind.ESTIMATE: "a state or a latent (B, F) -> a number (B, 1)",
}


def operator_page(entry: Operator) -> str:
    """An operator: meaning, formula, shapes, what its sets hold, options, source."""
    lines = [_title(entry.name, "operator", entry.summary)]
    if entry.text:
        lines.append(f"    {entry.text}")
    if entry.text_against:
        lines.append(f"`against batch`:\n\n    {entry.text_against}")
    if entry.note:
        lines.append(entry.note)
    if entry.unary:
        lines.append("One set: latents z (B, D) -> one number.")
    elif entry.head:
        lines.append("Prediction y (B, D) = head of the source row, target z (B, D) -> one number.")
    else:
        lines.append("Source row y (B, D), target row z (B, D), without a head -> one number.")
    if entry.sets is not Sets.ANY:
        lines.append(f"Its sets hold {entry.sets.value}.")
    if entry.negatives is Negatives.ALWAYS:
        lines.append("The other samples of the batch are its negatives; `against batch` isn't written.")
    given = [f"`{name} = {MAPS[name].default}`" for name in entry.maps] + [
        f"`{option.name} = {print_number(option.default)}`" for option in entry.options
    ]
    if given:
        lines.append(f"Options with their defaults: {', '.join(given)}")
    return _page(*lines, entry.source)


def function_page(entry: Function) -> str:
    """A function: meaning, shapes, numbers, gradient, source."""
    lines = [_title(entry.name, entry.kind.value, entry.summary), f"    {entry.example}"]
    lines.append(f"Shapes: {entry.shapes or _SHAPES[entry.kind]}.")
    lines += [
        f"`{parameter.name}`: {parameter.range}; {print_number(parameter.default)} if left out."
        for parameter in entry.parameters
    ]
    if entry.gradient is not None:
        lines.append(f"The encoder is reached {'with' if entry.gradient else 'without'} gradient.")
    return _page(*lines, entry.source)


def option_page(option: Number) -> str:
    """A numeric option of an operator."""
    lines = [_title(option.name, "option", option.summary), f"Value: {option.range}."]
    lines.append(f"Default: {print_number(option.default)}.")
    if option.beside:
        lines.append(f"It is given together with `{option.beside}`, or not at all.")
    return _page(*lines, f"It needs {option.needs.value}." if option.needs.value else "")


def head_page(name: str = HEAD, option: str = HEAD) -> str:
    """An option whose value is a learned map, such as `head`, or one of its values."""
    if name in heads:
        entry = heads[name]
        return _page(_title(name, option, entry.summary), f"    {option} = {entry.example}")
    lines = [_title(name, "option", MAPS[name].summary), f"Default: `{MAPS[name].default}`."]
    return _page(*lines, "\n".join(f"- `{entry.name}`: {entry.summary}" for entry in heads.values()))


def stream_page(stream: Stream) -> str:
    """A stream of the window."""
    meaning, shape = STREAMS[stream]
    return _page(_title(stream.value, "stream", meaning), f"Shape at one step: {shape}.")


def syntax_page(word: str) -> str:
    """A word of the language."""
    meaning, example = SYNTAX[word]
    title = "against batch" if word in ("against", "batch") else word
    return _page(_title(title, "word of the language", meaning), f"    {example}")


def page(name: str) -> str:
    """Whatever an operator, a function, a stream or a word of the language means; empty if it is none."""
    if name in operators:
        return operator_page(operators[name])
    if name in functions:
        return function_page(functions[name])
    if name in list(Stream):
        return stream_page(Stream(name))
    return syntax_page(name) if name in SYNTAX else ""


def code_page(code: str) -> str:
    """What `a2l explain` says about a code."""
    explanation = explanations()[code]
    lines = [f"**{code}**: {(RULES | GRAMMAR_RULES)[code]}", " ".join(explanation.why.split())]
    return _page(*lines, f"```a2l\n{explanation.right.strip()}\n```" if explanation.right else "")


def _title(name: str, kind: str, summary: str) -> str:
    return f"**{name}** ({kind}): {summary}"


def _page(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)
