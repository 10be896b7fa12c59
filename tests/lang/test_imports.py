"""Imports: found relative to the file, else shipped; read once; never anything but loss files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from a2ls_dsl.cli import main
from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Source
from a2ls_dsl.lang.files import MAX_SIZE, read
from a2ls_dsl.lang.load import MAX_FILES, analyse, load, loads
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.lang.syntax.printer import print_loss

ONE = "loss one = mse({ s[t] } -> { s[t+1] })\n"
USE = "loss both = one + 0.5 * mse({ s[t] } -> { r[t] })\n"


def files(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.a2l"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def errors(path: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(LanguageError) as caught:
        load(path)
    return caught.value.diagnostics


def test_losses_of_another_file_can_be_referred_to(tmp_path: Path) -> None:
    files(tmp_path, one=ONE, main=f'import "one.a2l"\n{USE}')
    assert list(load(tmp_path / "main.a2l")) == ["both"]
    assert print_loss(load(tmp_path / "main.a2l")["both"]) == (
        "0.5 * mse({ s[t] } -> { r[t] }) + 1.0 * mse({ s[t] } -> { s[t+1] })"
    )


def test_paths_are_relative_to_the_file_that_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(
        tmp_path,
        lib__one=ONE,
        lib__deep__two='import "../one"\nloss two = 2 * one\n',
        main='import "lib/deep/two.a2l"\nloss both = two + two\n',
    )
    monkeypatch.chdir("/")
    assert len(load(tmp_path / "main.a2l")["both"].terms) == 2


def test_shipped_losses_stand_behind_own_files(tmp_path: Path) -> None:
    files(tmp_path, main='import "curl.a2l"\nloss it = curl\n')
    assert print_loss(load(tmp_path / "main.a2l")["it"]).startswith("bilinear")
    files(tmp_path, curl="loss curl = mse({ s[t] } -> { s[t+2] })\n")
    assert print_loss(load(tmp_path / "main.a2l")["it"]).startswith("mse")


def test_a_text_imports_shipped_losses_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, one=ONE)
    monkeypatch.chdir(tmp_path)
    assert list(loads('import "spr"\nloss it = 0.5 * spr')) == ["it"]
    with pytest.raises(LanguageError, match="a text imports shipped losses only"):
        loads(f'import "one.a2l"\n{USE}')


def test_only_the_files_own_losses_are_known_outside(tmp_path: Path) -> None:
    files(tmp_path, one=ONE, two='import "one.a2l"\nloss two = one\n', main=f'import "two.a2l"\n{USE}')
    assert [error.code for error in errors(tmp_path / "main.a2l")] == ["A2L105", "A2L026"]


def test_a_file_that_two_others_import_is_read_once(tmp_path: Path) -> None:
    files(
        tmp_path,
        one=ONE,
        two='import "one.a2l"\nloss two = one\n',
        three='import "one.a2l"\nloss three = one\n',
        main='import "two.a2l"\nimport "three.a2l"\nimport "one.a2l"\nloss all = one + two + three\n',
    )
    assert len(load(tmp_path / "main.a2l")["all"].terms) == 3


def test_errors_of_imported_files_have_their_place_and_bring_no_others(tmp_path: Path) -> None:
    files(
        tmp_path, lib__one="# one\nloss one = msee({ s[t] } -> { s[t+1] })\n", main=f'import "lib/one"\n{USE}'
    )
    (error,) = errors(tmp_path / "main.a2l")
    assert (error.code, error.span.source.name, error.span.line) == ("A2L021", f"{tmp_path}/lib/one.a2l", 2)


def test_a_missing_file_brings_no_others(tmp_path: Path) -> None:
    files(tmp_path, main=f'import "gone.a2l"\n{USE}')
    assert [error.code for error in errors(tmp_path / "main.a2l")] == ["A2L028"]


def test_warnings_of_imported_files_are_theirs(tmp_path: Path) -> None:
    files(tmp_path, one="loss one = mse({ s[t] } -> { s[t] })\n", main=f'import "one.a2l"\n{USE}')
    path = tmp_path / "main.a2l"
    assert analyse(read(path), path)[1] == []
    assert [
        diagnostic.code for diagnostic in analyse(read(tmp_path / "one.a2l"), tmp_path / "one.a2l")[1]
    ] == ["A2L101"]


@pytest.mark.parametrize("links", [False, True])
def test_circles_are_found(tmp_path: Path, links: bool) -> None:
    files(
        tmp_path,
        a='import "b.a2l"\nloss a = b\n',
        b='import "c.a2l"\nloss b = c\n',
        c='import "a"\nloss c = a\n',
    )
    if links:
        (tmp_path / "b.a2l").unlink()
        (tmp_path / "b.a2l").symlink_to("a.a2l")
    (error,) = errors(tmp_path / "a.a2l")
    assert error.code == "A2L029"
    chain = "a.a2l -> a.a2l" if links else "a.a2l -> b.a2l -> c.a2l -> a.a2l"
    assert error.message.endswith(chain)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../secret.txt", "secret.txt", "a\\b", "..", "", "x" * 300]
)
def test_nothing_but_loss_files_is_read(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    files(tmp_path, in__main=f'import "{path}"\n{USE}')
    (error,) = errors(tmp_path / "in" / "main.a2l")
    assert (error.code, "a secret" in error.render()) == ("A2L028", False)


def test_what_cannot_be_read_is_an_error_at_the_import(tmp_path: Path) -> None:
    (tmp_path / "latin.a2l").write_bytes(b"# \xe9")
    (tmp_path / "large.a2l").write_bytes(b"#" * (MAX_SIZE + 1))
    files(tmp_path, main='import "latin"\nimport "large"\nloss x = mse({ s[t] } -> { r[t] })\n')
    both = errors(tmp_path / "main.a2l")
    assert [(error.code, error.span.line) for error in both] == [("A2L028", 1), ("A2L028", 2)]
    assert "latin.a2l is not UTF-8 text" in both[0].message
    assert "more than 30 kB" in both[1].message


def test_chains_end_somewhere(tmp_path: Path) -> None:
    for place in range(MAX_FILES + 10):
        files(tmp_path, **{f"f{place}": f'import "f{place + 1}.a2l"\nloss l{place} = l{place + 1}\n'})
    files(tmp_path, **{f"f{MAX_FILES + 10}": f"loss l{MAX_FILES + 10} = mse({{ s[t] }} -> {{ r[t] }})\n"})
    assert [error.code for error in errors(tmp_path / "f0.a2l")] == ["A2L030"]
    assert len(load(tmp_path / "f20.a2l")) == 1


def test_layout_of_imports() -> None:
    text = 'import   "curl.a2l" # why\n\n\nimport # inside\n "spr"\n# one "quoted # mark\nloss a=curl+ spr'
    after = format_file(Source("x", text))
    assert after == (
        'import "curl.a2l"  # why\n\n# inside\nimport "spr"\n# one "quoted # mark\nloss a = curl + spr\n'
    )
    assert format_file(Source("x", after)) == after


def test_the_command_finds_what_a_file_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files(tmp_path, sub__one=ONE, sub__main=f'import "one.a2l"\n{USE}')
    monkeypatch.chdir(tmp_path)
    for command in ("check", "show"):
        monkeypatch.setattr(sys, "argv", ["a2l", command, "sub/main.a2l"])
        with pytest.raises(SystemExit) as leave:
            main()
        assert not leave.value.code
    assert "ok sub/main.a2l: both (horizon 1)" in capsys.readouterr().out
