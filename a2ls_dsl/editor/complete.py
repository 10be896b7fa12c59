"""What may be written at the cursor."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from a2ls_dsl.editor.project import Analysis
from a2ls_dsl.editor.scan import Place, State, Token, scan
from a2ls_dsl.editor.words import (
    STREAMS,
    SYNTAX,
    function_page,
    head_page,
    operator_page,
    option_page,
    stream_page,
)
from a2ls_dsl.lang.files import SUFFIX, shipped
from a2ls_dsl.words.agent import RETURN, ROLLOUT, ROLLOUTS, VALUE
from a2ls_dsl.words.entry import GIVES, Function, Kind, Needs, Negatives, Operator, Sets, Type
from a2ls_dsl.words.language import HEAD, NONE, SCHEDULE, TRANSITION, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, heads, operators

_MANY = 200
"""How many files are offered at most."""


class Sort(StrEnum):
    """What is offered; an editor has a sign for each."""

    OPERATOR = "operator"
    FUNCTION = "function"
    STREAM = "stream"
    LOSS = "loss"
    WORD = "word"
    OPTION = "option"
    VALUE = "value"
    FILE = "file"


@dataclass(frozen=True)
class Proposal:
    """A word to write in place of the characters from `start` to the cursor.

    text: what is written; in `snippet`, `$1` and `${1:default}` mark what is filled in next.
    """

    label: str
    sort: Sort
    start: int
    detail: str = ""
    documentation: str = ""
    text: str = ""
    snippet: str = ""


def complete(text: str, offset: int, path: Path | None, analysis: Analysis) -> list[Proposal]:
    """The proposals at a character; `path` is where the file lies, for imports."""
    tokens, state = scan(text[:offset])
    last = tokens[-1] if tokens else None
    if last is not None and last.end == offset:
        if last.kind == "comment":
            return []
        if last.kind == "string":
            closed = len(last.text) > 1 and last.text.endswith('"')
            return (
                []
                if closed or last.state.place is not Place.IMPORT
                else list(_files(last, path, text[offset:]))
            )
        if last.kind == "number":
            return []
        if last.kind == "name":
            state, offset = last.state, last.start
    proposals = list(_proposals(text, offset, state, tokens, path, analysis))
    if not text[text.rfind("\n", 0, offset) + 1 : offset].strip() and state.place in _ENDS:
        proposals += _beginnings(offset)
    return proposals


_ENDS = (Place.TOP, Place.CALLED, Place.BEHIND_TERM, Place.BEHIND_VALUE)
"""Where a definition may be over."""


def _proposals(
    text: str, start: int, state: State, tokens: list[Token], path: Path | None, analysis: Analysis
) -> Iterator[Proposal]:
    entry = operators.get(state.operator)
    match state.place:
        case Place.TERM:
            yield from _terms(start, state, tokens, analysis)
        case Place.ITEM:
            yield from _items(start, state)
        case Place.STEP:
            yield Proposal("t", Sort.VALUE, start, *SYNTAX["t"])
        case Place.BEHIND_TERM:
            yield from _behind(start, state, entry)
        case Place.BATCH:
            yield Proposal("batch", Sort.WORD, start, SYNTAX["batch"][0])
        case Place.OPTION:
            rolled = any(
                token.text in ROLLOUTS and token.state.operator == state.operator for token in tokens
            )
            yield from _options(start, state, entry, rolled)
        case Place.VALUE:
            yield from _values(start, state, entry)
        case Place.BEHIND_VALUE if state.options and state.options[-1] in MAPS:
            yield Proposal("as", Sort.WORD, start, *SYNTAX["as"], snippet="as $0")
        case Place.SHARED:
            yield from (
                Proposal(name, Sort.VALUE, start, "a learned map of this loss") for name in _heads(tokens)
            )
        case Place.IMPORT:
            yield from _quoted(start, path)


def _beginnings(start: int) -> Iterator[Proposal]:
    yield Proposal("loss", Sort.WORD, start, *SYNTAX["loss"], snippet="loss ${1:name} = $0")
    yield Proposal("import", Sort.WORD, start, *SYNTAX["import"], snippet='import "$1"$0')


def _terms(start: int, state: State, tokens: Iterable[Token], analysis: Analysis) -> Iterator[Proposal]:
    """An operator, or a loss from above."""
    for name, entry in operators.items():
        sets = "({ $1 })$0" if entry.unary else "({ $1 } -> { $2 })$0"
        yield Proposal(name, Sort.OPERATOR, start, entry.summary, operator_page(entry), snippet=name + sets)
    if state.name != "*":
        snippet = f"{SCHEDULE}(${{1:0.0}}, ${{2:1.0}}, ${{3:100000}}) * $0"
        yield Proposal(SCHEDULE, Sort.WORD, start, *SYNTAX[SCHEDULE], snippet=snippet)
    if analysis.unit is None:
        return
    above = [token.text for token in tokens if token.state.place is Place.LOSS_NAME and token.kind == "name"][
        :-1
    ]
    brought = [
        (definition.name, f'from "{by.path}"')
        for by, unit in analysis.unit.brought.items()
        for definition in unit.file.definitions
    ]
    for name, origin in dict([*brought, *((name, "from above") for name in above)]).items():
        yield Proposal(name, Sort.LOSS, start, f"loss {origin}")


def _items(start: int, state: State) -> Iterator[Proposal]:
    """What stands in a set, or in the call that is open there."""
    name, argument = state.functions[-1] if state.functions else ("", 0)
    inside = functions.get(name)
    if inside is None:
        streams, calls = (
            list(Stream),
            [function for function in functions.values() if _fits_set(function, state)],
        )
    elif inside.kind is Kind.SEQUENCE:
        streams, calls = _of_sequence(inside.name, argument)
    elif argument:
        for number in inside.parameters[argument - 1 : argument]:
            yield Proposal(print_number(number.default), Sort.VALUE, start, f"{number.name}: {number.range}")
        return
    else:
        streams = [Stream.STATE] if Type.OBSERVATION in inside.takes else []
        calls = [function for function in functions.values() if GIVES.get(function.kind) in inside.takes]
    for stream in streams:
        detail, _ = STREAMS[stream]
        yield Proposal(
            stream.value, Sort.STREAM, start, detail, stream_page(stream), snippet=f"{stream.value}[t$1]$0"
        )
    for call in calls:
        yield Proposal(
            call.name, Sort.FUNCTION, start, call.summary, function_page(call), snippet=f"{call.name}($1)$0"
        )


def _fits_set(entry: Function, state: State) -> bool:
    """Whether a call may stand in the set itself: a rollout is a source, or a next state."""
    operator = operators.get(state.operator)
    metric = operator is not None and operator.sets is Sets.TRANSITION and entry.name == ROLLOUT
    return entry.name not in ROLLOUTS or not state.target or metric


def _of_sequence(name: str, argument: int) -> tuple[list[Stream], list[Function]]:
    if name in ROLLOUTS:
        states = [
            function for function in functions.values() if function.kind not in (Kind.SEQUENCE, Kind.ESTIMATE)
        ]
        return ([Stream.STATE], states) if argument == 0 else ([Stream.ACTION], [])
    if argument == 0:
        return [Stream.REWARD], []
    return [], [functions[VALUE]] if name == RETURN and argument == 1 else []


def _behind(start: int, state: State, entry: Operator | None) -> Iterator[Proposal]:
    """Negatives and options of a comparison."""
    if entry is not None and entry.negatives is Negatives.ON_REQUEST and not state.negatives:
        yield Proposal("against batch", Sort.WORD, start, *SYNTAX["against"])
    if entry is None or entry.maps or entry.options:
        yield Proposal("with", Sort.WORD, start, *SYNTAX["with"], snippet="with $0")


def _options(start: int, state: State, entry: Operator | None, rolled: bool) -> Iterator[Proposal]:
    """The options that the operator has and that aren't given yet."""
    if entry is None:
        return
    for name in entry.maps:
        if name not in state.options and (rolled or name != TRANSITION):
            detail = MAPS[name].summary
            yield Proposal(name, Sort.OPTION, start, detail, head_page(name), snippet=f"{name} = $0")
    for option in entry.options:
        missing = {Needs.NEGATIVES: not state.negatives, Needs.ROLLOUT: not rolled}
        if option.name not in state.options and not missing.get(option.needs):
            together = [option, *(other for other in entry.options if other.name == option.beside)]
            missing_values = [other for other in together if other.name not in state.options]
            snippet = ", ".join(
                f"{other.name} = ${{{number}:{print_number(other.default)}}}"
                for number, other in enumerate(missing_values, 1)
            )
            yield Proposal(
                option.name, Sort.OPTION, start, option.summary, option_page(option), snippet=f"{snippet}$0"
            )


def _values(start: int, state: State, entry: Operator | None) -> Iterator[Proposal]:
    option = state.options[-1] if state.options else ""
    if option in MAPS:
        needed = option == TRANSITION or (option == HEAD and entry is not None and entry.needs_head)
        for name, head in heads.items():
            if (name != NONE or not needed) and (not head.residual or option == TRANSITION):
                snippet = f"{name}(${{1:256}})$0" if head.layers else ""
                page = head_page(name, option)
                yield Proposal(name, Sort.VALUE, start, head.summary, page, snippet=snippet)
    elif entry is not None and (number := entry.option(option)):
        yield Proposal(print_number(number.default), Sort.VALUE, start, f"the default; {number.range}")


def _heads(tokens: Iterable[Token]) -> list[str]:
    """The names of the heads of the definition that is being written."""
    names: list[str] = []
    for token in tokens:
        if token.kind == "name" and token.text == "loss":
            names = []
        elif token.kind == "name" and token.state.place is Place.SHARED:
            names.append(token.text)
    return list(dict.fromkeys(names))


def _quoted(start: int, path: Path | None) -> Iterator[Proposal]:
    """Files to import, with their quotes."""
    for name, detail in _importable("", path):
        yield Proposal(f'"{name}"', Sort.FILE, start, detail)


def _files(string: Token, path: Path | None, behind: str) -> Iterator[Proposal]:
    """Files to import, inside quotes; `behind` is the text from the cursor on, which may close them."""
    for name, detail in _importable(string.text[1:], path):
        text = name if behind.startswith('"') else f'{name}"'
        yield Proposal(name, Sort.FILE, string.start + 1, detail, text=text)


def _importable(begun: str, path: Path | None) -> Iterator[tuple[str, str]]:
    """Loss files beside this one and below the folder that the text begins with, then shipped losses."""
    folder = begun[: begun.rfind("/") + 1]
    names: list[str] = []
    if path is not None and not os.path.isabs(folder):
        try:
            inside = sorted(os.listdir(path.parent / folder))
        except (OSError, ValueError):
            inside = []
        names = [name for name in inside if name.endswith(SUFFIX) and name != path.name][:_MANY]
        yield from ((folder + name, "a file beside this one") for name in names)
    if not folder:
        library = (f"{name}{SUFFIX}" for name in shipped("losses", SUFFIX))
        yield from ((name, "a shipped loss") for name in library if name not in names)
