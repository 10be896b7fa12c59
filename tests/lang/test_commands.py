"""`a2l check`, `fmt` and `show` as a user meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from a2ls_dsl.cli import main
from a2ls_dsl.lang.files import shipped

GOLDEN = Path(__file__).parent / "golden"
GOOD = "loss one = mse({ s[t] } -> { s[t+1] })\nloss two = 0.5 * one + 1.0 * one\n"
BAD = "loss one = l2({ s[t] } -> { s[t+1] })\n"
LOOSE = "loss one=mse({s[t]}->{s[t+1]})"


class Shell:
    """Runs `a2l` in this process, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr(sys, "argv", ["a2l", *words])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def a2l(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    Path("good.a2l").write_text(GOOD)
    Path("bad.a2l").write_text(BAD)
    Path("loose.a2l").write_text(LOOSE)
    return Shell(monkeypatch, capsys)


def test_check_of_a_good_file(a2l: Shell) -> None:
    assert a2l("check", "good.a2l") == (0, "ok good.a2l: one (horizon 1), two (horizon 1)\n", "")


def test_check_goes_on_after_an_error(a2l: Shell) -> None:
    code, out, err = a2l("check", "bad.a2l", "good.a2l")
    assert code == 1
    assert out.startswith("ok good.a2l")
    assert err.startswith("error[A2L021]: there is no operator `l2`\n  --> bad.a2l:1:12\n")


def test_check_prints_warnings_and_is_content(a2l: Shell) -> None:
    code, out, err = a2l("check", "a2_winner_v")
    assert code == 0
    assert "a2_winner_v (horizon 9)" in out
    assert err.startswith(
        "warning[A2L101]: a[t+4] is in the source and in the target; the predictor can copy it"
    )


def test_check_allows_warnings(a2l: Shell) -> None:
    Path("warned.a2l").write_text("loss one = mse({ s[t], s[t] } -> { s[t], s[t+1] })\n")
    assert [code in a2l("check", "warned.a2l")[2] for code in ("A2L101", "A2L102")] == [True, True]
    code, out, err = a2l("check", "--allow", "A2L101", "warned.a2l")
    assert (code, out.startswith("ok warned.a2l"), "A2L101" in err, "A2L102" in err) == (0, True, False, True)
    assert a2l("check", "warned.a2l", "--allow", "A2L101", "--allow", "a2l102")[2] == ""


def test_check_shows_errors_without_the_allowed_warnings(a2l: Shell) -> None:
    Path("both.a2l").write_text(f"loss w = mse({{ s[t] }} -> {{ s[t] }})\n{BAD}")
    code, _, err = a2l("check", "both.a2l", "--allow", "A2L101")
    assert (code, "A2L021" in err, "A2L101" in err) == (1, True, False)


@pytest.mark.parametrize(
    ("code", "message", "fix"),
    [
        ("A2L021", "A2L021 is an error; only warnings can be allowed", "`a2l explain A2L021`"),
        ("A2L118", "there is no warning `A2L118`", "did you mean `A2L111`?"),
        ("overlap", "there is no warning `overlap`", "there is A2L101, A2L102"),
    ],
)
def test_check_allows_nothing_but_warnings(a2l: Shell, code: str, message: str, fix: str) -> None:
    status, out, err = a2l("check", "good.a2l", "--allow", code)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert fix in err


def test_check_prints_json(a2l: Shell) -> None:
    """Errors and warnings of all files, a line each; an edit where there is one."""
    Path("warned.a2l").write_text("# é\nloss one = mse({ s[t] } -> { s[t],\n  s[t+1] })\n")
    code, out, err = a2l("check", "--json", "bad.a2l", "warned.a2l", "good.a2l", "missing.a2l")
    first, second = map(json.loads, out.splitlines())
    assert (code, err.count("\n")) == (2, 2)  # a file that isn't there has no place
    assert (first["file"], first["line"], first["column"], first["end_column"]) == ("bad.a2l", 1, 12, 14)
    assert (first["code"], first["severity"], first["edit"]) == (
        "A2L021",
        "error",
        {"line": 1, "column": 12, "end_line": 1, "end_column": 14, "text": "mse"},
    )
    assert (second["code"], second["severity"], second["line"]) == ("A2L101", "warning", 2)
    assert a2l("check", "--json", "--allow", "A2L101", "warned.a2l") == (0, "", "")
    Path("near.a2l").write_text("loss one = mze({ s[t] } -> { s[t+1] })\n")
    (diagnostic,) = map(json.loads, a2l("check", "--json", "near.a2l")[1].splitlines())
    place = {"line": 1, "column": 12, "end_line": 1, "end_column": 15}
    assert diagnostic["edit"] == {**place, "text": "mse"}
    assert {name: diagnostic[name] for name in place} == place


def test_check_and_fmt_of_grammars(a2l: Shell) -> None:
    Path("mine.a2g").write_text("grammar mine\nloss=mse({s[t]}->{r[t]}) # all\n")
    assert a2l("check", "mine.a2g") == (0, "ok mine.a2g: grammar mine\n", "")
    assert a2l("fmt", "mine.a2g") == (0, "formatted mine.a2g\n", "")
    assert Path("mine.a2g").read_text() == "grammar mine\nloss = mse({ s[t] } -> { r[t] })  # all\n"
    Path("bad.a2g").write_text("grammar bad\nloss = mze({ s[t] } -> { r[t] })\n")
    code, _, err = a2l("check", "bad.a2g")
    assert (code, "did you mean `mse`?" in err) == (1, True)


def test_a_grammar_is_no_loss_and_a_loss_no_grammar(a2l: Shell) -> None:
    Path("mine.a2g").write_text("grammar mine\nloss = mse({ s[t] } -> { r[t] })\n")
    for command in (("show", "mine.a2g"), ("grammar", "contains", "a2ls", "mine.a2g")):
        code, _, err = a2l(*command)
        assert (code, "draw losses of it: a2l grammar sample mine.a2g" in err) == (2, True)
    code, _, err = a2l("grammar", "count", "good.a2l")
    assert (code, "good.a2l holds losses, not a loss grammar" in err) == (2, True)


def test_check_of_what_is_not_there(a2l: Shell) -> None:
    code, out, err = a2l("check", "crul")
    assert (code, out) == (2, "")
    assert (
        err == "error: there is no file or shipped loss crul\n  fix: did you mean the shipped loss `curl`?\n"
    )


def test_check_of_a_folder(a2l: Shell) -> None:
    code, _, err = a2l("check", ".")
    assert code == 2
    assert "is a folder" in err


def test_fmt_rewrites(a2l: Shell) -> None:
    assert a2l("fmt", "loose.a2l", "good.a2l") == (0, "formatted loose.a2l\n", "")
    assert Path("loose.a2l").read_text() == "loss one = mse({ s[t] } -> { s[t+1] })\n"
    assert Path("good.a2l").read_text() == GOOD
    assert a2l("fmt", "--check", "loose.a2l") == (0, "", "")


def test_fmt_check_changes_nothing(a2l: Shell) -> None:
    assert a2l("fmt", "--check", "good.a2l", "loose.a2l") == (1, "would change loose.a2l\n", "")
    assert Path("loose.a2l").read_text() == LOOSE


def test_fmt_leaves_broken_files_alone(a2l: Shell) -> None:
    Path("bad.a2l").write_text("loss one = mse({ s[t] }")
    code, out, err = a2l("fmt", "bad.a2l", "loose.a2l")
    assert (code, out) == (1, "formatted loose.a2l\n")
    assert "A2L011" in err
    assert Path("bad.a2l").read_text() == "loss one = mse({ s[t] }"


def test_fmt_does_not_touch_shipped_losses_by_name(a2l: Shell) -> None:
    assert a2l("fmt", "curl")[0] == 2


def test_show(a2l: Shell, golden: Callable[[Path, str], None]) -> None:
    code, out, err = a2l("show", "good.a2l", "curl", "--timeline")
    assert (code, err) == (0, "")
    golden(GOLDEN / "show.txt", out)


def test_show_prints_a_file_as_it_is(a2l: Shell) -> None:
    written = shipped("losses", ".a2l")["curl"].read_text(encoding="utf-8")
    assert a2l("show", "curl", "--source") == (0, written, "")
    code, _, err = a2l("show", "curl", "--source", "--latex")
    assert (code, "without --latex" in err) == (2, True)


def test_show_prints_the_formula(a2l: Shell) -> None:
    code, out, _ = a2l("show", "curl_a2ls", "--latex")
    assert code == 0
    assert out.startswith(
        "% curl_a2ls = bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch\n% key 29327f60"
    )
    assert "\n\\begin{align*}\n\\mathcal{L}_{\\text{curl\\_a2ls}} &= \\mathbb{E}" in out


def test_show_prints_the_program(a2l: Shell) -> None:
    code, out, _ = a2l("show", "curl", "--ir")
    assert code == 0
    assert "sample s[t]" in out
    assert len(a2l("show", "curl", "--passes")[1]) > len(out)


@pytest.mark.parametrize(
    "words",
    [["check", "curl"], ["explain", "A2L201"], ["fmt", "--help"], ["show", "--timeline", "spr"], ["--help"]],
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from a2ls_dsl.cli import main\n"
        f"sys.argv = ['a2l', *{words!r}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as leave:\n"
        "    assert not leave.code, leave.code\n"
        "heavy = {'torch', 'numpy', 'dm_control', 'mujoco'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.a2l"
    os.mkfifo(pipe)
    for command in ("check", "fmt", "show"):
        script = ["-c", "from a2ls_dsl.cli import main; main()", command, str(pipe)]
        done = subprocess.run(
            [sys.executable, *script], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2
        assert "no regular file" in done.stderr


def test_names_that_the_locale_cannot_print_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "café.a2l"
    path.write_text("loss mine = mse({ s[t] } -> { s[t+1] })\n")
    env = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    script = ["-c", "from a2ls_dsl.cli import main; main()", "check", str(path)]
    done = subprocess.run([sys.executable, *script], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "caf\\xe9.a2l" in done.stdout
