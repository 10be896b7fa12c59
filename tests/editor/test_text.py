"""Places of the protocol: lines end as it says, columns count what editor and server agreed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2ls_dsl.editor.text import Text

ENCODINGS = ("utf-8", "utf-16", "utf-32")
ODD = st.text(st.sampled_from("ab\n\ré→😀\u2028\x0c "), max_size=40)


def test_columns_count_code_units() -> None:
    text = "é😀x\n→y"
    assert Text(text).position(2) == (0, 3)
    assert Text(text, "utf-8").position(2) == (0, 6)
    assert Text(text, "utf-32").position(2) == (0, 2)
    assert Text(text).offset(1, 1) == 5


def test_lines_end_as_the_protocol_says() -> None:
    """A form feed and U+2028 end no line, whatever `str.splitlines` thinks."""
    text = Text("a\r\nb\rc\nd\x0ce\u2028f")
    assert [text.position(at) for at in (3, 5, 7, 11)] == [(1, 0), (2, 0), (3, 0), (3, 4)]
    assert text.position(2) == (0, 1), "inside of a line break is the end of its line"


def test_places_beyond_the_text_are_its_ends() -> None:
    text = Text("ab\ncd")
    assert [text.offset(0, 9), text.offset(7, 0), text.offset(1, 9)] == [2, 5, 5]
    assert text.position(99) == (1, 2)


@given(ODD, st.sampled_from(ENCODINGS))
def test_there_and_back(text: str, encoding: str) -> None:
    places = Text(text, encoding)
    for at in range(len(text) + 1):
        if text[at - 1 : at + 1] != "\r\n" or at == 0:
            assert places.offset(*places.position(at)) == at


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_column_inside_of_a_character_is_its_start(encoding: str) -> None:
    text = Text("😀", encoding)
    _, width = text.position(1)
    assert {text.offset(0, column) for column in range(width)} == {0}
