"""A few losses that stand for all of a grammar: the largest ones, with every alternative in one of them."""

from __future__ import annotations

from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar.derive import Added, Compared, Derivation, LeftOut, Picked, Weighed, loss_of
from a2ls_dsl.lang.grammar.nodes import Empty, Layouts, Node, Pick, Scaled, Sum, Term, Word, lengths, terms_of


def cover(root: Node, layouts: Layouts) -> list[Loss]:
    """Losses with everything optional in them that together hold every alternative."""
    return [loss_of(each, layouts) for each in _covers(root)]


def _covers(node: Node) -> list[Derivation]:
    match node:
        case Empty():
            return [LeftOut(node)]
        case Pick():
            return [Picked(node, place, each) for place, option in _widest(node) for each in _covers(option)]
        case Scaled(weights=weights, body=body):
            inside = _covers(body)
            count = max(len(weights), len(inside))
            return [Weighed(node, i % len(weights), inside[i % len(inside)]) for i in range(count)]
        case Sum(parts=parts):
            each = [_covers(part) for part in parts]
            count = max(map(len, each))
            return [Added(node, tuple(part[i % len(part)] for part in each)) for i in range(count)]
        case Term():
            return _compared(node)


def _widest(node: Pick) -> list[tuple[int, Node]]:
    """The options that hold comparisons which no larger option holds, too."""
    found: list[tuple[int, Node]] = []
    held: set[int] = set()
    most = sorted(
        node.live, key=lambda each: (len(list(terms_of(each[1]))), lengths(each[1])[1]), reverse=True
    )
    for place, option in most:
        terms = {term.place for term in terms_of(option)}
        if not found or not terms <= held:
            found.append((place, option))
            held |= terms
    return found


def _compared(node: Term) -> list[Derivation]:
    """Comparisons with each word and each alternative of a set in one at least."""
    found: list[Derivation] = []
    words, here, there = set[Word](), set[int](), set[int]()
    for group in node.live:
        sources = [place for place in group.sources if node.sources[place].valid]
        targets = [-1]
        if group.targets is not None and node.targets is not None:
            targets = [place for place in group.targets if node.targets[place].valid]
        new_words = [word for word in group.words if word not in words]
        new_sources = [place for place in sources if place not in here]
        new_targets = [place for place in targets if place not in there]
        for i in range(max(len(new_words), len(new_sources), len(new_targets))):
            word = new_words[i] if i < len(new_words) else group.words[0]
            source = new_sources[i] if i < len(new_sources) else sources[0]
            target = new_targets[i] if i < len(new_targets) else targets[0]
            high = 0 if target < 0 or node.targets is None else node.targets[target].high
            found.append(Compared(node, word, source, node.sources[source].high, target, high))
        words.update(group.words)
        here.update(sources)
        there.update(targets)
    return found
