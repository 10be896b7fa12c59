"""The TextMate grammars of `editors/`: they know the language's words, and colour files as they should.

Their patterns keep to what Oniguruma and Python's `re` read alike, so the engine here can be a small one:
line by line, the leftmost match of any pattern wins, among equals the one that is listed first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textmate import EDITORS, Engine, grammar

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar.file import STREAM_WORDS, STREAMS, WORDS
from a2ls_dsl.lang.grammar.sets import SIDES
from a2ls_dsl.words.language import KEYWORDS, SCHEDULE, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import functions, heads, operators


def patterns(rule: Any) -> Iterator[str]:
    """Every regular expression in a grammar."""
    if isinstance(rule, dict):
        for key, value in rule.items():
            if key in ("match", "begin", "end"):
                yield value
            else:
                yield from patterns(value)
    elif isinstance(rule, list):
        for inner in rule:
            yield from patterns(inner)


def words(pattern: str) -> set[str]:
    """The names that a pattern lists: what stands between bars in its first group."""
    return set(re.search(r"\((?:\?:)?([\w|]+)\)", pattern)[1].split("|"))  # type: ignore[index]


@pytest.mark.parametrize("language", ["a2l", "a2g"])
def test_patterns_are_of_the_common_subset(language: str) -> None:
    for pattern in patterns(grammar(language)):
        re.compile(pattern)
        assert not re.search(r"\\[hHRKGAzZ]|\(\?<[^=!]|\(\?P|\(\?>|\[\[:|\\p|[*+?]\+|&&", pattern), pattern
    assert grammar(language)["scopeName"] == f"source.{language}"


def test_the_words_of_losses_are_those_of_the_tables() -> None:
    rules = grammar("a2l")["repository"]
    options = {option.name for operator in operators.values() for option in operator.options}
    assert words(rules["operator"]["match"]) == set(operators)
    assert words(rules["function"]["match"]) == set(functions)
    assert words(rules["option"]["match"]) == {*MAPS, *options}
    assert words(rules["head"]["match"]) == set(heads)
    assert words(rules["element"]["begin"]) == set(Stream)
    assert words(rules["keyword"]["match"]) | {"import"} == set(KEYWORDS)
    assert rf"\b{SCHEDULE}\b" in rules["schedule"]["match"]
    assert r"\bimport\b" in rules["import"]["match"]


def test_the_words_of_grammars_are_those_of_the_tables() -> None:
    rules = grammar("a2g")["repository"]
    assert words(rules["operator"]["match"]) == set(operators)
    assert words(rules["function"]["match"]) == set(functions)
    assert words(rules["keyword"]["match"]) == set(WORDS)
    assert words(rules["element"]["begin"]) == set(STREAMS)
    require = re.findall(r"\(([a-z|]+)\)", rules["requirement"]["match"])
    assert [set(group.split("|")) for group in require] == [
        {"require"},
        set(STREAM_WORDS),
        {"in"},
        set(SIDES),
    ]


LOSS = """# 1.0 * mse
import "curl.a2l"  # why
loss mine = 0.5 * mse({ l2(ema(s[t+1])), a[t..t+3] } -> { done[t+2] }) against batch
    + linear(0.0, 1, 1e-3) * curl with head = linear as mse, bins = 3
"""

LOSS_COLOURS = """
comment.line.number-sign   # 1.0 * mse
keyword.control.import     import
string.quoted.double       "curl.a2l"
comment.line.number-sign   # why
keyword.control            loss
entity.name.function       mine
keyword.operator.assignment =
constant.numeric           0.5
keyword.operator.arithmetic *
support.function.operator  mse
punctuation.section        (
punctuation.section        {
support.function           l2
punctuation.section        (
support.function           ema
punctuation.section        (
variable.language.stream   s
punctuation.section.brackets [
variable.language.step     t
keyword.operator.arithmetic +
constant.numeric           1
punctuation.section.brackets ]
punctuation.section        )
punctuation.section        )
punctuation.separator      ,
variable.language.stream   a
punctuation.section.brackets [
variable.language.step     t
keyword.operator.range     ..
variable.language.step     t
keyword.operator.arithmetic +
constant.numeric           3
punctuation.section.brackets ]
punctuation.section        }
keyword.operator.arrow     ->
punctuation.section        {
variable.language.stream   done
punctuation.section.brackets [
variable.language.step     t
keyword.operator.arithmetic +
constant.numeric           2
punctuation.section.brackets ]
punctuation.section        }
punctuation.section        )
keyword.control            against
keyword.control            batch
keyword.operator.arithmetic +
support.function.schedule  linear
punctuation.section        (
constant.numeric           0.0
punctuation.separator      ,
constant.numeric           1
punctuation.separator      ,
constant.numeric           1e-3
punctuation.section        )
keyword.operator.arithmetic *
keyword.control            with
variable.parameter         head
keyword.operator.assignment =
constant.language.head     linear
keyword.control            as
punctuation.separator      ,
variable.parameter         bins
keyword.operator.assignment =
constant.numeric           3
"""

GRAMMAR = """grammar mine for k in 1..10
loss = op({ s[t] } and [ some of { r[t+k-1] } ] -> later) none  # c
op = mse | nmse
require a state in source
"""

GRAMMAR_COLOURS = """
keyword.control            grammar
entity.name.type           mine
keyword.control            for
keyword.control            in
constant.numeric           1
keyword.operator.range     ..
constant.numeric           10
entity.name.function       loss
keyword.operator.assignment =
punctuation.section        (
punctuation.section        {
variable.language.stream   s
punctuation.section.brackets [
variable.language.step     t
punctuation.section.brackets ]
punctuation.section        }
keyword.control            and
punctuation.section.brackets [
keyword.control            some
keyword.control            of
punctuation.section        {
variable.language.stream   r
punctuation.section.brackets [
variable.language.step     t
keyword.operator.arithmetic +
variable.parameter         k
keyword.operator.arithmetic -
constant.numeric           1
punctuation.section.brackets ]
punctuation.section        }
punctuation.section.brackets ]
keyword.operator.arrow     ->
punctuation.section        )
keyword.control            none
comment.line.number-sign   # c
entity.name.function       op
keyword.operator.assignment =
support.function.operator  mse
keyword.operator.alternative |
support.function.operator  nmse
keyword.control            require
constant.language          state
keyword.control            in
constant.language          source
"""


@pytest.mark.parametrize(
    ("language", "text", "colours"), [("a2l", LOSS, LOSS_COLOURS), ("a2g", GRAMMAR, GRAMMAR_COLOURS)]
)
def test_colours(language: str, text: str, colours: str) -> None:
    expected = [tuple(reversed(line.split(None, 1))) for line in colours.strip().splitlines()]
    assert Engine(language).colour(text) == expected


@pytest.mark.parametrize("path", [*shipped("losses", ".a2l").values(), *shipped("grammars", ".a2g").values()])
def test_nothing_but_names_is_left_without_a_colour(path: Path) -> None:
    """What remains of a shipped file are blanks and names of losses, rules, heads and parameters."""
    text = path.read_text(encoding="utf-8")
    left = list(uncoloured(text, path.suffix.removeprefix(".")))
    assert all(re.fullmatch(r"[A-Za-z_]\w*", word) for word in left), left


def uncoloured(text: str, language: str) -> Iterator[str]:
    """The pieces between coloured ones, without blanks."""
    at = 0
    for piece, _ in Engine(language).colour(text):
        start = text.index(piece, at)
        yield from text[at:start].split()
        at = start + len(piece)
    yield from text[at:].split()


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EDITORS / "package.json").read_text(encoding="utf-8"))
    contributes = package["contributes"]
    assert {language["id"] for language in contributes["languages"]} == {"a2l", "a2g"}
    named = [language["configuration"] for language in contributes["languages"]]
    named += [grammar["path"] for grammar in contributes["grammars"]]
    for name in [*named, package["main"]]:
        assert (EDITORS / name).is_file()
    for entry in contributes["grammars"]:
        assert (
            json.loads((EDITORS / entry["path"]).read_text(encoding="utf-8"))["scopeName"]
            == entry["scopeName"]
        )
    configuration = json.loads((EDITORS / "language-configuration.json").read_text(encoding="utf-8"))
    assert configuration["comments"]["lineComment"] == "#"
