"""`a2l grammar`, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load, loads

A2L = "import sys; from a2ls_dsl.cli import main; sys.argv[0] = 'a2l'; sys.exit(main())"


def a2l(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", A2L, "grammar", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_count() -> None:
    done = a2l("count", "a2ls")
    assert done.returncode == 0
    assert [line.split()[-1] for line in done.stdout.splitlines()] == [
        "749581981407880192000",
        "749210071146989033120",
        "737509474892335022080",
    ]


def test_samples_are_a_loss_file_in_the_grammar(tmp_path: Path) -> None:
    done = a2l("sample", "a2ls", "-n", "7", "--seed", "3")
    assert done.stdout == a2l("sample", "a2ls", "-n", "7", "--seed", "3").stdout
    assert done.stdout != a2l("sample", "a2ls", "-n", "7").stdout
    losses = loads(done.stdout)
    assert list(losses) == [f"sample_{index}" for index in range(7)]
    assert all(map(load_grammar("a2ls").contains, losses.values()))
    path = tmp_path / "samples.a2l"
    path.write_text(done.stdout)
    assert list(load(path).values()) == list(losses.values())
    assert a2l("contains", "a2ls", path).returncode == 0


def test_contains(tmp_path: Path) -> None:
    path = tmp_path / "two.a2l"
    path.write_text("loss near = mse({ s[t] } -> { s[t+1] })\nloss far = mse({ s[t] } -> { s[t+11] })\n")
    done = a2l("contains", "a2ls", path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "near is in a2ls\nfar is not in a2ls\n"


def test_errors_are_messages(tmp_path: Path) -> None:
    missing = a2l("count", "als")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "did you mean `a2ls`?" in missing.stderr
    path = tmp_path / "bad.a2g"
    path.write_text("grammar g\nloss = mse(x -> { s[t] })\n")
    bad = a2l("count", path)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "error[A2L202]" in bad.stderr
    assert f"{path}:2:12" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_warnings_go_to_stderr(tmp_path: Path) -> None:
    path = tmp_path / "spare.a2g"
    path.write_text("grammar g\nloss = mse({ s[t] } -> { s[t] })\nspare = { s[t] }\n")
    done = a2l("count", path)
    assert done.returncode == 0
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["1", "1", "1"]
    assert "warning[A2L251]" in done.stderr


def test_counting_imports_nothing_heavy() -> None:
    program = (
        "import sys; from a2ls_dsl.lang.grammar import load_grammar; load_grammar('a2ls').count(); "
        "sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
