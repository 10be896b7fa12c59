"""What stands inside sets: runs become elements, steps become offsets, nested calls become chains of calls.

What a tree can hold and still be wrong (an unknown function, a view of a latent) is the checker's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lark import Token, Tree

from a2ls_dsl.diagnostics import A2lError, Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.messages.codes import Rule, report
from a2ls_dsl.lang.messages.unknown_names import STREAMS, unknown_function
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
        items = [each for each in arguments if each.data != "number"]
        if len(items) != 1 or arguments[0] is not items[0]:
            if name in functions:
                example = f"e.g. {functions[name].example}"
                self._piece.note(Rule.ARGUMENTS, f"`{name}` is called on one item of a set", node, example)
            else:
                fix = unknown_function(name, self._piece.few)
                self._piece.note(Rule.FUNCTION_UNKNOWN, f"there is no function `{short(name)}`", name, fix)
            return None
        numbers = self._piece.numbers(arguments[1:], Rule.NUMBER_RANGE)
        if numbers is None:
            return None
        places = (self._piece.span(name), *map(self._piece.span, arguments[1:]))
        return Call(str(name), numbers, places), items[0]

    def _sequence(self, node: Node, calls: list[Call], depth: int) -> list[Item]:
        name = str(tokens(node)[0])
        item = self._rollout(node, depth) if name == ROLLOUT else self._return(node, depth)
        if item is not None and calls:
            message = f"`{calls[-1].name}` can't be applied to what `{name}` gives"
            inside = f"it stands inside, as in rollout({calls[-1].name}(s[t]), a[t..t+4])"
            fix = inside if name == ROLLOUT else "name the return alone"
            self._piece.note(Rule.MISAPPLIED, message, node, fix)
            return []
        return [] if item is None else [item]

    def _rollout(self, node: Node, depth: int) -> Rollout | None:
        arguments = nodes(node)
        if len(arguments) != 2 or any(each.data == "number" for each in arguments):
            message = "`rollout` takes a state and a run of actions"
            self._piece.note(Rule.ARGUMENTS, message, node, f"e.g. {functions[ROLLOUT].example}")
            return None
        start, actions = (self.build(each, depth) for each in arguments)
        if not start or not actions:
            return None
        if len(start) > 1 or not isinstance(start[0], Element):
            self._piece.note(Rule.ARGUMENTS, "a rollout starts at one state", arguments[0], "e.g. s[t]")
            return None
        offsets = _plain_run(actions, Stream.ACTION)
        if offsets is None:
            message = "a rollout goes along a run of actions"
            self._piece.note(Rule.ARGUMENTS, message, arguments[1], "e.g. a[t..t+4]")
            return None
        return Rollout(start[0], offsets[0], len(actions), self._piece.span(node))

    def _return(self, node: Node, depth: int) -> Return | None:
        arguments = nodes(node)
        items = [each for each in arguments if each.data != "number"]
        numbers = arguments[len(items) :]
        if not 1 <= len(items) <= 2 or len(numbers) > 1 or any(each.data != "number" for each in numbers):
            message = "`return` takes a run of rewards, then, if wanted, a value and a discount"
            self._piece.note(Rule.ARGUMENTS, message, node, f"e.g. {functions[RETURN].example}")
            return None
        rewards, *rest = (self.build(each, depth) for each in items)
        if not rewards or [] in rest:
            return None
        offsets = _plain_run(rewards, Stream.REWARD)
        if offsets is None:
            self._piece.note(Rule.RETURN, "a return sums a run of rewards", items[0], "e.g. r[t..t+2]")
            return None
        bootstrap = rest[0][0] if rest else None
        if rest and (len(rest[0]) > 1 or not isinstance(bootstrap, Element)):
            fix = Fix.write(f"value(s[{print_step(offsets[1] + 1)}])")
            self._piece.note(Rule.RETURN, "a return ends in one value", items[1], fix)
            return None
        discount = self._piece.number(numbers[0], Rule.NUMBER_RANGE) if numbers else DISCOUNT.default
        if discount is None or not isinstance(bootstrap, Element | None):
            return None
        return Return(offsets[0], offsets[1], bootstrap, discount, self._piece.span(node))

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
        known = name.lower() in STREAM_NAMES
        words = f"write {name.lower()}" if known else STREAMS.get(name.lower(), _STREAMS_FIX)
        meant = re.search(r"\bwrite (\w+)(?:,|$)", words)
        fix = Fix(words, meant[1]) if meant else words
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
_STREAMS_FIX = "the streams are s (state), a (action), r (reward), o (raw observation), done"


def _plain_run(items: list[Item], stream: Stream) -> tuple[int, int] | None:
    """The first and the last offset of a run of a stream without calls, or None if it is anything else."""
    plain = [each for each in items if isinstance(each, Element) and each.stream is stream and not each.calls]
    return (plain[0].offset, plain[-1].offset) if len(plain) == len(items) else None
