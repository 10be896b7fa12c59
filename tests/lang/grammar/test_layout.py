"""`a2l fmt` of loss grammars: one layout, the same grammar, no comment lost."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import LanguageError, Source, Span
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar.layout import format_grammar
from a2ls_dsl.lang.messages.codes import Findings
from a2ls_dsl.lang.syntax.layout import WIDTH
from a2ls_dsl.lang.syntax.parser import GRAMMARS, read

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = re.findall(r"```a2g\n(.*?)```", (DOCS / "language.md").read_text(encoding="utf-8"), re.DOTALL)
SHIPPED = [path.read_text(encoding="utf-8") for path in shipped("grammars", ".a2g").values()]

MESSY = """\
# head
grammar mine for k in 1..3,n in 0..1 # behind


loss=(a|b)*c+[ x ] # sum
x = mse({s[t],# why s
  a[t..t+k - 1] , } ->  ({ s[t+k] }|{r[ t ]}) )
# a part
b = 0.10| 1e-1|linear( 0.0,1.0,100000 )
require  a state in source
require an action in source
"""


def layout(text: str) -> str:
    return format_grammar(Source("<test>", text))


def meaning(text: str) -> Any:
    """The surface tree of a text without its places."""
    findings = Findings(of_grammar=True)
    statements = read(Source("", text), GRAMMARS, findings)
    assert not findings.diagnostics, (findings.diagnostics, text)
    return bare(statements)


def bare(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return [bare(part) for part in node]
    if is_dataclass(node) and not isinstance(node, Span):
        parts = [getattr(node, field.name) for field in fields(node)]
        return [type(node).__name__, *(bare(part) for part in parts if not isinstance(part, Span))]
    return node


def test_a_messy_grammar() -> None:
    assert layout(MESSY) == (
        "# head\n"
        "grammar mine for k in 1..3, n in 0..1  # behind\n"
        "\n"
        "loss = (a | b) * c + [ x ]  # sum\n"
        "# why s\n"
        "x = mse({ s[t], a[t..t+k-1] } -> { s[t+k] } | { r[t] })\n"
        "# a part\n"
        "b = 0.10 | 1e-1 | linear(0.0, 1.0, 100000)\n"
        "require a state in source\n"
        "require an action in source\n"
    )


def test_long_rules() -> None:
    text = (
        "grammar g\nlong_name = mse({ s[t], a[t..t+4] } -> { s[t+1..t+5] }) against batch "
        "with head = (none | linear), decay = 0.9 | first + second\n"
        f"n = {' | '.join(f'0.{i}' for i in range(11, 35))}\n"
        f"sums = {' + '.join([f'(0.5 | 1.0) * {name * 5}' for name in ('first', 'other', 'third')])}\n"
        f"s = some of {{ {', '.join(f'crop(s[t+{i}])' for i in range(9))} }} and {{ r[t] }}\n"
    )
    assert layout(text).splitlines()[1:] == [
        "long_name = mse({ s[t], a[t..t+4] } -> { s[t+1..t+5] })",
        "                against batch with head = (none | linear), decay = 0.9",
        "          | first + second",
        "n         = 0.11 | 0.12 | 0.13 | 0.14 | 0.15 | 0.16 | 0.17 | 0.18 | 0.19 | 0.20 | 0.21",
        "          | 0.22 | 0.23 | 0.24 | 0.25 | 0.26 | 0.27 | 0.28 | 0.29 | 0.30 | 0.31 | 0.32",
        "          | 0.33 | 0.34",
        "sums      = (0.5 | 1.0) * firstfirstfirstfirstfirst",
        "          + (0.5 | 1.0) * otherotherotherotherother",
        "          + (0.5 | 1.0) * thirdthirdthirdthirdthird",
        "s         = some of { crop(s[t+0]), crop(s[t+1]), crop(s[t+2]), crop(s[t+3]),",
        "                      crop(s[t+4]), crop(s[t+5]), crop(s[t+6]), crop(s[t+7]),",
        "                      crop(s[t+8]) }",
        "          and { r[t] }",
    ]


def test_a_long_comparison_with_a_comma_for_its_arrow_keeps_both_sets() -> None:
    """It is no loss, and nothing that was written may go."""
    elements = "{ s[t], a[t..t+9], r[t..t+9], o[t..t+9] }"
    text = f"grammar g\nloss = mse({elements}, {elements})\n"
    assert meaning(layout(text)) == meaning(text)


@pytest.mark.parametrize("text", [MESSY, *EXAMPLES, *SHIPPED])
def test_the_layout_is_the_same_grammar_with_all_its_comments(text: str) -> None:
    formatted = layout(text)
    assert layout(formatted) == formatted
    assert meaning(formatted) == meaning(text)
    assert sorted(re.findall("#.*", formatted)) == sorted(line.rstrip() for line in re.findall("#.*", text))


@pytest.mark.parametrize("text", SHIPPED)
def test_shipped_grammars_are_in_the_layout(text: str) -> None:
    assert layout(text) == text


names = st.sampled_from(["x", "long_name_of_a_rule", "y2"])
numbers = st.sampled_from(["0.1", "1", "25.0"])
runs = st.sampled_from(["s[t]", "a[t..t+k-1]", "l2(s[t+1])", "view(s[t..t+k], (4 | 8))", "crop(s[t], size)"])
sets = st.builds(
    lambda some, items: f"{some}{{ {', '.join(items)} }}",
    st.sampled_from(["", "some of "]),
    st.lists(runs, min_size=1, max_size=6),
)
options = st.sampled_from(
    [
        "",
        " with head = none",
        " against batch",
        " [ against batch ] with head = (linear | mlp(8 | 9)), bins = x",
    ]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def joined(sign: str) -> st.SearchStrategy[str]:
        return st.lists(inner.map(lambda part: f"({part})"), min_size=2, max_size=4).map(sign.join)

    return (
        joined(" | ")
        | joined(" + ")
        | joined(" and ")
        | inner.map(lambda part: f"[ {part} ]")
        | st.builds("{} * ({})".format, numbers | names, inner)
        | st.builds("mse({} -> {}){}".format, inner, inner, options)
        | st.builds("variance({}){}".format, inner, options)
    )


@settings(max_examples=150)
@given(st.recursive(names | numbers | sets, grown, max_leaves=12))
def test_any_expression_keeps_its_meaning(text: str) -> None:
    """Also nonsense: the layout asks for no more than that a text parses."""
    text = f"grammar g\nrule = {text}\nother = x\n"
    formatted = layout(text)
    assert meaning(formatted) == meaning(text)
    assert layout(formatted) == formatted


def test_lines_are_short_where_they_can_be() -> None:
    assert all(len(line) <= WIDTH for text in [MESSY, *EXAMPLES] for line in layout(text).splitlines())


def test_what_does_not_parse_is_not_laid_out() -> None:
    with pytest.raises(LanguageError):
        layout("grammar g\nloss = mse({ s[t] } -> \n")
