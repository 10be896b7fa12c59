"""Counts in sentences."""

import pytest

from a2ls_dsl.english import count


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (1, ("fresh seed",), "1 fresh seed"),
        (0, ("run",), "0 runs"),
        (2, ("loss", "losses"), "2 losses"),
        (1, ("loss", "losses"), "1 loss"),
        (1200, ("row",), "1,200 rows"),
    ],
)
def test_a_noun_agrees_with_its_number(number, nouns, text):
    assert count(number, *nouns) == text
