"""What an exported file says of windows and agents of another shape; what is never written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from backend.exported import estimate, made
from forked import a2l
from torch import Tensor

from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.export_check import check_export, load_class
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import loads


def test_a_file_that_fails_is_not_handed_out(tmp_path: Path) -> None:
    """The text is run: one without its brackets is refused, and so is one that gives another number."""
    loss = loads("loss it = inner({ s[t] } -> { value(s[t+1]) })")["it"]
    text = export("it", loss)
    assert "inner(prediction, worth * (1 - d[1]), against_batch=False)" in text
    with pytest.raises(A2lError, match="fails: RuntimeError"):
        check_export("it", loss, text.replace("worth * (1 - d[1])", "worth @ (1 - d[1])"))
    with pytest.raises(A2lError, match="where the loss is"):
        check_export("it", loss, text.replace("(1 - d[1])", "(1 - d[0])"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reward": (5, 4, 1)}, r"reward has the shape \(5, 4, 1\), expected \(B, steps\)"),
        ({"reward": (5, 3)}, r"reward has the shape \(5, 3\), expected .* 2 windows of 4 steps"),
        ({"reward": (1, 4)}, r"reward has the shape \(1, 4\), expected .* 2 windows of 4 steps"),
        ({"observation": (5, 4)}, r"observation has the shape \(5, 4\), expected \(5, 4, \.\.\.\)"),
        ({"observation": (4, 5, 3)}, r"observation has the shape \(4, 5, 3\), expected \(5, 4, \.\.\.\)"),
        ({"action": (5, 4, 3)}, r"action has the shape \(5, 4, 3\), expected \(5, 4, 2\)"),
        ({"action": (5, 3, 2)}, r"action has the shape \(5, 3, 2\), expected \(5, 4, 2\)"),
        ({"done": (5, 4, 1)}, r"done has the shape \(5, 4, 1\), expected \(5, 4\)"),
    ],
    ids=lambda case: str(case) if isinstance(case, dict) else "",
)
def test_windows_of_another_shape_are_explained(changed: dict[str, tuple[int, ...]], message: str) -> None:
    text = "loss it = mse({ s[t], a[t] } -> { return(r[t..t+2], value(s[t+3])), r[t] })"
    module = made(load_class("it", export("it", loads(text)["it"])))
    shapes = {"observation": (5, 4, 3), "action": (5, 4, 2), "reward": (5, 4), "done": (5, 4)}

    def call(shapes: dict[str, tuple[int, ...]]) -> Tensor:
        windows = {name: torch.ones(shape) for name, shape in shapes.items()}
        return module(lambda x: x[:, [0, 1, 2, 0]], lambda x: x[:, [0, 1, 2, 0]], value=estimate, **windows)

    assert call(shapes).isfinite()
    with pytest.raises(ValueError, match=message):
        call(shapes | changed)


def test_what_an_agent_gives_in_another_shape_is_explained() -> None:
    text = "loss it = linear(1, 0, 10) * mse({ crop(s[t]), a[t] } -> { value(s[t+1]) })"
    module = made(load_class("it", export("it", loads(text)["it"])))
    window = {"observation": torch.ones(5, 2, 4), "action": torch.ones(5, 2, 2), "reward": torch.ones(5, 2)}
    agent = {"done": torch.zeros(5, 2), "value": lambda x: x.sum(dim=1), "frames": 0}

    def call(encoder: Callable[[Tensor], Tensor], **changed: object) -> Tensor:
        return module(encoder, encoder, **window | agent | changed)

    assert call(lambda x: x).isfinite()
    with pytest.raises(ValueError, match=r"the encoder gives the shape \(5, 3\), expected \(5, 4\)"):
        call(lambda x: x[:, :3])
    with pytest.raises(ValueError, match=r"the value gives the shape \(5, 2\), expected \(5,\)"):
        call(lambda x: x, value=lambda x: x[:, :2])
    with pytest.raises(TypeError, match="reward is of the type ndarray, expected a Tensor"):
        call(lambda x: x, reward=np.ones((5, 2)))
    frames = torch.ones(5, 2, 3, 8, 8)
    with pytest.raises(ValueError, match="uncropped is missing"):
        call(lambda x: x.flatten(1)[:, :4], observation=frames)
    with pytest.raises(ValueError, match=r"uncropped has the shape \(5, 2, 3, 7, 7\)"):
        call(lambda x: x.flatten(1)[:, :4], observation=frames, uncropped=frames[..., 1:, 1:])
    del agent["frames"]
    with pytest.raises(TypeError, match="frames"):
        call(lambda x: x)


def test_a_folder_that_is_not_there_is_explained(tmp_path: Path) -> None:
    done = a2l("compile", "curl", "-o", tmp_path / "nowhere" / "x.py")
    assert done.returncode == 2
    assert "check the path" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_python_files_are_written(tmp_path: Path) -> None:
    """`-o` must not replace the loss it reads."""
    path = tmp_path / "mine.a2l"
    path.write_text("loss mine = mse({ s[t] } -> { s[t+1] })\n")
    for output in (path, tmp_path, "/", ""):
        done = a2l("compile", path, "-o", output)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert path.read_text().startswith("loss mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.a2l"]
