"""`a2l lsp` as an editor meets it: a process that is spoken to over its pipes in the protocol's bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from cProfile import Profile
from pathlib import Path
from typing import Any

import pytest
from editor_client import A2L, Editor

from a2ls_dsl.editor.protocol.features import features
from a2ls_dsl.editor.symbols import symbols

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import editor as editor_benchmark

TEXT = """# é 😀 a comment
import "inner.a2l"
loss one=mse({a[t],s[t]}->{s[t+1]}) # 😀
loss two = 0.5 * one + inner
"""
INNER = "loss inner = mse({ s[t] } -> { r[t] })\n"


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    (tmp_path / "inner.a2l").write_text(INNER)
    editor = Editor(tmp_path)
    yield editor
    if editor.process.poll() is None:
        editor.process.kill()


def test_a_session(editor: Editor) -> None:
    """One process for all that an editor asks; starting one takes a second."""
    capabilities = editor.server["capabilities"]
    assert capabilities["positionEncoding"] == "utf-16"
    assert capabilities["textDocumentSync"]["change"] == 1
    assert editor.open("mine.a2l", TEXT) == []

    # hover, with its range
    answer = editor.at("hover", "mine.a2l", 2, 10)
    assert "mean (y − z)²" in answer["contents"]["value"]
    assert answer["range"] == {"start": {"line": 2, "character": 9}, "end": {"line": 2, "character": 12}}

    # completion
    items = editor.at("completion", "mine.a2l", 3, 17)
    assert {"mse", "one", "inner"} <= {item["label"] for item in items}
    (mse,) = [item for item in items if item["label"] == "mse"]
    assert mse["textEdit"]["newText"] == "mse({ $1 } -> { $2 })$0"
    assert mse["insertTextFormat"] == 2

    # formatting replaces the whole text
    request = {
        "textDocument": {"uri": editor.uri("mine.a2l")},
        "options": {"tabSize": 4, "insertSpaces": True},
    }
    (edit,) = editor.ask("textDocument/formatting", **request)
    assert "loss one = mse({ s[t], a[t] } -> { s[t+1] })  # 😀\n" in edit["newText"]
    assert edit["range"]["end"] == {"line": 4, "character": 0}

    # outline and definitions
    symbols = editor.ask("textDocument/documentSymbol", textDocument={"uri": editor.uri("mine.a2l")})
    assert [symbol["name"] for symbol in symbols] == ["one", "two"]
    assert editor.at("definition", "mine.a2l", 3, 18)["range"]["start"] == {"line": 2, "character": 5}
    assert editor.at("definition", "mine.a2l", 3, 25)["uri"] == editor.uri("inner.a2l")

    # an unsaved change of a file that another one imports, and back
    editor.open("inner.a2l", INNER)
    assert editor.wait("mine.a2l") == []
    editor.change("inner.a2l", 2, INNER.replace("inner", "other"))
    assert [diagnostic["code"] for diagnostic in editor.wait("mine.a2l")] == ["A2L105", "A2L026"]
    editor.tell("textDocument/didClose", textDocument={"uri": editor.uri("inner.a2l")})
    assert editor.wait("mine.a2l") == []

    # a file with errors is not formatted
    editor.change("mine.a2l", 2, "loss broken = mse({ s[t]")
    assert editor.wait("mine.a2l")[0]["code"] == "A2L011"
    assert editor.ask("textDocument/formatting", **request) is None

    # a fix that is an edit is offered where its message stands
    editor.change("mine.a2l", 3, "# 😀\nloss near = mze({ s[t] } -> { s[t+1] })")
    (answer,) = editor.wait("mine.a2l")
    (fix,) = editor.ask(
        "textDocument/codeAction",
        textDocument={"uri": editor.uri("mine.a2l")},
        range=answer["range"],
        context={"diagnostics": []},
    )
    assert fix["title"] == "did you mean `mse`?"
    place = answer["range"]["start"]
    said = editor.at("hover", "mine.a2l", place["line"], place["character"])["contents"]["value"]
    assert "**A2L021**" in said  # what `a2l explain` says
    assert fix["edit"]["changes"] == {
        editor.uri("mine.a2l"): [{"range": answer["range"], "newText": "mse"}],
    }
    assert editor.leave() == 0


def test_names_in_several_files(editor: Editor) -> None:
    """References, highlights and renames, of which other files are part."""
    assert editor.open("mine.a2l", TEXT) == []
    mine, inner = editor.uri("mine.a2l"), editor.uri("inner.a2l")

    def place(line: int, start: int, end: int) -> dict[str, Any]:
        return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}

    request = {"textDocument": {"uri": mine}, "position": {"line": 3, "character": 25}}
    defined = {"uri": inner, "range": place(0, 5, 10)}
    used = {"uri": mine, "range": place(3, 23, 28)}
    every = editor.ask("textDocument/references", **request, context={"includeDeclaration": True})
    assert sorted(every, key=str) == sorted([defined, used], key=str)
    assert editor.ask("textDocument/references", **request, context={"includeDeclaration": False}) == [used]
    assert editor.at("documentHighlight", "mine.a2l", 3, 25) == [{"range": used["range"]}]
    assert editor.at("prepareRename", "mine.a2l", 3, 25) == used["range"]
    assert editor.at("prepareRename", "mine.a2l", 0, 3) is None
    edit = editor.ask("textDocument/rename", **request, newName="outer")
    assert edit["changes"] == {
        inner: [{"range": defined["range"], "newText": "outer"}],
        mine: [{"range": used["range"], "newText": "outer"}],
    }
    assert editor.refused("textDocument/rename", **request, newName="one")["code"] == -32803
    assert editor.at("hover", "mine.a2l", 3, 18)["contents"]["value"].count("# é") == 0
    assert editor.leave() == 0


def test_folds_and_hints(editor: Editor) -> None:
    text = "# 😀\n# two\nloss a = mse({ s[t] } -> { s[t+1] })\n    + mse({ s[t] } -> { r[t] })\n"
    assert editor.open("a.a2l", text) == []
    folds = editor.ask("textDocument/foldingRange", textDocument={"uri": editor.uri("a.a2l")})
    assert [(fold["startLine"], fold["endLine"], fold["kind"]) for fold in folds] == [
        (0, 1, "comment"),
        (2, 3, "region"),
    ]
    shown = {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 99}}
    hints = editor.ask("textDocument/inlayHint", textDocument={"uri": editor.uri("a.a2l")}, range=shown)
    assert [(hint["position"]["character"], hint["label"]) for hint in hints] == [
        (6, "horizon 1"),
        (21, "F"),
        (35, "F"),
    ]
    assert editor.leave() == 0


def test_columns_are_code_units(editor: Editor) -> None:
    """The comment in front holds an é of one unit and a 😀 of two."""
    text = "loss a = mse( # é😀\n{ s[t] } -> # 😀\n{ q[t] }) # 😀\n loss b = /* 😀 */ mse"
    diagnostics = editor.open("mine.a2l", text)
    places = {diagnostic["code"]: diagnostic["range"] for diagnostic in diagnostics}
    assert places["A2L022"] == {"start": {"line": 2, "character": 2}, "end": {"line": 2, "character": 3}}
    wide = editor.open("wide.a2l", 'import "😀😀" loss a = hubr({ s[t] } -> { s[t+1] })')
    (operator,) = [diagnostic for diagnostic in wide if diagnostic["code"] == "A2L021"]
    start = len('import "😀😀" loss a = ') + 2
    assert operator["range"]["start"] == {"line": 0, "character": start}
    assert operator["message"].endswith("fix: did you mean `huber`?")
    assert operator["severity"] == 1


OWN = """
import a2ls_dsl as a2l

print("what is printed goes to no editor")

@a2l.operator("fourth power of the error", example="quartic({ s[t] } -> { s[t+1] })")
def quartic(y, z):
    return (y - z).pow(4).mean()
"""


def test_grammars_and_plugins_and_the_encoding_that_the_editor_prefers(tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(OWN)
    (tmp_path / "pyproject.toml").write_text('[tool.a2l]\nplugins = ["my_ops.py"]\n')
    editor = Editor(tmp_path, ["utf-8", "utf-16"])
    assert editor.server["capabilities"]["positionEncoding"] == "utf-8"
    text = "grammar mine # 😀\nloss = mse({ s[t] } -> { s[t+1] })\nspare = nmse\n"
    (warning,) = editor.open("mine.a2g", text)
    assert (warning["code"], warning["severity"]) == ("A2L251", 2)
    assert "mean (y − z)²" in editor.at("hover", "mine.a2g", 1, 8)["contents"]["value"]
    assert "spare" in {item["label"] for item in editor.at("completion", "mine.a2g", 1, 7)}
    assert editor.at("definition", "mine.a2g", 2, 1)["range"]["start"] == {"line": 2, "character": 0}
    asked = {"textDocument": {"uri": editor.uri("mine.a2g")}}
    (layout,) = editor.ask("textDocument/formatting", **asked, options={"tabSize": 4, "insertSpaces": True})
    assert layout["newText"].endswith("loss  = mse({ s[t] } -> { s[t+1] })\nspare = nmse\n")
    everywhere = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
    assert editor.ask("textDocument/inlayHint", **asked, range=everywhere) == []
    assert editor.ask("textDocument/foldingRange", **asked) == []
    assert editor.open("own.a2l", "loss own = quartic({ s[t], a[t] } -> { s[t+1] })") == []
    assert "fourth power of the error" in editor.at("hover", "own.a2l", 0, 12)["contents"]["value"]
    assert "quartic" in {item["label"] for item in editor.at("completion", "own.a2l", 0, 14)}
    wide = editor.open("wide.a2l", "loss a = mse({ s[t] } -> { é[t] })")
    assert wide[0]["range"]["end"]["character"] == wide[0]["range"]["start"]["character"] + 2
    assert editor.leave() == 0


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    script = f"import sys; sys.modules['pygls'] = None; sys.argv = ['a2l', 'lsp']; {A2L}"
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "pip install 'a2ls-dsl[lsp]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_promises_what_the_documentation_lists(tmp_path: Path) -> None:
    """Every feature of the table, and nothing else, is answered; the other tests ask for each."""
    promised = set(features(lambda: False))
    listed = (Path(__file__).parents[2] / "docs" / "editors.md").read_text(encoding="utf-8")
    for method in promised:
        assert f"`{method.partition('/')[2]}`" in listed, method
        assert method.partition("/")[2] in Path(__file__).read_text(encoding="utf-8")
    capabilities = Editor(tmp_path).server["capabilities"]
    providers = {name for name in capabilities if name.endswith("Provider")} - {"executeCommandProvider"}
    assert len(providers) == len(promised) - 1  # prepareRename is part of rename


@pytest.mark.parametrize("path", editor_benchmark.largest(), ids=lambda path: path.name)
def test_an_answer_is_little_work(path: Path) -> None:
    """`benchmarks/editor.py` says in milliseconds what is counted here: under 50 ms on a slow core."""
    symbols(path.read_text(encoding="utf-8"), path.suffix == ".a2g")
    for method, answer, document, asked in editor_benchmark.requests(path):
        with Profile() as profile:
            editor_benchmark.ask(answer, document, asked)
        calls = sum(entry.callcount for entry in profile.getstats())
        assert calls < 100_000, method


class Stranger(Editor):
    """A client that sends what it likes, without an introduction."""

    def __init__(self, folder: Path) -> None:
        call = [sys.executable, "-c", A2L, "lsp"]
        self.process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.folder, self.published, self._number = folder, dict[str, Any](), 0

    def code_and_text(self, method: str, params: Any) -> tuple[int, str]:
        """Code and text of the error that a request is answered with; `params` may be anything."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while (message := self._receive()).get("id") != self._number:
            continue
        return message["error"]["code"], message["error"]["message"]


def test_every_request_is_answered(tmp_path: Path) -> None:
    """An editor waits for its answer: also where it asks too early, too late, or for nonsense."""
    client = Stranger(tmp_path)
    (tmp_path / "x.a2l").write_text(INNER)
    position = {"textDocument": {"uri": "file:///x.a2l"}, "position": {"line": 0, "character": 0}}
    code, text = client.code_and_text("textDocument/hover", position)
    assert code == -32002
    assert "before initialize" in text
    client.tell("textDocument/didOpen", textDocument={"uri": "file:///x.a2l"})  # dropped
    client.ask("initialize", processId=None, rootUri=None, capabilities={})
    for wrong in ({}, {"textDocument": 3, "position": []}, [1, 2], None):
        code, text = client.code_and_text("textDocument/hover", wrong)
        assert code == -32602
        assert "textDocument/hover" in text
    assert client.code_and_text("textDocument/nonsense", {})[0] == -32601
    client.tell("textDocument/hover", textDocument=3)  # nobody waits
    assert "loss" in str(client.at("hover", "x.a2l", 0, 0))
    client.ask("shutdown")
    assert client.code_and_text("textDocument/hover", position)[0] == -32600
    client.tell("exit")
    assert client.process.wait(timeout=30) == 0


@pytest.mark.parametrize("introduced", [False, True])
def test_an_exit_without_a_shutdown_is_a_failure(tmp_path: Path, introduced: bool) -> None:
    client = Stranger(tmp_path)
    if introduced:
        client.ask("initialize", processId=None, rootUri=None, capabilities={})
    client.tell("exit")
    assert client.process.wait(timeout=30) == 1
