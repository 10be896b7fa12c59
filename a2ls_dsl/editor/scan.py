"""The words of a loss file and what stands around each, also in a text that isn't finished yet.

The parser knows what a whole definition means; here one pass over the words keeps track of the place that
comes next. What doesn't fit leaves the place as it is, so an unfinished line disturbs nothing behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto

from a2ls_dsl.words.language import SCHEDULE

_TOKEN = re.compile(
    r"(?P<string>\"[^\"\r\n]*\"?)|(?P<comment>#[^\r\n]*)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<sign>->|\.\.|[^\s])"
)

_DEPTH = 20
"""How many open calls and options are kept in mind: more than a checked file can have (A2L052, A2L042)."""


class Place(Enum):
    """What is expected next."""

    TOP = auto()
    LOSS_NAME = auto()
    EQUAL = auto()
    TERM = auto()
    STAR = auto()
    CALLED = auto()  # behind a name: an operator's parenthesis, or nothing
    NUMBERS = auto()
    SET = auto()
    ITEM = auto()
    ITEM_NAMED = auto()
    STEP = auto()
    BEHIND_ITEM = auto()
    BEHIND_SET = auto()
    BEHIND_TERM = auto()
    BATCH = auto()
    OPTION = auto()
    OPTION_NAMED = auto()
    VALUE = auto()
    BEHIND_VALUE = auto()
    SHARED = auto()
    IMPORT = auto()


@dataclass(frozen=True)
class State:
    """Where a text has come to.

    operator: the name that the current term began with. target: whether its arrow has passed. functions: the
    open calls inside a set, innermost last, each with the number of its argument. negatives, options: what
    stands behind the term so far; the last option is the one whose value is next.
    """

    place: Place = Place.TOP
    operator: str = ""
    target: bool = False
    functions: tuple[tuple[str, int], ...] = ()
    negatives: bool = False
    options: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Token:
    """A word, sign, string or comment of the text, and the state before it."""

    kind: str
    text: str
    start: int
    end: int
    state: State


def scan(text: str) -> tuple[list[Token], State]:
    """The tokens of a text, comments among them, and the state at its end."""
    tokens, state = list[Token](), State()
    for match in _TOKEN.finditer(text):
        kind, word = str(match.lastgroup), match[0]
        if kind == "name" and word in ("loss", "import"):
            begins = not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip("\ufeff \t\r\f\v")
            # A line that begins so begins anew, whatever came before: so does the parser.
            state = State() if begins else state
        tokens.append(Token(kind, word, match.start(), match.end(), state))
        if kind != "comment":
            state = _after(state, kind, word)
    return tokens, state


def token_at(text: str, offset: int) -> Token | None:
    """The token that a cursor points at: the one it stands in or before, else the one that ends there."""
    touching = [token for token in scan(text)[0] if token.start <= offset <= token.end]
    inside = [token for token in touching if token.start <= offset < token.end]
    words = [token for token in touching if token.kind in ("name", "number", "string")]
    return next(iter([*(token for token in inside if token in words), *words, *inside]), None)


def _after(state: State, kind: str, word: str) -> State:
    """The state behind a word."""
    place = state.place
    if kind == "name" and place is not Place.OPTION_NAMED:
        begun = _BEGINNINGS.get(word)
        if begun is not None and place is not Place.ITEM:
            fresh = State() if begun in (Place.LOSS_NAME, Place.IMPORT) else replace(state, functions=())
            return replace(fresh, place=begun, negatives=state.negatives or word == "against")
    if word == "->":
        return replace(state, place=Place.SET, target=True, functions=())
    if place is Place.BEHIND_ITEM or (place is Place.ITEM and word in (")", "}")):
        return _behind_item(state, word)
    if place is Place.ITEM:
        named = Place.ITEM_NAMED if kind == "name" else Place.BEHIND_ITEM if kind == "number" else place
        return replace(state, place=named, name=word)
    if place is Place.ITEM_NAMED and word == "(":
        return replace(state, place=Place.ITEM, functions=(*state.functions[-_DEPTH:], (state.name, 0)))
    if place in (Place.TERM, Place.SHARED, Place.OPTION, Place.VALUE) and kind in ("name", "number"):
        return _named(state, kind, word)
    if place is Place.CALLED and word == "(":
        schedule = state.operator == SCHEDULE
        return replace(state, place=Place.NUMBERS if schedule else Place.SET, target=False)
    if place is Place.NUMBERS and word == ")":
        return replace(state, place=Place.BEHIND_VALUE if state.options else Place.STAR)
    following = _STEPS.get((place, word)) or _STEPS.get((place, kind))
    if following is Place.TERM:
        return State(Place.TERM, name=word)
    return replace(state, place=following) if following else state


def _named(state: State, kind: str, word: str) -> State:
    """Behind the name or the number that begins a term, an option, its value or a shared head."""
    if state.place is Place.TERM:
        place = Place.CALLED if kind == "name" else Place.STAR
        return State(place, operator=word if kind == "name" else "")
    if state.place is Place.OPTION:
        return replace(state, place=Place.OPTION_NAMED, options=(*state.options[-_DEPTH:], word))
    return replace(state, place=Place.BEHIND_VALUE)


def _behind_item(state: State, word: str) -> State:
    if word == ",":
        open_calls = state.functions
        if open_calls:
            name, argument = open_calls[-1]
            open_calls = (*open_calls[:-1], (name, argument + 1))
        return replace(state, place=Place.ITEM, functions=open_calls)
    if word == ")" and state.functions:
        return replace(state, place=Place.BEHIND_ITEM, functions=state.functions[:-1])
    if word == "}":
        return replace(state, place=Place.BEHIND_SET, functions=())
    return state


_BEGINNINGS = {
    "loss": Place.LOSS_NAME,
    "import": Place.IMPORT,
    "against": Place.BATCH,
    "with": Place.OPTION,
}

_STEPS = {
    (Place.LOSS_NAME, "name"): Place.EQUAL,
    (Place.EQUAL, "="): Place.TERM,
    (Place.STAR, "*"): Place.TERM,
    (Place.CALLED, "+"): Place.TERM,
    (Place.CALLED, "*"): Place.TERM,
    (Place.SET, "{"): Place.ITEM,
    (Place.SET, ")"): Place.BEHIND_TERM,
    (Place.ITEM_NAMED, "["): Place.STEP,
    (Place.ITEM_NAMED, ","): Place.ITEM,
    (Place.ITEM_NAMED, "}"): Place.BEHIND_SET,
    (Place.STEP, "]"): Place.BEHIND_ITEM,
    (Place.BEHIND_SET, ")"): Place.BEHIND_TERM,
    (Place.BEHIND_TERM, "+"): Place.TERM,
    (Place.BATCH, "batch"): Place.BEHIND_TERM,
    (Place.OPTION_NAMED, "="): Place.VALUE,
    (Place.BEHIND_VALUE, "("): Place.NUMBERS,
    (Place.BEHIND_VALUE, ","): Place.OPTION,
    (Place.BEHIND_VALUE, "as"): Place.SHARED,
    (Place.BEHIND_VALUE, "+"): Place.TERM,
    (Place.IMPORT, "string"): Place.TOP,
}
"""What follows which sign or kind of token."""
