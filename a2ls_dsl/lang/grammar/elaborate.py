"""From the checked tree of a grammar to its spaces, one root for each combination of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import NamedTuple

from a2ls_dsl.lang.grammar.alternatives import Alternatives
from a2ls_dsl.lang.grammar.comparison import ComparisonSpace, Group, Wording
from a2ls_dsl.lang.grammar.compound import ChoiceSpace, ScaledSpace, SumSpace
from a2ls_dsl.lang.grammar.file import STREAM_WORDS, GrammarFile
from a2ls_dsl.lang.grammar.losses import Filter, Root
from a2ls_dsl.lang.grammar.sets import (
    SOURCE,
    TARGET,
    Cube,
    Layout,
    Layouts,
    Offer,
    SetSpace,
    kind_of,
    without,
)
from a2ls_dsl.lang.grammar.space import Space
from a2ls_dsl.lang.rules.canonical import idle_options
from a2ls_dsl.lang.rules.comparison import problems
from a2ls_dsl.lang.rules.options import word_problems
from a2ls_dsl.lang.rules.types import Parts, Side
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import Word
from a2ls_dsl.lang.syntax.printer import stream_of
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Option
from a2ls_dsl.words.entry import Operator
from a2ls_dsl.words.language import NONE
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import operators


@dataclass(frozen=True)
class _Class:
    """Wordings that differ in numbers only, so that they go with the same sets.

    shorter: what they are without some options that are idle, once that was asked for.
    """

    entry: Operator
    against_batch: bool
    options: tuple[Option, ...]
    wordings: list[Wording] = field(default_factory=list)
    shorter: dict[tuple[str, ...], list[Wording]] = field(default_factory=dict)

    def beside(self, source: Side, target: Side | None) -> list[Wording]:
        """The wordings beside these sets: along a single step no option weighs steps, and so on."""
        idle = idle_options(source.lengths, target.lengths if target else frozenset())
        given = tuple(option.name for option in self.options if option.name in idle)
        if given not in self.shorter:
            self.shorter[given] = [Wording(old.picks, without(old.kind, given)) for old in self.wordings]
        return self.shorter[given]


class _At(NamedTuple):
    """For which values of the parameters an expression is met, and how deep bounded rules may still go."""

    binding: surface.Binding
    depths: dict[str, int]


class Elaborator:
    """Builds the spaces of a checked file."""

    def __init__(self, file: GrammarFile, only: Filter) -> None:
        self.file, self.only = file, only
        self.alternatives = Alternatives(file)
        self._bounds = {bound.rule.text: bound.most for bound in file.bounds}
        self._spaces: dict[object, Space | None] = {}
        self._reached = cache(self.alternatives.reached)
        self._classes = cache(self._classed)
        self._sets: dict[object, tuple[SetSpace, dict[Side, Offer]]] = {}
        self.layouts = Layouts(self._layout(SOURCE), self._layout(TARGET))

    def roots(self) -> list[Root]:
        """The spaces of `loss`, with the parameters' values; without those that have no derivation."""
        spaces = [(binding, self._rule("loss", _At(binding, {}))) for binding in self.file.bindings()]
        return [(binding, space) for binding, space in spaces if space is not None and space.total]

    def example(self, call: surface.Operation) -> Comparison:
        """The first combination of a comparison, whether its parts go together or not."""
        binding, lists = next(self.file.bindings()), self._lists(call)
        sets = [self._set(written, side, binding)[0] for side, written in sets_of(call).items()]
        kind = str(lists[0][0].value), bool(lists[1][0].value), _options(lists, call, (0,) * len(lists))
        return self.layouts.decode(kind, tuple(space.cubes[0].high for space in sets))

    def _layout(self, side: str) -> Layout:
        choices = [
            choice
            for call in calls_of(self.alternatives)
            if (written := sets_of(call).get(side))
            for binding in self.file.bindings()
            for choice in self.alternatives.sets(written, side, binding)
        ]
        items = {item for choice in choices for item in choice.must | choice.may}
        bare = Layout(side, tuple(sorted(items, key=lambda item: item.order)), ())
        clauses = []
        for line in self.file.requires:
            if line.side.text == side:
                stream = STREAM_WORDS[line.what.text]
                clauses.append(bare.cover(item for item in items if stream in (None, stream_of(item))))
        return Layout(side, bare.items, tuple(dict.fromkeys(clauses)))

    def _rule(self, name: str, at: _At) -> Space | None:
        if name in self._bounds:
            left = at.depths.get(name, self._bounds[name])
            if not left:
                return None
            at = at._replace(depths=at.depths | {name: left - 1})
        return self._space(self.alternatives.rules[name].body, at)

    def _space(self, expression: surface.Expression, at: _At) -> Space | None:
        if isinstance(expression, surface.Name):
            return self._rule(expression.text, at)
        bounded = sorted(self._bounds.keys() & self._reached(expression))
        left = tuple(at.depths.get(name, self._bounds[name]) for name in bounded)
        key = expression, self.alternatives.relevant(expression, at.binding), left
        if key not in self._spaces:
            self._spaces[key] = self._built(expression, at)
        return self._spaces[key]

    def _built(self, expression: surface.Expression, at: _At) -> Space | None:
        place = expression.span.start
        match expression:
            case surface.Choice(alternatives):
                return _choice(place, [self._space(alternative, at) for alternative in alternatives])
            case surface.Optional(inner):
                return ChoiceSpace(place, (SumSpace(place), self._space(inner, at)))
            case surface.Sum(parts) if all(isinstance(part, surface.Optional) for part in parts):
                # One term has to stay: the first that does, with those behind it there or not.
                firsts = [
                    self._sum(-1 - part.span.start, (part.inner, *parts[number:]), at)
                    for number, part in enumerate(parts, start=1)
                    if isinstance(part, surface.Optional)
                ]
                return _choice(place, firsts)
            case surface.Sum(parts):
                return self._sum(place, parts, at)
            case surface.Scaled(weight, body):
                space = self._space(body, at)
                return None if space is None else ScaledSpace(place, self.alternatives.weights(weight), space)
            case surface.Operation():
                return self._comparison(expression, at.binding)
        raise TypeError("the checker lets losses stand here only")

    def _sum(self, place: int, parts: Sequence[surface.Expression], at: _At) -> Space | None:
        spaces = [self._space(part, at) for part in parts]
        kept = tuple(space for space in spaces if space is not None)
        if len(kept) < len(spaces):
            return None
        return kept[0] if len(kept) == 1 else SumSpace(place, kept)

    def _comparison(self, call: surface.Operation, binding: surface.Binding) -> ComparisonSpace:
        sets = [self._set(written, side, binding) for side, written in sets_of(call).items()]
        spaces = tuple(space for space, _ in sets)
        groups = []
        for combination in product(*(shapes.items() for _, shapes in sets)):
            source, target = [shape for shape, _ in combination] if sets[1:] else (combination[0][0], None)
            wordings = tuple(
                wording
                for words in self._classes(call)
                if not problems(Parts(words.entry, words.against_batch, words.options, source, target))
                for wording in words.beside(source, target)
            )
            if wordings:
                groups.append(Group(wordings, tuple(offer for _, offer in combination)))
        lists = tuple(map(len, self._lists(call)))
        return ComparisonSpace(call.span.start, call, lists, spaces, tuple(groups), self.layouts)

    def _lists(self, call: surface.Operation) -> tuple[tuple[Word, ...], ...]:
        """What can stand for each word of a call: its operator, its negatives, the value of each option."""
        words = self.alternatives.words
        negatives = words(call.negatives) if call.negatives else (Word((), None),)
        return words(call.name), negatives, *(words(option.value) for option in call.options)

    def _classed(self, call: surface.Operation) -> list[_Class]:
        """The wordings of a call, those together that go with the same sets."""
        lists = self._lists(call)
        classes: dict[object, _Class] = {}
        for picks in product(*(range(len(words)) for words in lists)):
            operator, against = str(lists[0][picks[0]].value), bool(lists[1][picks[1]].value)
            options, entry = _options(lists, call, picks), operators[operator]
            wording = Wording(picks, kind_of(operator, against, options))
            if not self.only.holds(wording.kind) or list(word_problems(entry, against, options)):
                continue
            # Numbers are in range here: what counts is which options there are, and if there is a head.
            key = operator, against, tuple((option.name, option.value == Call(NONE)) for option in options)
            alike = classes.setdefault(key, _Class(entry, against, options))
            alike.wordings.append(wording)
        return list(classes.values())

    def _set(
        self, written: surface.Expression, side: str, binding: surface.Binding
    ) -> tuple[SetSpace, dict[Side, Offer]]:
        """What a set can be, and which of it have the same shape."""
        key = written, side, self.alternatives.relevant(written, binding)
        if key not in self._sets:
            layout = self.layouts.source if side == SOURCE else self.layouts.target
            cubes, shapes = [], dict[Side, list[int]]()
            for place, choice in enumerate(self.alternatives.sets(written, side, binding)):
                low = layout.cover(choice.must)
                high = low | layout.cover(choice.may)
                cubes.append(Cube.of(choice.path, low, high, layout.clauses))
                items = layout.chosen(high)
                shape = Side.of_canonical(items, items, choice.rolls, fixed=low == high)
                shapes.setdefault(shape, []).append(place)
            space = SetSpace(layout, tuple(cubes))
            offers = {shape: Offer(space, tuple(places)) for shape, places in shapes.items()}
            self._sets[key] = space, offers
        return self._sets[key]


def calls_of(alternatives: Alternatives) -> Sequence[surface.Operation]:
    """The comparisons that `loss` leads to."""
    names = {"loss", *alternatives.reached(alternatives.rules["loss"].body)}
    bodies = [alternatives.rules[name].body for name in sorted(names)]
    calls = [call for body in bodies for call in surface.every(surface.Operation, body)]
    return [call for call in calls if call.name.text in operators or call.name.text in alternatives.rules]


def _choice(place: int, options: Sequence[Space | None]) -> ChoiceSpace | None:
    return ChoiceSpace(place, tuple(options)) if any(options) else None


def sets_of(call: surface.Operation) -> dict[str, surface.Expression]:
    """The sets of a comparison, one or two, by their sides."""
    return {SOURCE: call.arguments[0]} | ({TARGET: call.target} if call.target else {})


def _options(
    lists: tuple[tuple[Word, ...], ...], call: surface.Operation, picks: tuple[int, ...]
) -> tuple[Option, ...]:
    """The options of a wording; `none` is a head."""
    options = []
    for option, words, place in zip(call.options, lists[2:], picks[2:], strict=True):
        value = words[place].value
        if option.name.text in MAPS and value is None:
            value = Call(NONE)
        if isinstance(value, float | Call):
            options.append(Option(option.name.text, value))
    return tuple(options)
