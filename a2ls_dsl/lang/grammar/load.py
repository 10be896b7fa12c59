"""From a `.a2g` text or file to a `Grammar`: parse, check, expand, and a look at what comes out."""

from __future__ import annotations

import os
from collections.abc import Iterator

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Severity, Source, unknown
from a2ls_dsl.lang.ast import Stream
from a2ls_dsl.lang.files import MAX_SIZE, read, too_large
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.check import check
from a2ls_dsl.lang.grammar.codes import error
from a2ls_dsl.lang.grammar.expand import (
    MANY,
    MAX_ELEMENTS,
    MAX_FORMS,
    alternatives,
    calls,
    elements,
    forms,
    requirements,
)
from a2ls_dsl.lang.grammar.forms import SOURCE, TARGET
from a2ls_dsl.lang.grammar.moves import Grammar
from a2ls_dsl.lang.grammar.parse import parse
from a2ls_dsl.lang.library import shipped

SUFFIX = ".a2g"


def load_grammar(path_or_name: str | os.PathLike[str]) -> Grammar:
    """The grammar in a file, or the shipped one of a plain name, as `a2ls`.

    Raises `LanguageError` with every error in the file, `A2lError` if it can't be read.
    """
    name = os.fspath(path_or_name)
    library = shipped("grammars", SUFFIX)
    if name not in library and not (name.endswith(SUFFIX) or os.path.dirname(name) or os.path.exists(name)):
        raise unknown("file or shipped loss grammar", name, library)
    return _load(read(library.get(name, name)))


def parse_grammar(text: str, name: str = "<string>") -> Grammar:
    """The grammar that a text describes. Raises `LanguageError` with every error in it."""
    if len(text) > MAX_SIZE:
        raise too_large(name)
    return _load(Source(name, text))


def _load(source: Source) -> Grammar:
    file = parse(source)
    findings = check(file)
    warnings = tuple(each for each in findings if each.severity is Severity.WARNING)
    if len(findings) == len(warnings):
        findings += _too_large(file)
    if len(findings) > len(warnings):
        raise LanguageError(findings)
    return _built(file, warnings)


def _too_large(file: tree.GrammarFile) -> Iterator[Diagnostic]:
    loss = next(rule.name for rule in file.rules if rule.name.text == "loss")
    number, horizons = alternatives(file), len(file.range)
    if number * horizons > MAX_FORMS:
        shown = f"{number:,}" if number < MANY else "more than 10^30"
        total = f"{number * horizons:,}" if number < MANY else "far too many"
        message = f"the grammar has {total} forms: {shown} alternatives times {horizons} horizons"
        fix = f"at most {MAX_FORMS:,}; `some of {{ ... }}` costs nothing, alternatives do"
        yield error("A2L216", message, loss.span, fix)
    if (named := elements(file)) > MAX_ELEMENTS:
        message = f"the sets of the grammar hold {named:,} elements, all horizons together"
        yield error("A2L220", message, loss.span, f"at most {MAX_ELEMENTS:,}; shorten runs or horizons")


def _built(file: tree.GrammarFile, warnings: tuple[Diagnostic, ...]) -> Grammar:
    expanded = calls(file)
    layout, every = forms(file, expanded)
    grammar = Grammar(file.name.text, layout, every, requirements(file, layout), warnings)
    if not grammar.live:
        fix = "remove one, or let the sets hold what it asks for"
        place = file.requires[0].span
        raise LanguageError([error("A2L219", "no loss keeps the `require` lines", place, fix)])
    problems = list(dict.fromkeys(_unusable(grammar, expanded)))
    if problems:
        raise LanguageError(problems)
    return grammar


def _unusable(grammar: Grammar, expanded: list[tree.Call]) -> Iterator[Diagnostic]:
    """Sides that may come out as no loss can have them: a source without a state, an empty target."""
    no_state, nothing = grammar.layout.mask(SOURCE, Stream.STATE), grammar.layout.mask(TARGET)
    for form in grammar.live:
        call = expanded[form.choice]
        if _can_lack(grammar, form.cube, no_state):
            fix = "add `require a state in source`" if form.may & no_state else "add a state to the source"
            message = "a source without a state trains no encoder, and the grammar allows one here"
            yield error("A2L218", message, call.source.span, fix)
        if _can_lack(grammar, form.cube, nothing):
            message = "a loss needs a target, and the grammar allows an empty one here"
            yield error("A2L217", message, call.target.span, "add `require an element in target`")


def _can_lack(grammar: Grammar, cube: tuple[int, int], off: int) -> bool:
    """Whether a form holds an allowed loss that has none of the elements `off`."""
    low, high = cube
    return not low & off and grammar.allows(high & ~off)
