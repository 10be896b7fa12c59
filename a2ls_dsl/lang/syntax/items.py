"""What stands inside sets: runs become elements, steps become offsets, nested calls become chains of calls.

What a tree can hold and still be wrong (an unknown function, a view of a latent) is the checker's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lark import Token, Tree

from a2ls_dsl.diagnostics import A2lError, Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.messages.codes import Rule, report
from a2ls_dsl.lang.messages.unknown_names import unknown_function, unknown_stream
from a2ls_dsl.lang.syntax.printer import print_step
from a2ls_dsl.lang.syntax.tree import MAX_OFFSET, Call, Element, Item, Return, Rollout
from a2ls_dsl.words.agent import DISCOUNT, RETURN, ROLLOUT
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.numbers import number_of_text
from a2ls_dsl.words.registry import functions

MAX_ELEMENTS = 10_000
"""How many elements a file may name; a run of a thousand is written in a dozen characters."""

Node = Tree[Token]


class Piece:
    """The piece of a source that is being built, from character `base` on, and the file's `mistakes`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.base = 0
        self.mistakes: list[Diagnostic] = []
        self._elements = 0

    @property
    def few(self) -> bool:
        """Whether there is time to look for a near name: nobody reads more suggestions."""
        return len(self.mistakes) < 50

    def span(self, node: Node | Token) -> Span:
        """Where a rule or a word stands in the source."""
        place = node if isinstance(node, Token) else node.meta
        return Span(self.source, self.base + (place.start_pos or 0), self.base + (place.end_pos or 0))

    def text(self, node: Node) -> str:
        """What was written, shortened where it is long."""
        span = self.span(node)
        return short(self.source.text[span.start : span.end])

    def note(self, code: str, message: str, node: Node | Token, fix: str | Fix) -> None:
        """Remember a mistake at a rule or a word."""
        self.mistakes.append(report(code, message, self.span(node), fix))

    def number(self, node: Node, code: str) -> float | None:
        """The value of a number with its sign, or None after noting that it has none, under `code`."""
        value = number_of_text("".join(tokens(node)))
        if isinstance(value, A2lError):
            self.note(code, value.message, node, value.fix)
            return None
        return value

    def numbers(self, nodes: Iterable[Node], code: str) -> tuple[float, ...] | None:
        """The values of several numbers, or None if one of them has none."""
        values = [self.number(node, code) for node in nodes]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def affordable(self, elements: int, run: Node) -> bool:
        """Count the elements of a run, before it is expanded."""
        before, self._elements = self._elements, self._elements + elements
        if before <= MAX_ELEMENTS < self._elements:
            message = f"a file names at most {MAX_ELEMENTS:,} elements"
            self.note(Rule.ELEMENTS, message, run, "split the file")
        return self._elements <= MAX_ELEMENTS


def nodes(node: Node) -> list[Node]:
    """The rules directly inside a rule."""
    return [child for child in node.children if isinstance(child, Tree)]


def tokens(node: Node) -> list[Token]:
    """The words directly inside a rule."""
    return [child for child in node.children if isinstance(child, Token)]


def short(text: str, limit: int = 40) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= limit else text[:limit] + "..."


MAX_NESTING = 16
"""How many calls may stand inside each other; five do something."""


class ItemBuilder:
    """Builds the items of sets, and notes in the piece what is wrong with them."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece

    def build(self, node: Node, depth: int = 0) -> list[Item]:
        """The items that one written item stands for: none if something is wrong with it."""
        outer, calls = node, list[Call]()
        while node.data == "apply":
            depth += 1
            if depth > MAX_NESTING:
                message = f"at most {MAX_NESTING} calls stand inside each other"
                self._piece.note(Rule.NESTING, message, tokens(node)[0], "name fewer functions")
                return []
            if tokens(node)[0] in (RETURN, ROLLOUT):
                return self._sequence(node, calls, depth)
            applied = self._apply(node)
            if applied is None:
                return []
            call, node = applied
            calls.append(call)
        return list(self._run(node, outer, tuple(reversed(calls))))

    def _apply(self, node: Node) -> tuple[Call, Node] | None:
        """A call of a function of one item, and that item."""
        name, arguments = tokens(node)[0], nodes(node)
        if misuse := misused(str(name), _shapes(node)):
            if name in functions:
                self._piece.note(misuse.code, misuse.message, node, misuse.fix)
            else:
                fix = unknown_function(name, self._piece.few)
                self._piece.note(Rule.FUNCTION_UNKNOWN, f"there is no function `{short(name)}`", name, fix)
            return None
        numbers = self._piece.numbers(arguments[1:], Rule.NUMBER_RANGE)
        if numbers is None:
            return None
        places = (self._piece.span(name), *map(self._piece.span, arguments[1:]))
        return Call(str(name), numbers, places), arguments[0]

    def _sequence(self, node: Node, calls: list[Call], depth: int) -> list[Item]:
        name, arguments = str(tokens(node)[0]), nodes(node)
        misuse = misused(name, _shapes(node))
        if misuse and misuse.argument is None:
            self._piece.note(misuse.code, misuse.message, node, misuse.fix)
            return []
        items = [self.build(node, depth) for node in arguments if node.data != "number"]
        if [] in items:
            return []
        if misuse and misuse.argument is not None:
            self._piece.note(misuse.code, misuse.message, arguments[misuse.argument], misuse.fix)
            return []
        item = self._rollout(node, *items) if name == ROLLOUT else self._return(node, *items)
        if item is not None and calls:
            outside = applied_outside(calls[-1].name, name)
            self._piece.note(outside.code, outside.message, node, outside.fix)
            return []
        return [] if item is None else [item]

    def _rollout(self, node: Node, start: list[Item], actions: list[Item]) -> Rollout | None:
        if len(start) > 1 or not isinstance(start[0], Element):
            self._piece.note(Rule.ARGUMENTS, "a rollout starts at one state", nodes(node)[0], "e.g. s[t]")
            return None
        return Rollout(start[0], actions[0].last, len(actions), self._piece.span(node))

    def _return(self, node: Node, rewards: list[Item], *ends: list[Item]) -> Return | None:
        last = rewards[-1].last
        bootstrap = ends[0][0] if ends else None
        if ends and (len(ends[0]) > 1 or not isinstance(bootstrap, Element)):
            fix = Fix.write(f"value(s[{print_step(last + 1)}])")
            self._piece.note(Rule.RETURN, "a return ends in one value", nodes(node)[1], fix)
            return None
        numbers = nodes(node)[1 + len(ends) :]
        discount = self._piece.number(numbers[0], Rule.NUMBER_RANGE) if numbers else DISCOUNT.default
        if discount is None or not isinstance(bootstrap, Element | None):
            return None
        return Return(rewards[0].last, last, bootstrap, discount, self._piece.span(node))

    def _run(self, run: Node, outer: Node, calls: tuple[Call, ...]) -> list[Element]:
        """The elements of a run, each under the same chain of calls."""
        stream, steps = self._stream(run), [self._step(step, run) for step in nodes(run)]
        first, last = steps[0], steps[-1]
        if stream is None or first is None or last is None:
            return []
        if last < first:
            fix = Fix.write(f"{stream}[{print_step(last)}..{print_step(first)}]")
            self._piece.note(Rule.RUN_BACKWARDS, "a run goes forward in time; this one is empty", run, fix)
            return []
        if not self._piece.affordable(last - first + 1, run):
            # One element stands for the run, so that the set isn't called empty on top.
            last = first
        span = self._piece.span(outer)
        return [Element(stream, offset, calls, span) for offset in range(first, last + 1)]

    def _stream(self, run: Node) -> Stream | None:
        (name,) = tokens(run)
        if name in STREAM_NAMES:
            return Stream(str(name))
        fix = unknown_stream(str(name))
        self._piece.note(Rule.STREAM_UNKNOWN, f"there is no stream `{short(name)}`", name, fix)
        return None

    def _step(self, node: Node, run: Node) -> int | None:
        """The offset that a step means, or None after noting what is wrong with it."""
        match tokens(node):
            case ["t"]:
                return 0
            case ["t", "+", number] if number.isdecimal():
                digits = number.lstrip("0") or "0"
                if len(digits) <= len(str(MAX_OFFSET)):
                    return int(digits)
                fix = f"an episode has at most {MAX_OFFSET + 1:,} steps"
                self._piece.note(Rule.OFFSET, f"an offset is at most {MAX_OFFSET}", node, fix)
            case ["t", "-", number] if number.isdecimal():
                message = f"steps start at t; {self._piece.text(run)} lies before the window"
                zero = int(number[:9]) == 0
                shifted = Fix.write("t") if zero else f"shift every element by {short(number)}"
                self._piece.note(Rule.STEP_BEFORE_T, message, node, shifted)
            case [number] if number.isdecimal():
                self._piece.note(Rule.STEP, "steps are counted from t", node, Fix.write(f"t+{short(number)}"))
            case _:
                self._piece.note(Rule.STEP, "a step is t, or t plus a whole number", node, "e.g. t+3")
        return None


STREAM_NAMES = frozenset(Stream)

Shape: TypeAlias = str
"""What an argument is: the stream of a run, `ITEM`, which is the call of a function, or `NUMBER`."""

ITEM, NUMBER = "()", "0"


@dataclass(frozen=True)
class Misuse:
    """Why a function can't be called like this: what is wrong with one `argument` of it, or with the call."""

    code: Rule
    message: str
    fix: str
    argument: int | None = None


def misused(name: str, arguments: Sequence[Shape]) -> Misuse | None:
    """What is wrong with the arguments of a function; a name that is none is taken for one of an item."""
    example = f"e.g. {functions[name].example if name in functions else 'crop(s[t])'}"
    items = [shape for shape in arguments if shape != NUMBER]
    ordered = arguments[: len(items)] == items
    if name == ROLLOUT:
        if len(items) != 2 or len(arguments) != 2:
            return Misuse(Rule.ARGUMENTS, "`rollout` takes a state and a run of actions", example)
        if items[1] in (*STREAM_NAMES - {Stream.ACTION}, ITEM):
            return Misuse(Rule.ARGUMENTS, "a rollout goes along a run of actions", "e.g. a[t..t+4]", 1)
    elif name == RETURN:
        if not ordered or not 1 <= len(items) <= 2 or len(arguments) - len(items) > 1:
            message = "`return` takes a run of rewards, then, if wanted, a value and a discount"
            return Misuse(Rule.ARGUMENTS, message, example)
        if items[0] in (*STREAM_NAMES - {Stream.REWARD}, ITEM):
            return Misuse(Rule.RETURN, "a return sums a run of rewards", "e.g. r[t..t+2]", 0)
    elif len(items) != 1 or not ordered:
        return Misuse(Rule.ARGUMENTS, f"`{name}` is called on one item of a set", example)
    return None


def applied_outside(name: str, inner: str) -> Misuse:
    """What is wrong with a function of a rollout or a return."""
    message = f"`{name}` can't be applied to what `{inner}` gives"
    inside = f"it stands inside, as in rollout({name}(s[t]), a[t..t+4])"
    return Misuse(Rule.MISAPPLIED, message, inside if inner == ROLLOUT else "name the return alone")


def _shapes(node: Node) -> list[Shape]:
    return [
        NUMBER if each.data == "number" else str(tokens(each)[0]) if each.data == "run" else ITEM
        for each in nodes(node)
    ]
