"""What an editor says about the word under the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from a2ls_dsl.editor.project import Analysis
from a2ls_dsl.editor.scan import Place, Token, token_at
from a2ls_dsl.editor.symbols import comment_above
from a2ls_dsl.editor.words import (
    LEGEND,
    function_page,
    head_page,
    operator_page,
    option_page,
    page,
    syntax_page,
)
from a2ls_dsl.lang.load import Unit
from a2ls_dsl.lang.messages.codes import place
from a2ls_dsl.lang.rules.canonical import comparisons, key
from a2ls_dsl.lang.rules.types import Width, rollouts, steps, widths
from a2ls_dsl.lang.syntax.printer import print_loss, print_weight
from a2ls_dsl.lang.syntax.tree import Comparison, Definition, Item, Loss, map_of
from a2ls_dsl.lang.views.timeline import timeline
from a2ls_dsl.words.language import HEAD, NONE, SCHEDULE
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import functions, heads, operators

Page = tuple[str, int, int]
"""Markdown, and the characters that it is about."""

_LETTERS = {Width.LATENT: "F", Width.ACTION: "A", Width.RAW: "O", Width.NUMBER: "1"}
_MANY = 12
"""A loss of more terms is shown without their shapes and without its timeline."""


def hover(text: str, offset: int, analysis: Analysis) -> Page | None:
    """What the word at a character means: its page, or None where there is nothing to say."""
    token = token_at(text, offset)
    if token is None or token.kind == "comment":
        return None
    said = _named(text, token, analysis) if token.kind == "name" else _file(token, analysis)
    return (said, token.start, token.end) if said else None


def _named(text: str, token: Token, analysis: Analysis) -> str:
    """The page of a name; what it means depends on where it stands."""
    word, state = token.text, token.state
    match state.place:
        case Place.LOSS_NAME:
            return _loss(word, analysis)
        case Place.TERM:
            called = text[token.end :].lstrip().startswith("(")
            if called and word == SCHEDULE:
                return syntax_page(SCHEDULE)
            operator = operators.get(word)
            return operator_page(operator) if called and operator else _loss(word, analysis)
        case Place.OPTION:
            entry = operators.get(state.operator)
            option = entry and entry.option(word)
            return option_page(option) if option else head_page(word) if word in MAPS else ""
        case Place.VALUE:
            return head_page(word, state.options[-1]) if word in heads and state.options else ""
        case Place.SHARED:
            return (
                f"**{word}** (a learned map): all that name it in this loss share a module, or hidden layers"
            )
        case Place.ITEM:
            return function_page(functions[word]) if word in functions else page(word)
    return page(word)


def _file(token: Token, analysis: Analysis) -> str:
    """The page of an import's file."""
    if token.kind != "string" or analysis.unit is None:
        return ""
    for statement, unit in analysis.unit.brought.items():
        if statement.path == token.text.strip('"'):
            names = [f"- `{name}`" for name in (loss.name for loss in unit.file.definitions)]
            return "\n".join([f"**{unit.source.name}** (import) brings", "", *names])
    return ""


def _loss(name: str, analysis: Analysis) -> str:
    """The page of a loss; as long as its file has errors, no more than its text."""
    target = analysis.definition(name)
    if target is None:
        return ""
    unit, definition = target
    origin = "" if unit is analysis.unit else f", from {unit.source.name}"
    said = [comment] if (comment := comment_above(unit.source.text, place(definition.span).start)) else []
    loss = unit.losses.get(name)
    if loss is None:
        return "\n\n".join([f"**{name}** (loss{origin})", *said, fenced(_written(unit, definition))])
    terms = comparisons(loss)
    blocks = [
        f"**{name}** (loss{origin}): horizon {loss.horizon}",
        *said,
        fenced(print_loss(loss), "a2l"),
    ]
    if len(terms) <= _MANY:
        lines = list(_shapes(loss))
        blocks += ["\n".join(lines), fenced(timeline(loss)), f"{LEGEND}, O numbers of an observation"]
    return "\n\n".join([*blocks, f"key `{key(loss)}`"])


def _written(unit: Unit, definition: Definition) -> str:
    where = place(definition.span)
    return unit.source.text[where.start : where.end].strip()


def _shapes(loss: Loss) -> Iterator[str]:
    """A line for every term: the shapes of its rows."""
    for weight, term in comparisons(loss):
        factor = "" if weight == 1.0 else f"{print_weight(weight)} * "
        yield f"- `{factor}{term.operator}`: {shapes(term)}"


def shapes(term: Comparison) -> str:
    """The shapes of the rows of a checked comparison, in words."""
    source, target = steps(term)[0]
    if not target:
        return f"latents (B, {row(source)})"
    rolled = rollouts(term)
    several = f" at each of {rolled[0].length} steps" if rolled else ""
    head = map_of(term, HEAD)
    if head is None or head.kind == NONE:
        return f"source (B, {row(source)}), target (B, {row(target)}){several}"
    return f"source (B, {row(source)}) -> {head.kind} -> (B, {row(target)}) = target{several}"


def row(items: Iterable[Item]) -> str:
    """`2F + A + 3`: how many numbers a row has."""
    columns = widths(items)
    counts = {_LETTERS[width]: columns.count(width) for width in Width}
    terms = [
        f"{count if count > 1 else ''}{letter}" for letter, count in counts.items() if letter != "1" and count
    ]
    numbers = counts["1"]
    return " + ".join([*terms, *([str(numbers)] if numbers else [])])


def fenced(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"
