"""A loss grammar: read from a `.a2g` text or file, then walked in as in the evolution of He et al. 2022.

Every loss that it gives is canonical, in the grammar and keeps its `require` lines. A proposal that breaks
one is thrown away and drawn again, as in the paper. Results depend on nothing but the arguments and the
generator's state.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, Severity, Source, Span, unknown
from a2ls_dsl.lang import files
from a2ls_dsl.lang.files import GRAMMAR_SUFFIX, MAX_SIZE, SUFFIX, shipped, too_large
from a2ls_dsl.lang.grammar.alternatives import Alternatives
from a2ls_dsl.lang.grammar.check_losses import (
    item_findings,
    number_findings,
    root_findings,
    too_large_findings,
)
from a2ls_dsl.lang.grammar.combinatorics import ATTEMPTS, Prior, below, pick
from a2ls_dsl.lang.grammar.comparison import ComparisonSpace
from a2ls_dsl.lang.grammar.elaborate import Elaborator
from a2ls_dsl.lang.grammar.file import GrammarFile, check
from a2ls_dsl.lang.grammar.losses import Filter, LossSet, Root
from a2ls_dsl.lang.grammar.sets import Drawer, Layouts
from a2ls_dsl.lang.grammar.space import Derivation
from a2ls_dsl.lang.messages.codes import Findings, GrammarRule, report
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.parser import GRAMMARS, read
from a2ls_dsl.lang.syntax.tree import Loss

if TYPE_CHECKING:
    from numpy.random import Generator

REPLACEMENTS = 5
"""The paper's evolution replaces elements five times as often as it changes the horizon."""

_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True)
class Grammar(LossSet):
    """A search space of losses: count it, list it, sample from it, walk in it."""

    def sample(self, rng: Generator, prior: Prior | None = None) -> Loss:
        """A fresh loss: values of the parameters, alternatives, each optional element with probability 1/2.

        When the requirements are hardly ever kept by chance, the elements that are missing are added.
        """
        if not all(0 <= rate <= 1 for rate in (prior or {}).values()):
            raise A2lError("a prior holds probabilities", "use numbers from 0 to 1")
        _, root = pick(rng, self.live)
        return root.draw(Drawer(rng, prior)).loss()

    def sample_evenly(self, rng: Generator) -> Loss:
        """A loss of an evenly drawn derivation: of all that keep the `require` lines, each as probable.

        Large parts of a grammar come up more often than small ones: long horizons, many terms.
        """
        number = below(rng, self.valid_derivations())
        for _, root in self.live:
            if number < root.valid:
                return root.draw_evenly(Drawer(rng)).loss()
            number -= root.valid
        raise ValueError("the numbers of derivations add up")

    def replace(self, loss: Loss, rng: Generator, rate: float | None = None) -> Loss:
        """Puts each optional element in, or takes it out, with probability `rate`; may give the loss itself.

        By default one element changes on average; in the paper's space that is its 1 / (2 (3k + 3)).
        """
        _, derivation = self._inside(loss)
        optional = _optional(derivation)
        chance = 1 / max(1, optional) if rate is None else rate
        for _ in range(ATTEMPTS if optional else 0):
            if child := _flipped(derivation, chance, Drawer(rng)):
                return child.loss()
        return derivation.loss()

    def change_horizon(self, loss: Loss, rng: Generator) -> Loss:
        """One parameter, one less or one more: as a rule the last step is dropped or a random one appended.

        The loss itself if the grammar allows neither.
        """
        number, derivation = self._inside(loss)
        here = self.live[number][0]
        apart = [sum(abs(value - here[name]) for name, value in binding.items()) for binding, _ in self.live]
        others = [root for (_, root), steps in zip(self.live, apart, strict=True) if steps == 1]
        return (pick(rng, others).follow(derivation, Drawer(rng)) if others else derivation).loss()

    def change_alternative(self, loss: Loss, rng: Generator) -> Loss:
        """Takes another alternative in one place, e.g. another operator, weight, view or number of terms.

        Elements and terms that it allows, too, stay; what only it has is drawn. Without any the loss itself.
        """
        _, derivation = self._inside(loss)
        sites = [(part, site) for part in derivation.walk() for site in part.space.sites()]
        for _ in range(ATTEMPTS if sites else 0):
            old, site = pick(rng, sites)
            if new := old.space.other(old, site, Drawer(rng)):
                return derivation.replaced(old, new).loss()
        return derivation.loss()

    def regrow(self, loss: Loss, rng: Generator) -> Loss:
        """Draws one part anew: a term, a weighted term, a sum, or all of the loss."""
        _, derivation = self._inside(loss)
        part = pick(rng, list(derivation.walk()))
        return derivation.replaced(part, part.space.draw(Drawer(rng))).loss()

    def crossover(self, a: Loss, b: Loss, rng: Generator) -> Loss:
        """Each part as in `a` or as in `b`; of comparisons, each optional element with equal probability.

        Parents of equal parameters give the child the alternatives of either; otherwise it has those of `a`,
        and of `b` it takes what they allow. The child may equal a parent.
        """
        (number_a, mine), (number_b, theirs) = self._inside(a), self._inside(b)
        return mine.space.cross(mine, theirs, number_a == number_b, Drawer(rng)).loss()

    def graft(self, a: Loss, b: Loss, rng: Generator) -> Loss:
        """Puts a part of `b` where `a` has one from the same place of the grammar; `a` if there is none."""
        (_, mine), (_, theirs) = self._inside(a), self._inside(b)
        offered: dict[int, list[Derivation]] = {}
        for part in list(theirs.walk())[1:]:
            offered.setdefault(part.space.place, []).append(part)
        places = [part for part in list(mine.walk())[1:] if part.space.place in offered]
        if not places:
            return mine.loss()
        old = pick(rng, places)
        given = pick(rng, offered[old.space.place])
        return mine.replaced(old, old.space.follow(given, Drawer(rng))).loss()

    def mutate(self, loss: Loss, rng: Generator) -> Loss:
        """A loss near by: mostly `replace`, sometimes other parameters, another alternative, a part anew.

        Never the loss itself, unless nothing else was found.
        """
        _, derivation = self._inside(loss)
        child = parent = derivation.loss()
        moves = [
            *([Grammar.replace] * REPLACEMENTS if _optional(derivation) else []),
            *([Grammar.change_horizon] if len(self.live) > 1 else []),
            Grammar.change_alternative,
            *([Grammar.regrow] if not isinstance(derivation.space, ComparisonSpace) else []),
        ]
        for _ in range(ATTEMPTS):
            child = pick(rng, moves)(self, parent, rng)
            if child != parent:
                break
        return child


def _optional(derivation: Derivation) -> int:
    """How many optional elements a derivation's comparisons have."""
    return sum(
        bits.bit_count()
        for part in derivation.walk()
        if isinstance(part.space, ComparisonSpace)
        for bits in part.space.optional(part.choice)
    )


def _flipped(derivation: Derivation, rate: float, drawer: Drawer) -> Derivation | None:
    """With optional elements put in or taken out; None where a comparison breaks a `require` line then."""
    if isinstance(space := derivation.space, ComparisonSpace):
        flipped = space.flipped(derivation, rate, drawer)
        return flipped if space.allows(flipped.choice) else None
    parts = [_flipped(part, rate, drawer) for part in derivation.parts]
    kept = tuple(part for part in parts if part)
    return derivation._replace(parts=kept) if len(kept) == len(parts) else None


def load_grammar(path_or_name: str | os.PathLike[str]) -> Grammar:
    """The grammar in a file, or the shipped one of a plain name, as `a2ls`.

    Raises `LanguageError` with every error in the file, `A2lError` if it can't be read.
    """
    name = os.fspath(path_or_name)
    library = shipped("grammars", GRAMMAR_SUFFIX)
    if name not in library and not (
        name.endswith(GRAMMAR_SUFFIX) or os.path.dirname(name) or os.path.exists(name)
    ):
        raise unknown("file or shipped loss grammar", name, library)
    if name.endswith(SUFFIX):
        raise A2lError(f"{name} holds losses, not a loss grammar", "name a file that ends in .a2g")
    return _load(files.read(library.get(name, name)))


def parse_grammar(text: str, name: str = "<string>") -> Grammar:
    """The grammar that a text describes. Raises `LanguageError` with every error in it."""
    if len(text) > MAX_SIZE:
        raise too_large(name)
    return _load(Source(name, text))


def name_errors(statements: Sequence[surface.Statement], mistakes: Sequence[Diagnostic]) -> list[str]:
    """What is wrong with a grammar as far as names and syntax go; its sets are not looked at.

    mistakes: what is wrong with statements that don't parse.
    """
    try:
        file = _file(statements, mistakes)
    except LanguageError as error:
        return [finding.message for finding in error.diagnostics]
    return [finding.message for finding in (*mistakes, *check(file)) if finding.severity is Severity.ERROR]


def _file(statements: Sequence[surface.Statement], mistakes: Sequence[Diagnostic]) -> GrammarFile:
    """A grammar's lines. Raises `LanguageError` if it doesn't begin as one."""
    header = next(iter(statements), None)
    if not isinstance(header, surface.Header):
        raise LanguageError(mistakes[:1])
    return GrammarFile.of(header, statements)


def _load(source: Source) -> Grammar:
    findings = Findings(of_grammar=True)
    file = _file(read(source, GRAMMARS, findings), findings.diagnostics)
    try:
        return _checked(file, source, findings.diagnostics)
    except RecursionError:
        message = "rules refer to each other too deeply"
        deep = report(GrammarRule.SYNTAX, message, file.name.span, "use fewer rules")
        raise LanguageError([deep]) from None


def _checked(file: GrammarFile, source: Source, mistakes: list[Diagnostic]) -> Grammar:
    findings = check(file)
    if mistakes:
        # The bound or the only use of a rule may be what couldn't be parsed.
        unsure = (GrammarRule.RECURSION, GrammarRule.RULE_UNUSED)
        sure = [finding for finding in findings if finding.code not in unsure]
        raise LanguageError(sorted([*mistakes, *sure], key=lambda finding: finding.span.start))
    warnings = tuple(finding for finding in findings if finding.severity is Severity.WARNING)
    if len(findings) == len(warnings):
        findings += too_large_findings(file, Alternatives(file))
    if len(findings) > len(warnings):
        raise LanguageError(findings)
    return _built(file, source, warnings)


def _built(file: GrammarFile, source: Source, warnings: tuple[Diagnostic, ...]) -> Grammar:
    elaborator = Elaborator(file, Filter())
    alternatives = elaborator.alternatives
    _refuse(chain(number_findings(alternatives), item_findings(alternatives)))
    roots = tuple(elaborator.roots())
    _refuse(root_findings(elaborator, roots))

    def rebuild(only: Filter) -> tuple[Layouts, tuple[Root, ...]]:
        again = Elaborator(file, only)
        return again.layouts, tuple(again.roots())

    text = " ".join(_COMMENT.sub("", source.text).split())
    grammar = Grammar(file.name.text, text, Filter(), elaborator.layouts, roots, rebuild, warnings)
    if not grammar.live:
        fix = "remove one, or let the sets hold what it asks for"
        place: Span = file.requires[0].span if file.requires else file.name.span
        raise LanguageError(
            [report(GrammarRule.NOTHING_LEFT, "no loss keeps the `require` lines", place, fix)]
        )
    return grammar


def _refuse(findings: Iterator[Diagnostic]) -> None:
    problems = list(dict.fromkeys(findings))
    if problems:
        raise LanguageError(sorted(problems, key=lambda finding: finding.span.start))
