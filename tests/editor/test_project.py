"""Findings in buffers, and in the files that these import."""

from __future__ import annotations

from pathlib import Path

import pytest
from editor_cursor import PAIR

from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.lang.files import MAX_SIZE


def test_findings_carry_code_place_and_fix() -> None:
    text = "# é😀\nloss a = hubr({ s[t] } -> { s[t+1] })\n"
    (finding,) = analyse(text, None).findings
    assert (finding.diagnostic.code, finding.diagnostic.fix) == ("A2L021", "did you mean `huber`?")
    span = finding.diagnostic.span
    assert text[span.start : span.end] == "hubr"


def test_imports_see_unsaved_buffers(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.a2l", tmp_path / "outer.a2l"
    inner.write_text(f"loss saved = {PAIR}\n")
    text = 'import "inner.a2l"\nloss b = fresh\n'
    assert [finding.diagnostic.code for finding in analyse(text, outer).findings] == ["A2L105", "A2L026"]
    buffers = {str(inner.resolve()): f"loss fresh = {PAIR}\n"}
    assert analyse(text, outer, buffers).findings == ()


def test_errors_of_an_import_stand_at_the_import(tmp_path: Path) -> None:
    (tmp_path / "deep.a2l").write_text("\nloss x = mze({ s[t] } -> { s[t+1] })\n")
    (tmp_path / "inner.a2l").write_text(f'import "deep.a2l"\nloss y = x + {PAIR}\n')
    text = 'import "inner.a2l"\nloss b = y\n'
    (finding,) = analyse(text, tmp_path / "outer.a2l").findings
    assert text[finding.diagnostic.span.start : finding.diagnostic.span.end] == '"inner.a2l"'
    (related,) = finding.related
    assert (related.path.name, related.span.line) == ("deep.a2l", 2)


def test_circles_and_missing_files_are_told_once(tmp_path: Path) -> None:
    outer = tmp_path / "outer.a2l"
    text = f'import "inner.a2l"\nloss b = {PAIR}\n'
    (tmp_path / "inner.a2l").write_text(f'import "outer.a2l"\nloss c = {PAIR}\n')
    codes = [finding.diagnostic.code for finding in analyse(text, outer).findings]
    assert codes.count("A2L028") + codes.count("A2L029") == 1
    missing = analyse(f'import "nowhere.a2l"\nloss b = {PAIR}\n', outer).findings
    assert [finding.diagnostic.code for finding in missing] == ["A2L028"]


@pytest.mark.parametrize("text", ["loss a = \0", "\ufeff# only a comment", "x" * (MAX_SIZE + 1), ""])
def test_whatever_is_in_a_buffer_gets_findings(text: str) -> None:
    assert analyse(text, None).findings
    assert grammars.check(text, "a.a2g").findings


def test_a_byte_order_mark_is_no_character() -> None:
    assert analyse(f"\ufeffloss a = {PAIR}\n", None).findings == ()
