"""Loss grammars (`.a2g`) in an editor: findings, meanings, what may be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from a2ls_dsl.diagnostics import A2lError, LanguageError, Source, Span
from a2ls_dsl.editor.complete import Proposal, Sort
from a2ls_dsl.editor.hover import Page, fenced
from a2ls_dsl.editor.project import Analysis, Finding, plain
from a2ls_dsl.editor.symbols import Kind, comment_above, outline, symbol_at
from a2ls_dsl.editor.words import STREAMS, function_page, operator_page, stream_page
from a2ls_dsl.lang.grammar import Grammar, parse_grammar
from a2ls_dsl.lang.grammar.file import STREAM_WORDS
from a2ls_dsl.lang.grammar.file import STREAMS as GRAMMAR_STREAMS
from a2ls_dsl.lang.grammar.sets import SIDES
from a2ls_dsl.lang.messages.codes import GrammarRule, report
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, operators

WORDS = {
    "grammar": ("names the grammar, in the first line", "grammar mine for k in 1..10"),
    "for": ("makes the grammar the union over the values of its parameter", "grammar mine for k in 1..10"),
    "some": ("any of these elements: all, a few or none", "some of { s[t..t+k], a[t..t+k] }"),
    "and": ("the elements of one set and those of another", "{ s[t] } and some of { a[t..t+k] }"),
    "none": ("no negatives", "negatives = none | against batch"),
    "against": ("the other samples of the batch as negatives", "negatives = none | against batch"),
    "with": ("options of a comparison; each may be a rule or a group", "with head = (none | linear)"),
    "at": ("how deep a rule may stand inside itself", "require at most 3 terms"),
    "require": ("leaves out every loss that lacks what is asked for", "require a state in source"),
}
"""What the words of grammars do, with an example."""
WORDS |= {"in": WORDS["for"], "of": WORDS["some"], "batch": WORDS["against"], "most": WORDS["at"]}

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"#[^\n]*")


@lru_cache(maxsize=8)
def check(text: str, name: str) -> Analysis:
    """Every error of a grammar, or its warnings. A large one takes seconds."""
    grammar = _parsed(text, name)
    if isinstance(grammar, Grammar):
        return Analysis(tuple(map(Finding, grammar.warnings)))
    return Analysis(tuple(map(Finding, grammar.diagnostics)))


def hover(text: str, offset: int) -> Page | None:
    """What the word at a character means."""
    word = next((word for word in _WORD.finditer(_plain(text)) if word.start() <= offset <= word.end()), None)
    said = word and _meaning(text, word[0], word.start())
    return (said, *word.span()) if word and said else None


def complete(text: str, offset: int) -> list[Proposal]:
    """The proposals at a character."""
    clean = _plain(text)
    if "#" in text[text.rfind("\n", 0, offset) + 1 : offset]:
        return []
    begun = re.search(r"\w*\Z", clean[:offset])
    start = begun.start() if begun else offset
    before = clean[:start].rstrip()
    line = clean[clean.rfind("\n", 0, start) + 1 : start].strip()
    inside = before.rfind("{") > before.rfind("}")
    if not before:
        header = "grammar ${1:mine} for k in ${2:1..10}"
        return [Proposal("grammar", Sort.WORD, start, *WORDS["grammar"], snippet=header)]
    if asked := re.match(r"require(?:\s+(an?)(?:\s+(\w+)(\s+in)?)?)?\Z", line):
        return list(_requirement(start, asked))
    if inside:
        return list(_items(start, before))
    if not line and not before.endswith(("=", "|", "->", "(", "and", "[")):
        sides = [f"require a state in {side}" for side in SIDES]
        return [Proposal(side, Sort.WORD, start, WORDS["require"][0]) for side in sides]
    return list(_expressions(clean, start))


def _parsed(text: str, name: str) -> Grammar | LanguageError:
    try:
        return parse_grammar(plain(text, name).replace("\ufeff", " ", 1), name)
    except LanguageError as error:
        return error
    except A2lError as error:
        at = max(text.find("\0"), 0)
        return LanguageError(
            [report(GrammarRule.SYNTAX, error.message, Span(Source(name, text), at, at + 1), error.fix)]
        )


def _plain(text: str) -> str:
    """The text with blanks in place of comments."""
    return _COMMENT.sub(lambda comment: " " * len(comment[0]), text)


def _meaning(text: str, word: str, start: int) -> str:
    symbol = symbol_at(text, start, True)
    behind = _plain(text)[start + len(word) :].lstrip()
    if behind.startswith("[") and word in GRAMMAR_STREAMS:
        return stream_page(Stream(word))
    if symbol and symbol.kind is Kind.RULE and symbol.whole:
        comment = comment_above(text, symbol.whole[0])
        blocks = [f"**{word}** (rule)", *([comment] if comment else [])]
        return "\n\n".join([*blocks, fenced(text[slice(*symbol.whole)], "a2g")])
    if symbol and symbol.kind is Kind.PARAMETER:
        return f"**{word}** (parameter): the grammar is the union over its values"
    if word in functions:
        return function_page(functions[word])
    if word in operators:
        return operator_page(operators[word])
    if word in WORDS:
        meaning, example = WORDS[word]
        return f"**{word}** (word of the language): {meaning}\n\n    {example}"
    return ""


def _requirement(start: int, asked: re.Match[str]) -> Iterator[Proposal]:
    """What a `require` line goes on with."""
    article, what, inside = asked.groups()
    if inside:
        yield from (Proposal(side, Sort.VALUE, start, f"the {side} set") for side in SIDES)
    elif what:
        yield Proposal("in", Sort.WORD, start)
    else:
        for stream in STREAM_WORDS:
            full = f"{'an' if stream[0] in 'aeiou' else 'a'} {stream}"
            if article is None or full.split()[0] == article:
                yield Proposal(stream if article else full, Sort.VALUE, start)


def _items(start: int, before: str) -> Iterator[Proposal]:
    """What stands in braces."""
    if before.rfind("[") > before.rfind("]"):
        yield Proposal("t", Sort.VALUE, start, "the first step of the window")
        return
    for stream in GRAMMAR_STREAMS:
        snippet = f"{stream.value}[t$1]$0"
        yield Proposal(
            stream.value, Sort.STREAM, start, STREAMS[stream][0], stream_page(stream), snippet=snippet
        )
    for view, function in functions.items():
        yield Proposal(
            view, Sort.FUNCTION, start, function.summary, function_page(function), snippet=f"{view}($1)$0"
        )


def _expressions(text: str, start: int) -> Iterator[Proposal]:
    """Whatever may stand in a rule."""
    for name in operators:
        yield Proposal(name, Sort.OPERATOR, start, operators[name].summary, operator_page(operators[name]))
    rules = outline(text, True)
    own = next((symbol.name for symbol, named, _ in reversed(rules) if named[0] < start), "")
    for name in dict.fromkeys(symbol.name for symbol, _, _ in rules):
        if name not in ("loss", own):  # most rules are not recursive
            yield Proposal(name, Sort.LOSS, start, "a rule")
    yield Proposal("some of", Sort.WORD, start, *WORDS["some"], snippet="some of { $1 }$0")
    yield Proposal("against batch", Sort.WORD, start, *WORDS["against"])
    yield Proposal("none", Sort.WORD, start, *WORDS["none"])
