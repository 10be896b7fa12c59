"""The shipped losses are the published ones, formatted; and how losses are found and drawn."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.files import MAX_SIZE, read, shipped, write
from a2ls_dsl.lang.load import analyse, load, load_one, loads
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.lang.views.timeline import timeline

GOLDEN = Path(__file__).parent / "golden"

PUBLISHED = {
    # Table 1 of He et al. 2022, with k = 3 for ATC and k = 5 for SPR.
    "forward_dynamics": "mse({ s[t], a[t] } -> { s[t+1] })",
    "inverse_dynamics": "mse({ s[t+1], a[t] } -> { s[t] })",
    "reward_prediction": "mse({ s[t], a[t] } -> { r[t] })",
    "action_inference": "mse({ s[t], s[t+1] } -> { a[t] })",
    "curl_a2ls": "bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch",
    "atc": "bilinear({ s[t] } -> { s[t+1..t+3] }) against batch",
    "spr": "nmse({ s[t], a[t..t+4] } -> { s[t+1..t+5] })",
    # The discovered ones: the paper's equation, the release's flags, and where both agree.
    "a2_winner": "mse({ s[t+1], a[t+1..t+3] } -> { s[t+2], s[t+3], r[t], r[t+1] })",
    "a2_winner_release": "mse({ s[t], a[t..t+3], r[t], r[t+1], r[t+3] } -> { s[t+1..t+4] })",
    "a2_winner_v": "mse({ s[t], s[t+2], s[t+8], a[t..t+5], a[t+7], a[t+8], r[t+3], r[t+4], r[t+8] }"
    " -> { s[t+1], s[t+3], s[t+6], s[t+9], a[t+4] })",
}


def test_the_losses_of_the_paper_are_the_published_ones() -> None:
    assert {name: print_loss(load_one(name)[1]) for name in PUBLISHED} == PUBLISHED


def test_shipped_losses_keep_their_print_and_their_key(golden: Callable[[Path, str], None]) -> None:
    lines = []
    for name in shipped("losses", ".a2l"):
        loss = load_one(name)[1]
        lines.append(f"{name} {key(loss)}\n    {print_loss(loss)}\n")
    golden(GOLDEN / "shipped.txt", "".join(lines))


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_a_shipped_file_holds_the_loss_of_its_name_and_is_formatted(name: str) -> None:
    path = shipped("losses", ".a2l")[name]
    source = read(path)
    losses, warnings = analyse(source, path)
    assert list(losses) == [name]
    assert format_file(source) == source.text
    # The winner of the paper's search on vectors has a[t+4] on both sides; nothing else is warned of.
    assert [warning.code for warning in warnings] == (["A2L101"] if name == "a2_winner_v" else [])


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_a_shipped_file_says_where_its_loss_comes_from(name: str) -> None:
    lines = read(shipped("losses", ".a2l")[name]).text.splitlines()
    header = [line for line in lines if line.startswith("# ")]
    assert lines[: len(header)] == header
    assert re.search(r"arXiv \d{4}\.\d{4,5}", " ".join(header))
    assert all(len(line) <= 100 for line in header)
    if name not in PUBLISHED or name == "curl_a2ls":  # the others are what the paper compares
        assert re.search(r"\b[Tt]here\b", " ".join(header)), "what the paper does otherwise is said"


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_every_shipped_loss_is_shown_as_formula_and_as_grid(name: str) -> None:
    loss = load_one(name)[1]
    assert latex(name, loss).count("\\mathbb{E}") == len(loss.terms)
    assert timeline(loss).count("\n") > 4 * len(loss.terms)


@pytest.mark.parametrize("name", ["a2_winner_v", "curl_a2ls", "tdmpc2", "reconstruction", "termination"])
def test_timeline(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"timeline_{name}.txt", timeline(load_one(name)[1]) + "\n")


def test_timeline_of_a_long_sum(golden: Callable[[Path, str], None]) -> None:
    text = (
        "loss it = 0.1 * inner({ s[t], crop(s[t]), crop(s[t]), a[t..t+14] } -> { crop(s[t+14]), r[t+14] })"
        " + 2 * mse({ s[t] } -> { s[t] }) against batch"
    )
    golden(GOLDEN / "timeline_sum.txt", timeline(loads(text)["it"]) + "\n")


def test_load_takes_a_path_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "two.a2l"
    path.write_text("loss one = mse({ s[t] } -> { s[t+1] })\nloss two = 0.5 * one\n")
    assert list(load(path)) == ["one", "two"]
    assert load_one(path)[0] == "two"
    assert load_one(str(path), "one") == ("one", load(path)["one"])
    with pytest.raises(A2lError, match=r"there is no loss in .* called `ones`") as caught:
        load_one(path, "ones")
    assert caught.value.fix == "did you mean `one`?"
    monkeypatch.chdir(tmp_path)
    assert list(load("two.a2l")) == ["one", "two"]
    assert list(load("curl")) == ["curl"]


def test_an_unknown_name_is_compared_with_the_shipped_ones() -> None:
    for name in ("a2_winer", "a2_winer.a2l"):
        with pytest.raises(A2lError) as caught:
            load(name)
        assert caught.value.fix == "did you mean the shipped loss `a2_winner`?"
    with pytest.raises(A2lError) as caught:
        load("nothing_like_it")
    assert caught.value.fix.startswith("shipped are a2_winner, ")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "nul").write_bytes(b"loss\0")
    (tmp_path / "latin").write_bytes("# one\n# é".encode("latin-1"))
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    cases = {
        "nul": "not a text file",
        "latin": "not UTF-8 text: see line 2",
        "link": "there is no file",
        "missing": "there is no file",
        ".": "is a folder",
        "nul/x": "Not a directory",
        "a\0b": "null byte",
        "n" * 5000: "name too long",
    }
    for name, message in cases.items():
        with pytest.raises(A2lError, match=message) as caught:
            read(os.path.join(tmp_path, name))
        assert caught.value.fix


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.a2l"
    path.write_bytes(b"\xff" * (10 * MAX_SIZE))
    with pytest.raises(LanguageError, match="A2L001"):
        load(path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bom.a2l"
    path.write_text("loss one = mse({ s[t] } -> { s[t+1] })", encoding="utf-8-sig")
    assert list(load(path)) == ["one"]


def test_write_keeps_mode_and_links_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write(link, "new\n")
    assert link.is_symlink()
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]
    with pytest.raises(A2lError, match="can't be written"):
        write(tmp_path / "gone" / "file", "new")
