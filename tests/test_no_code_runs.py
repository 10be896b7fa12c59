"""Nothing that a loss, a grammar, a study or a checkpoint holds is ever run as code."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import a2l
from paper_losses import paper_shaped

from a2ls_dsl.backend.export import class_name, export
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.store import DATABASE
from a2ls_dsl.search.study.study import Study


class Payload:
    """Whoever unpickles it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.marker),)


def in_npz(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("member.npy", content)
        archive.writestr("values.json.npy", npy(np.frombuffer(b"{}", dtype=np.uint8)))
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def torch_file(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


# The same length, so that the header stays one.
HUGE = b"(33333333333333,)}"

HOSTILE: dict[str, Callable[[Payload], bytes]] = {
    "an array of objects": lambda payload: in_npz(npy(np.array([payload], dtype=object))),
    "such an array by itself": lambda payload: npy(np.array([payload], dtype=object)),
    "a pickle": lambda payload: pickle.dumps(payload),
    "a pickle as a member": lambda payload: in_npz(pickle.dumps(payload)),
    "a file of torch": torch_file,
    "a plain array": lambda payload: npy(np.zeros(3)),
    "an array too large": lambda payload: in_npz(
        npy(np.zeros(3)).replace(b"(3,)", b"(3333333333333333,)")[:128]
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_checkpoint_that_is_something_else_is_refused_and_not_run(kind: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "checkpoint.npz", tmp_path / "pwned"
    path.write_bytes(HOSTILE[kind](Payload(marker)))
    with pytest.raises(A2lError, match="is not a checkpoint"):
        checkpoint.load(path)
    assert not marker.exists()


def test_the_payload_would_run(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    path, marker = tmp_path / "checkpoint.npz", tmp_path / "pwned"
    path.write_bytes(HOSTILE["an array of objects"](Payload(marker)))
    with np.load(path, allow_pickle=True) as file:
        _ = file["member"]
    assert marker.is_dir()


TEXTS = [
    "__import__('os').mkdir('pwned')",
    '"""\nimport os; os.mkdir("pwned")\n"""',
    "{0.__class__.__init__.__globals__}",
    "${os.mkdir('pwned')}",
    "`mkdir pwned`",
    "!!python/object/apply:os.mkdir [pwned]",
    "mse({ s[t] } -> { s[t+1] }) with head = __import__('os')",
    "mse({ s[(lambda: 0)()] } -> { s[t+1] })",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_loss_is_refused(text: str) -> None:
    for program in (text, f"loss mine = {text}", f"loss {text} = mse({{ s[t] }} -> {{ s[t+1] }})"):
        with pytest.raises(A2lError):
            loads(program)
    with pytest.raises(A2lError):
        parse_grammar(f"grammar mine for k in 1..2\nloss = {text}\n")
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "name",
    [*paper_shaped(), "none", "true", "f", "tensor", "callable", "math", "_1", "__", "__init__", "a__b"],
)
def test_an_exported_file_defines_and_runs_nothing(name: str) -> None:
    """Whatever the loss is called: a docstring, imports of torch, functions, and one class that works."""
    text = load_one(name)[1] if name in paper_shaped() else loads(f"loss {name} = {LOSS}")[name]
    written = export(name, text)
    body = ast.parse(written).body
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    assert all(isinstance(node, allowed) for node in body[1:])
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    namespace: dict[str, type[torch.nn.Module]] = {}
    exec(written, namespace)  # noqa: S102  (of our own making)
    loss = namespace[class_name(name)](action=2, features=3)
    steps = loss.horizon + 1
    windows = torch.rand(4, steps, 3), torch.rand(4, steps, 2), torch.rand(4, steps)
    assert loss(torch.tanh, torch.tanh, *windows).isfinite()


LOSS = "cosine({ s[t], a[t] } -> { s[t+1] })"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{outside}", "outside.py", "../outside.py", "../nowhere/..", "", "C:\\\\outside"]
)
def test_an_import_reads_loss_files_only(path: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("import os; os.mkdir('pwned')\n")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "outside.py").write_text(outside.read_text())
    main = tmp_path / "inside" / "main.a2l"
    named = path.replace("{outside}", str(outside))
    main.write_text(f'import "{named}"\nloss mine = mse({{ s[t] }} -> {{ s[t+1] }})\n')
    with pytest.raises(A2lError) as caught:
        load_one(str(main))
    assert "os.mkdir" not in str(caught.value)
    assert "root:" not in str(caught.value)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    settings = quick("walker-walk")
    with Study(tmp_path / "study", settings, settings.space()):
        pass
    change(
        tmp_path / "study",
        "INSERT INTO candidates (id, key, text, generation, origin, parents, status, score, training_score)"
        " VALUES (9, 'k', 'mse({ s[t], a[t] } -> { s[t+1] })', 1, 'random', '[]', 'scored', 1.0, 1.0)",
    )
    return tmp_path / "study"


def best(study: Path) -> subprocess.CompletedProcess[str]:
    return a2l("best", study, cwd=study.parent)


def change(study: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(study / DATABASE)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_texts_in_a_study_are_shown_and_never_run(study: Path) -> None:
    """What is no loss is shown as it stands; whoever needs the loss gets an error."""
    assert "mse({ s[t], a[t] } -> { s[t+1] })" in best(study).stdout
    for text in TEXTS:
        change(study, "UPDATE candidates SET text = ? WHERE id = 9", text)
        with StudyReader(study) as reader, pytest.raises(A2lError):
            _ = reader.leaderboard()[-1].loss
    done = best(study)
    assert done.returncode == 0
    assert TEXTS[-1] in done.stdout
    assert not (study.parent / "pwned").exists()


@pytest.mark.parametrize("column", ["origin", "parents"])
def test_a_row_of_another_kind_is_explained(column: str, study: Path) -> None:
    change(study, f"UPDATE candidates SET {column} = ? WHERE id = 9", TEXTS[0])
    with StudyReader(study) as reader, pytest.raises(A2lError, match="candidate 9"):
        reader.leaderboard()


@pytest.mark.parametrize("name", ["grammar", "env", "operator", "strategy", "__class__"])
def test_settings_of_another_kind_are_refused_and_not_run(name: str, study: Path) -> None:
    with sqlite3.connect(study / DATABASE) as connection:
        (text,) = connection.execute("SELECT value FROM meta WHERE name = 'settings'").fetchone()
    connection.close()
    data = json.loads(text) | {name: TEXTS[0]}
    change(study, "UPDATE meta SET value = ? WHERE name = 'settings'", json.dumps(data))
    done = best(study)
    assert "Traceback" not in done.stderr
    assert not (study.parent / "pwned").exists()


def test_sql_in_a_study_loads_no_library(study: Path) -> None:
    """A trigger is run by whoever writes the table; SQLite's door to code is shut, in it and beside it."""
    with StudyReader(study) as reader, pytest.raises(sqlite3.OperationalError, match="not authorized"):
        reader._connection.execute("SELECT load_extension('./pwned')")
    body = "BEFORE UPDATE ON meta BEGIN SELECT load_extension('./pwned'); END"
    change(study, f"CREATE TRIGGER opens {body}")
    settings = quick("walker-walk")
    with pytest.raises(A2lError, match=r"unsafe use of load_extension|not authorized"):
        Study(study, settings, settings.space())
