"""From the checked tree of a grammar to its nodes, one root for each combination of the parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

from a2ls_dsl.lang.ast import Call, Comparison, Item, Option
from a2ls_dsl.lang.canonical import SOURCE as ONLINE_SIDE
from a2ls_dsl.lang.canonical import TARGET as EMA_SIDE
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.check import STREAM_WORDS, walk
from a2ls_dsl.lang.grammar.expand import Choice, Expander, Leaf, Value
from a2ls_dsl.lang.grammar.forms import SOURCE, TARGET, Cube, Layout
from a2ls_dsl.lang.grammar.nodes import (
    Empty,
    Group,
    Kind,
    Layouts,
    Node,
    Pick,
    Scaled,
    Sum,
    Term,
    Word,
    kind_of,
    options_of,
)
from a2ls_dsl.lang.printer import stream_of
from a2ls_dsl.lang.rules import Parts, Side, problems, word_problems
from a2ls_dsl.words.entry import Operator
from a2ls_dsl.words.language import HEAD, NONE
from a2ls_dsl.words.registry import operators


@dataclass(frozen=True)
class Filter:
    """The part of a grammar whose comparisons have these operators and negatives; None: any."""

    operators: Collection[str] | None = None
    against_batch: bool | None = None

    def narrowed(self, operators: Collection[str] | None, against_batch: bool | None) -> Filter:
        """The part of this part."""
        if operators is None:
            operators = self.operators
        elif self.operators is not None:
            operators = [each for each in operators if each in self.operators]
        if against_batch is None:
            against_batch = self.against_batch
        elif self.against_batch not in (None, against_batch):
            operators = ()
        return Filter(None if operators is None else tuple(operators), against_batch)

    def holds(self, kind: Kind) -> bool:
        """Whether comparisons of a kind belong to the part."""
        operator, against, _ = kind
        return (self.operators is None or operator in self.operators) and (
            self.against_batch is None or against == self.against_batch
        )


@dataclass(frozen=True)
class _Class:
    """Words that differ in numbers only, so that they go with the same sets."""

    entry: Operator
    against_batch: bool
    options: tuple[Option, ...]
    words: list[Word]


class Builder:
    """Builds the nodes of a checked file."""

    def __init__(self, file: tree.GrammarFile, only: Filter) -> None:
        self.file, self.only = file, only
        self.expander = Expander(file)
        self._bounds = {bound.rule.text: bound.most for bound in file.bounds}
        self._nodes: dict[object, Node | None] = {}
        self._names: dict[int, frozenset[str]] = {}
        self._bounded: dict[int, list[str]] = {}
        self._chosen: dict[object, list[Choice]] = {}
        self._cubes: dict[object, tuple[tuple[Cube, ...], dict[Side, tuple[int, ...]]]] = {}
        self._words: dict[int, list[_Class]] = {}
        self.layouts = Layouts(self._layout(SOURCE), self._layout(TARGET))

    def roots(self) -> list[tuple[dict[str, int], Node]]:
        """The nodes of `loss`, with the parameters' values; without those that have no derivation."""
        found = []
        for binding in self.file.bindings():
            root = self._rule("loss", binding, {})
            if root is not None and root.total:
                found.append((binding, root))
        return found

    def example(self, call: tree.Call) -> Comparison:
        """The first combination of a comparison, whether its parts go together or not."""
        binding, lists = next(self.file.bindings()), self._lists(call)
        picks = (0,) * len(lists)
        against = bool(lists[1][0].value)
        operator = str(lists[0][0].value)
        options = _given(lists, call, picks)
        source, _ = self._set(call.arguments[0], SOURCE, binding)
        target, _ = self._set(call.target, TARGET, binding) if call.target else ((), {})
        return Comparison(
            operator,
            self.layouts.source.chosen(source[0].high),
            self.layouts.target.chosen(target[0].high) if target else (),
            against,
            options_of(options),
        )

    def _layout(self, side: str) -> Layout:
        choices = (
            choice
            for call in calls_of(self.expander)
            for expression in [call.arguments[0] if side == SOURCE else call.target]
            if expression is not None
            for binding in self.file.bindings()
            for choice in self._choices(expression, side, binding)
        )
        found = sorted(
            {item for each in choices for item in each.must | each.may}, key=lambda item: item.order
        )
        bare = Layout(tuple(found), ())
        clauses = []
        for line in self.file.requires:
            if line.side.text == side:
                stream = STREAM_WORDS[line.what.text]
                clauses.append(bare.cover(e for e in found if stream in (None, stream_of(e))))
        return Layout(bare.items, tuple(dict.fromkeys(clauses)))

    def _choices(self, expression: tree.Expression, side: str, binding: tree.Binding) -> list[Choice]:
        key = id(expression), side, self._relevant(expression, binding)
        if key not in self._chosen:
            self._chosen[key] = self.expander.sets(expression, side, binding)
        return self._chosen[key]

    def _relevant(self, expression: tree.Expression, binding: tree.Binding) -> tuple[tuple[str, int], ...]:
        place = id(expression)
        if place not in self._names:
            self._names[place] = self.expander.names(expression)
        return tuple(sorted((name, binding[name]) for name in self._names[place]))

    def _rule(self, name: str, binding: tree.Binding, depths: dict[str, int]) -> Node | None:
        if name in self._bounds:
            left = depths.get(name, self._bounds[name])
            if not left:
                return None
            depths = depths | {name: left - 1}
        return self._node(self.expander.rules[name].body, binding, depths)

    def _node(
        self, expression: tree.Expression, binding: tree.Binding, depths: dict[str, int]
    ) -> Node | None:
        if isinstance(expression, tree.Name):
            return self._rule(expression.text, binding, depths)
        key = id(expression), self._relevant(expression, binding), self._depths(expression, depths)
        if key not in self._nodes:
            self._nodes[key] = self._built(expression, binding, depths)
        return self._nodes[key]

    def _depths(self, expression: tree.Expression, depths: dict[str, int]) -> tuple[tuple[str, int], ...]:
        """How deep the bounded rules that an expression leads to may still go; most lead to none."""
        place = id(expression)
        if place not in self._bounded:
            self._bounded[place] = sorted(self._bounds.keys() & self.expander.reached(expression))
        return tuple((name, depths.get(name, self._bounds[name])) for name in self._bounded[place])

    def _built(
        self, expression: tree.Expression, binding: tree.Binding, depths: dict[str, int]
    ) -> Node | None:
        place = expression.span.start
        match expression:
            case tree.Choice(alternatives):
                options = tuple(self._node(each, binding, depths) for each in alternatives)
                return Pick(place, options) if any(options) else None
            case tree.Sum(parts) if all(isinstance(part, tree.Optional) for part in parts):
                # One term has to stay: the first that does, with those behind it there or not.
                firsts = [
                    self._sum(-1 - part.span.start, (part.inner, *parts[number:]), binding, depths)
                    for number, part in enumerate(parts, start=1)
                    if isinstance(part, tree.Optional)
                ]
                return Pick(place, tuple(firsts)) if any(firsts) else None
            case tree.Sum(parts):
                return self._sum(place, parts, binding, depths)
            case tree.Scaled(weight, body):
                node = self._node(body, binding, depths)
                return None if node is None else Scaled(place, self.expander.leaves(weight), node)
            case tree.Call():
                return self._term(expression, binding)
        raise TypeError("the checker lets losses stand here only")

    def _sum(
        self, place: int, parts: Sequence[tree.Expression], binding: tree.Binding, depths: dict[str, int]
    ) -> Node | None:
        nodes = [self._part(part, binding, depths) for part in parts]
        known = tuple(node for node in nodes if node is not None)
        if len(known) < len(nodes):
            return None
        return known[0] if len(known) == 1 else Sum(place, known)

    def _part(self, part: tree.Expression, binding: tree.Binding, depths: dict[str, int]) -> Node | None:
        if isinstance(part, tree.Optional):
            place = part.span.start
            return Pick(place, (Empty(place), self._node(part.inner, binding, depths)))
        return self._node(part, binding, depths)

    def _term(self, call: tree.Call, binding: tree.Binding) -> Term:
        source, by_source = self._set(call.arguments[0], SOURCE, binding)
        target, by_target = self._set(call.target, TARGET, binding) if call.target else (None, {})
        lists, words = self._lists(call), self._words_of(call)
        groups = []
        for (here, sources), (there, targets) in product(
            by_source.items(), by_target.items() if target is not None else [(None, None)]
        ):
            fitting = tuple(
                word
                for each in words
                if not problems(Parts(each.entry, each.against_batch, each.options, here, there))
                for word in self._sized(each, here, call)
            )
            if not fitting:
                continue
            total = len(fitting) * sum(source[place].total for place in sources)
            valid = len(fitting) * sum(source[place].valid for place in sources)
            if target is not None and targets is not None:
                total *= sum(target[place].total for place in targets)
                valid *= sum(target[place].valid for place in targets)
            groups.append(Group(fitting, sources, targets, total, valid))
        return Term(call.span.start, call, lists, source, target, tuple(groups))

    def _sized(self, words: _Class, source: Side, call: tree.Call) -> list[Word]:
        """The words of a class beside a source: along a single step, no option weighs steps."""
        if source.lengths != {1}:
            return words.words
        lists, name, against = self._lists(call), words.entry.name, words.against_batch
        return [
            Word(
                word.picks, kind_of(name, against, options_of(_given(lists, call, word.picks)), source.items)
            )
            for word in words.words
        ]

    def _lists(self, call: tree.Call) -> tuple[tuple[Leaf, ...], ...]:
        leaves = self.expander.leaves
        negatives = leaves(call.negatives) if call.negatives else (Leaf((), None),)
        return leaves(call.name), negatives, *(leaves(option.value) for option in call.options)

    def _words_of(self, call: tree.Call) -> list[_Class]:
        """The words of a call, those together that go with the same sets."""
        place = call.span.start
        if place not in self._words:
            lists = self._lists(call)
            found: dict[object, _Class] = {}
            for picks in product(*(range(len(each)) for each in lists)):
                operator, against = str(lists[0][picks[0]].value), bool(lists[1][picks[1]].value)
                options = options_of(_given(lists, call, picks))
                word = Word(picks, kind_of(operator, against, options))
                if not self.only.holds(word.kind) or list(
                    word_problems(operators[operator], against, options)
                ):
                    continue
                # Numbers are in range here: what counts is which options there are, and if there is a head.
                key = operator, against, tuple((each.name, each.value == Call(NONE)) for each in options)
                entry = operators[operator]
                found.setdefault(key, _Class(entry, against, options, [])).words.append(word)
            self._words[place] = list(found.values())
        return self._words[place]

    def _set(
        self, expression: tree.Expression, side: str, binding: tree.Binding
    ) -> tuple[tuple[Cube, ...], dict[Side, tuple[int, ...]]]:
        """What a set can be, and which of it have the same shape."""
        key = id(expression), side, self._relevant(expression, binding)
        if key not in self._cubes:
            layout = self.layouts.source if side == SOURCE else self.layouts.target
            cubes, shapes = [], dict[Side, list[int]]()
            for place, choice in enumerate(self._choices(expression, side, binding)):
                low = layout.cover(choice.must)
                high = low | layout.cover(choice.may)
                cubes.append(Cube.of(choice.path, low, high, layout.clauses))
                items: tuple[Item, ...] = layout.chosen(high)
                shape = Side.of(items, ONLINE_SIDE if side == SOURCE else EMA_SIDE, fixed=low == high)
                shapes.setdefault(shape, []).append(place)
            self._cubes[key] = tuple(cubes), {shape: tuple(places) for shape, places in shapes.items()}
        return self._cubes[key]


def calls_of(expander: Expander) -> Sequence[tree.Call]:
    """The comparisons that `loss` leads to."""
    names = {"loss", *expander.reached(expander.rules["loss"].body)}
    bodies = [expander.rules[name].body for name in sorted(names)]
    found = [part for body in bodies for part in walk(body) if isinstance(part, tree.Call)]
    return [call for call in found if _compares(call, expander)]


def _compares(call: tree.Call, expander: Expander) -> bool:
    return call.name.text in operators or call.name.text in expander.rules


def _given(
    lists: tuple[tuple[Leaf, ...], ...], call: tree.Call, picks: tuple[int, ...]
) -> tuple[tuple[str, Value], ...]:
    """The options of a word; `none` is a head."""
    found = []
    for option, leaves, pick in zip(call.options, lists[2:], picks[2:], strict=True):
        value = leaves[pick].value
        if option.name.text == HEAD and value is None:
            value = Call(NONE)
        found.append((option.name.text, value))
    return tuple(found)
