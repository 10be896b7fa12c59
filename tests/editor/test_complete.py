"""Proposals: what may stand at the cursor."""

from __future__ import annotations

from pathlib import Path

import pytest
from editor_cursor import PAIR, STREAMS, offered

from a2ls_dsl.editor.complete import complete
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.words.entry import Kind
from a2ls_dsl.words.language import SCHEDULE
from a2ls_dsl.words.registry import functions, heads, operators


@pytest.mark.parametrize("text", ["|", "lo|", f"loss a = {PAIR}\n|", '# c\nimport "curl.a2l"\n|'])
def test_a_line_begins_with_loss_or_import(text: str) -> None:
    assert offered(text)[-2:] == ["loss", "import"]


def test_a_term_is_an_operator_or_a_loss_from_above() -> None:
    text = f'import "curl.a2l"\nloss one = {PAIR}\nloss two = 0.5 * one + |\nloss three = {PAIR}'
    assert offered(text) == [*operators, SCHEDULE, "curl", "one"]
    assert SCHEDULE not in offered("loss a = 0.5 * |")


def test_a_set_holds_streams_and_functions() -> None:
    assert offered("loss a = mse({ |") == [*STREAMS, *functions]
    assert offered("loss a = mse({ s[t], a|") == [*STREAMS, *functions]
    in_target = [function for function in functions if function not in ("rollout", "visited")]
    assert offered("loss a = simsr({ s[t] } -> { |") == [*STREAMS, *in_target, "rollout"]
    assert offered("loss a = mse({ s[t] } -> { |") == [*STREAMS, *in_target]


def test_a_function_takes_what_it_takes() -> None:
    kinds = {
        kind: [function.name for function in functions.values() if function.kind is kind] for kind in Kind
    }
    assert offered("loss a = mse({ crop(|") == ["s", *kinds[Kind.VIEW]]
    assert offered("loss a = mse({ ema(|") == ["s", *kinds[Kind.VIEW]]
    inner = [*kinds[Kind.VIEW], *kinds[Kind.ENCODER], *kinds[Kind.NORMALISER]]
    assert offered("loss a = mse({ value(l2(|") == ["s", *inner]
    assert offered("loss a = mse({ shift(s[t], |") == ["4"]
    assert offered("loss a = mse({ rollout(s[t], |") == ["a"]
    assert offered("loss a = mse({ s[t] } -> { return(|") == ["r"]
    assert offered("loss a = mse({ s[t] } -> { return(r[t], |") == ["value"]
    assert offered("loss a = mse({ s[|") == ["t"]


def snippet(text: str, label: str) -> str:
    """What an editor fills in for a proposal at the end of a text."""
    proposals = complete(text, len(text), None, analyse(text, None))
    return next(proposal.snippet for proposal in proposals if proposal.label == label)


def test_options_are_those_of_the_operator_and_not_given_yet() -> None:
    assert offered(f"loss a = {PAIR} |") == ["against batch", "with"]
    assert offered("loss a = ce({ s[t] } -> { r[t] }) |") == ["with"]
    assert offered("loss a = variance({ s[t] }) |") == ["with"]
    assert offered(f"loss a = {PAIR} against |") == ["batch"]
    assert offered(f"loss a = {PAIR} with |") == ["head", "projector"]
    assert offered("loss a = variance({ s[t] }) with |") == ["projector"]
    assert offered("loss a = ce({ rollout(s[t], a[t]) } -> { r[t] }) with bins = 5, |") == [
        "head",
        "projector",
        "transition",
        "low",
        "high",
        "smoothing",
        "decay",
    ]
    ends = "loss a = ce({ s[t] } -> { r[t] }) with "
    assert snippet(ends, "low") == "low = ${1:0}, high = ${2:0}$0"
    assert snippet(f"{ends}low = -5, ", "high") == "high = ${1:0}$0"
    assert snippet(ends, "bins") == "bins = ${1:65}$0"
    contrast = "loss a = inner({ s[t] } -> { s[t+1] }) against batch"
    assert offered(f"{contrast} with head = mlp(5), |") == ["projector", "temperature"]
    assert offered(f"{contrast} with temperature = |") == ["1"]


def test_heads_and_their_names() -> None:
    own = [name for name in heads if name != "residual"]
    assert offered(f"loss a = {PAIR} with head = |") == offered(f"loss a = {PAIR} with projector = |") == own
    rolled = "loss a = mse({ rollout(s[t], a[t]) } -> { s[t+1] }) with transition = |"
    assert offered(rolled) == [name for name in heads if name != "none"]
    assert "none" not in offered("loss a = ce({ s[t] } -> { r[t] }) with head = |")
    shared = f"loss a = {PAIR} with head = linear as q\nloss b = {PAIR} with head = linear as p + {PAIR}"
    assert offered(f"{shared} with head = linear |") == ["as"]
    assert offered(f"{shared} with head = linear as |") == ["p"]


def test_imports_are_files_beside_and_shipped_losses(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("mine.a2l", "other.a2l", "notes.txt", "below/inner.a2l"):
        (tmp_path / name).write_text(f"loss x = {PAIR}\n")
    library = [f"{name}.a2l" for name in shipped("losses", ".a2l")]
    assert offered("import |") == [f'"{name}"' for name in library]
    assert offered('import "|', tmp_path / "mine.a2l") == ["other.a2l", *library]
    assert offered('import "below/|', tmp_path / "mine.a2l") == ["below/inner.a2l"]
    text = 'import "cu"'
    (proposal, *_) = complete(text, len(text) - 1, None, analyse(text, None))
    assert (proposal.start, proposal.text) == (8, proposal.label), "the quote that is there stays"


def test_comments_and_finished_strings_get_no_proposals() -> None:
    assert offered("# loss |") == []
    assert offered("loss a = mse({ s[t] # and |") == []
    assert offered('import "curl.a2l"|') == []
