"""From a `.a2g` text or file to a `Grammar`: parse, check, build, and a look at what comes out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Severity, Source, Span, unknown
from a2ls_dsl.lang import files
from a2ls_dsl.lang.files import MAX_SIZE, shipped, too_large
from a2ls_dsl.lang.grammar.alternatives import Alternatives
from a2ls_dsl.lang.grammar.check_losses import (
    item_findings,
    number_findings,
    root_findings,
    too_large_findings,
)
from a2ls_dsl.lang.grammar.check_names import check
from a2ls_dsl.lang.grammar.elaborate import Elaborator
from a2ls_dsl.lang.grammar.file import GrammarFile
from a2ls_dsl.lang.grammar.grammar import Grammar
from a2ls_dsl.lang.grammar.losses import Filter, Root
from a2ls_dsl.lang.grammar.sets import Layouts
from a2ls_dsl.lang.messages.codes import Findings, GrammarRule, report
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.parser import GRAMMARS, read

SUFFIX = ".a2g"

_COMMENT = re.compile(r"#[^\n]*")


def load_grammar(path_or_name: str | os.PathLike[str]) -> Grammar:
    """The grammar in a file, or the shipped one of a plain name, as `a2ls`.

    Raises `LanguageError` with every error in the file, `A2lError` if it can't be read.
    """
    name = os.fspath(path_or_name)
    library = shipped("grammars", SUFFIX)
    if name not in library and not (name.endswith(SUFFIX) or os.path.dirname(name) or os.path.exists(name)):
        raise unknown("file or shipped loss grammar", name, library)
    return _load(files.read(library.get(name, name)))


def parse_grammar(text: str, name: str = "<string>") -> Grammar:
    """The grammar that a text describes. Raises `LanguageError` with every error in it."""
    if len(text) > MAX_SIZE:
        raise too_large(name)
    return _load(Source(name, text))


def name_errors(text: str) -> list[str]:
    """What is wrong with a text as far as names and syntax go; its sets are not looked at."""
    try:
        file, mistakes = _read(Source("", text))
    except LanguageError as error:
        return [finding.message for finding in error.diagnostics]
    return [finding.message for finding in (*mistakes, *check(file)) if finding.severity is Severity.ERROR]


def _read(source: Source) -> tuple[GrammarFile, list[Diagnostic]]:
    """A grammar's lines, and what is wrong with those that don't parse."""
    findings = Findings(of_grammar=True)
    statements = read(source, GRAMMARS, findings)
    header = next(iter(statements), None)
    if not isinstance(header, surface.Header):
        raise LanguageError(findings.found[:1])
    return GrammarFile.of(header, statements), findings.found


def _load(source: Source) -> Grammar:
    file, mistakes = _read(source)
    try:
        return _checked(file, source, mistakes)
    except RecursionError:
        deep = report(
            GrammarRule.SYNTAX, "rules refer to finding other too deeply", file.name.span, "use fewer rules"
        )
        raise LanguageError([deep]) from None


def _checked(file: GrammarFile, source: Source, mistakes: list[Diagnostic]) -> Grammar:
    findings = check(file)
    if mistakes:
        # The bound or the only use of a rule may be what couldn't be parsed.
        sure = [
            finding
            for finding in findings
            if finding.code not in (GrammarRule.RECURSION, GrammarRule.RULE_UNUSED)
        ]
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
