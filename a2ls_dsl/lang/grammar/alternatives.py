"""What the parts of a comparison can be: every operator, option and number, every set, with all alternatives.

Alternatives do not depend on the parameters, steps do. So words are expanded once, sets for each combination
of the parameters that they name. Sums are not expanded at all: see `elaborate.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, reduce
from itertools import product

from a2ls_dsl.lang.grammar.file import GrammarFile
from a2ls_dsl.lang.grammar.sets import ENCODERS
from a2ls_dsl.lang.rules.canonical import canonical_items
from a2ls_dsl.lang.rules.sums import canonical_weight, schedule_of
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import Path, Value, Word, built, join, numbers_of
from a2ls_dsl.lang.syntax.tree import Call, Item, Schedule, Weight
from a2ls_dsl.words.agent import ROLLOUTS
from a2ls_dsl.words.language import SCHEDULE
from a2ls_dsl.words.registry import functions, operators

MANY = 10**30
"""Where counting alternatives ends."""


@dataclass(frozen=True)
class SetChoice:
    """One combination of the alternatives of a set: what must be in it, and what may.

    rolls: whether a rollout is written in it.
    """

    path: Path
    must: frozenset[Item]
    may: frozenset[Item]
    rolls: bool = False


class Alternatives:
    """Expands the parts of a checked file."""

    def __init__(self, file: GrammarFile) -> None:
        self.rules = file.by_name
        self.order = {name: place for place, name in enumerate(file.ordered())}
        self.origins: dict[Item, tuple[surface.Item, surface.Binding]] = {}
        """Where an item was first written, before its defaults were left out, and for which values."""
        self._words: dict[str, tuple[Word, ...]] = {}
        self._sets: dict[object, list[SetChoice]] = {}
        self._names: dict[str, frozenset[str]] = {name: frozenset() for name in self.order}
        while sum(self._grown(name) for name in self.order):  # twice, and again for each bounded recursion
            pass
        self._parameters = cache(self._named)

    def words(self, expression: surface.Expression) -> tuple[Word, ...]:
        """What a word can be: an operator, negatives, a function, a number, a weight, a head."""
        match expression:
            case surface.Name(text) if text in self.rules:
                if text not in self._words:
                    self._words[text] = self.words(self.rules[text].body)
                return self._words[text]
            case surface.Name(text):
                return (Word((), text if text in operators else Call(text)),)
            case surface.Number(value):
                return (Word((), value),)
            case surface.Against():
                return (Word((), True),)
            case surface.Optional(inner, span=span):
                return self._alternatives(span.start, [(Word((), None),), self.words(inner)])
            case surface.Choice(alternatives, span=span):
                return self._alternatives(
                    span.start, [self.words(alternative) for alternative in alternatives]
                )
            case surface.Operation(name, arguments):
                return tuple(
                    Word(join(word.path for word in words), _called(name.text, numbers_of(words)))
                    for words in product(*map(self.words, arguments))
                )
        return (Word((), None),)

    def weights(self, expression: surface.Expression) -> tuple[Weight, ...]:
        """The weights that a word can be."""
        values = [word.value for word in self.words(expression)]
        return tuple(canonical_weight(value) for value in values if isinstance(value, float | Schedule))

    def sets(self, expression: surface.Expression, side: str, binding: surface.Binding) -> list[SetChoice]:
        """Every combination of a set's alternatives."""
        if (key := (expression, side, self.relevant(expression, binding))) not in self._sets:
            # Rules in order, and not one inside the other: there may be many in a chain.
            rules = sorted(self.reached(expression), key=self.order.__getitem__)
            for part in (*(self.rules[name].body for name in rules), expression):
                inner = part, side, self.relevant(part, binding)
                if inner not in self._sets:
                    self._sets[inner] = list(self._expanded(part, side, binding))
        return self._sets[key]

    def relevant(self, expression: surface.Expression, binding: surface.Binding) -> tuple[object, ...]:
        """The parameters that the sets in an expression depend on, with their values."""
        return tuple(sorted((name, binding[name]) for name in self._parameters(expression)))

    def reached(self, expression: surface.Expression) -> set[str]:
        """The rules that an expression leads to."""
        reached: set[str] = set()
        waiting = [use.text for use in surface.every(surface.Name, expression)]
        while waiting:
            name = waiting.pop()
            if name in self.rules and name not in reached:
                reached.add(name)
                waiting += [use.text for use in surface.every(surface.Name, self.rules[name].body)]
        return reached

    def measure(self, expression: surface.Expression) -> int:
        """The number of combinations that `sets` or `words` would give, without building them."""
        sizes: dict[str, int] = {}

        def size(part: surface.Node) -> int:
            match part:
                case surface.Name(text):
                    return sizes.get(text, 1)
                case surface.Choice(alternatives):
                    return min(MANY, sum(map(size, alternatives)))
                case surface.Optional(inner):
                    return 1 + size(inner)
            return reduce(lambda total, inner: min(MANY, total * size(inner)), part.inside, 1)

        for name in sorted(self.reached(expression), key=self.order.__getitem__):
            sizes[name] = size(self.rules[name].body)
        return size(expression)

    def _grown(self, name: str) -> bool:
        """Put together the parameters of a rule from those of the rules in it; whether there are more."""
        before, self._names[name] = self._names[name], self._named(self.rules[name].body)
        return before != self._names[name]

    def _named(self, expression: surface.Expression) -> frozenset[str]:
        """The parameters in an expression, and in the rules that it names."""
        steps = [step for run in surface.every(surface.Run, expression) for step in (run.first, run.last)]
        own = frozenset(name.text for step in steps for _, name in step.parameters)
        return own.union(*(self._names.get(use.text, ()) for use in surface.every(surface.Name, expression)))

    def _expanded(
        self, expression: surface.Expression, side: str, binding: surface.Binding
    ) -> Iterator[SetChoice]:
        match expression:
            case surface.Name(text) if text in self.rules:
                yield from self.sets(self.rules[text].body, side, binding)
            case surface.Choice(alternatives, span=span):
                for place, alternative in enumerate(alternatives):
                    for choice in self._expanded(alternative, side, binding):
                        yield replace(choice, path=join([choice.path, ((span.start, place),)]))
            case surface.Optional(inner, span=span):
                yield SetChoice(((span.start, 0),), frozenset(), frozenset())
                for choice in self._expanded(inner, side, binding):
                    yield replace(choice, path=join([choice.path, ((span.start, 1),)]))
            case surface.Both(parts):
                for choices in product(*(list(self._expanded(part, side, binding)) for part in parts)):
                    must = frozenset[Item]().union(*(choice.must for choice in choices))
                    may = frozenset[Item]().union(*(choice.may for choice in choices)) - must
                    rolls = any(choice.rolls for choice in choices)
                    yield SetChoice(join(choice.path for choice in choices), must, may, rolls)
            case surface.Elements(items, some):
                called = {call.function.text for call in surface.every(surface.Apply, expression)}
                rolls = not called.isdisjoint(ROLLOUTS)
                for chosen_items in product(*(self._item(item, side, binding) for item in items)):
                    held = frozenset(item for _, group in chosen_items for item in group)
                    path = join(path for path, _ in chosen_items)
                    yield SetChoice(path, frozenset() if some else held, held if some else frozenset(), rolls)

    def _item(
        self, item: surface.Item, side: str, binding: surface.Binding
    ) -> list[tuple[Path, tuple[Item, ...]]]:
        def steps(run: surface.Run) -> range:
            return range(run.first.at(binding), run.last.at(binding) + 1)

        alternatives = []
        for path, items in built(item, self.words, steps, placed=False):
            for made in items:
                self.origins.setdefault(made, (item, binding))
            alternatives.append((path, tuple(canonical_items(items, ENCODERS[side]))))
        return alternatives

    def _alternatives(self, start: int, lists: Iterable[tuple[Word, ...]]) -> tuple[Word, ...]:
        return tuple(
            Word(join([word.path, ((start, place),)]), word.value)
            for place, words in enumerate(lists)
            for word in words
        )


def _called(name: str, numbers: tuple[float, ...]) -> Value:
    schedule = schedule_of(numbers) if name == SCHEDULE and name not in functions else None
    return schedule or Call(name, numbers)
