"""The recipes of docs/how_it_works.md, carried out on a copy: an addition is one file and its test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

OPERATOR = '''"""The mean absolute difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    "mean absolute difference",
    example="absolute({ s[t], a[t] } -> { s[t+1] })",
    stacks=True,
    text="mean |y − z|",
    latex=r"\\tfrac{{1}}{{D}} \\lVert {y} - {z} \\rVert_1",
)
def absolute(y: Tensor, z: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (y - z).abs().mean(dim=(-2, -1))
'''

VIEW = '''"""Vectors with their sign turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sees
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import view

if TYPE_CHECKING:
    from torch import Tensor

    from a2ls_dsl.words.draws import Draws


@view(
    "turns the sign of this share of the samples",
    example="mirror(s[t], 0.5)",
    parameters=(Number("share", 0.5, Range(0, 1)),),
    sees=Sees.VECTORS,
    stacks=True,
)
def mirror(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Observations, some of them negative."""
    return x * (1 - 2 * (draws.uniform(x, x.shape[-2], 1) < share).to(x))
'''

USE = """
import sys

import torch
from torch import nn

import a2ls_dsl as a2l
from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.stacked.general import StackAgent
from a2ls_dsl.backend.stacked.loss import StackedLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.lang.syntax.printer import print_loss

text = "absolute({ mirror(s[t], 0.25), a[t] } -> { mirror(s[t+1]) })"
loss = a2l.loads(f"loss mine = {text}")
assert print_loss(loss) == text
assert "lVert y - z" in latex("mine", loss), latex("mine", loss)
plain = a2l.loads("loss plain = absolute({ s[t], a[t] } -> { s[t+1] })")

torch.manual_seed(0)
window = a2l.Window(torch.randn(8, 2, 3), torch.rand(8, 2, 2), torch.rand(8, 2))
encoder, target = nn.Linear(3, 4), nn.Linear(3, 4)
module = a2l.compile(plain, 3, 2, 4)
row = torch.cat([encoder(window.observation[:, 0]), window.action[:, 0]], dim=1)
expected = (module.heads[0](row) - target(window.observation[:, 1])).abs().mean()
torch.testing.assert_close(module(encoder, target, window), expected)

module = a2l.compile(loss, 3, 2, 4)
optimizer = torch.optim.Adam([*module.parameters(), *encoder.parameters()], lr=0.01)
draw = lambda: torch.Generator().manual_seed(1)
before = module(encoder, target, window, generator=draw())
before.backward()
optimizer.step()
assert module(encoder, target, window, generator=draw()) < before

names = {}
exec(compile(export("mine", loss), "mine.py", "exec"), names)
outside = names["Mine"](2, 4)
outside.load_state_dict(module.state_dict())
tensors = window.observation, window.action, window.reward
torch.testing.assert_close(
    outside(encoder, target, *tensors, generator=draw()), module(encoder, target, window, generator=draw())
)

rng = CounterRng(torch.arange(3))
stack = StackedLoss.of([loss, None, loss], Spaces(3, 2, 4), rng)
many = a2l.Window(*(each.expand(3, *each.shape) for each in tensors))
encode = lambda x, members=None: encoder(x)
agent = StackAgent(encode, encode, rng=rng, counter=torch.zeros(3, dtype=torch.int64))
values = stack(encode, encode, many, agent)
values.sum().backward()
assert values[0] > 0 and values[1] == 0 and values[2] > 0
assert all(each.grad is not None for each in stack.parameters())

sys.argv = ["write_tables.py"]
import runpy

try:
    runpy.run_path("tools/write_tables.py", run_name="__main__")
except SystemExit as end:
    assert not end.code
"""


def test_an_operator_and_a_view_are_a_file_each(tmp_path: Path) -> None:
    """Checked, printed, compiled, trained, exported and stacked; the reference and the editors follow."""
    for folder in ("a2ls_dsl", "grammars", "losses", "editors", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "language.md", tmp_path / "docs")
    (tmp_path / "a2ls_dsl" / "words" / "operators" / "absolute.py").write_text(OPERATOR, encoding="utf-8")
    (tmp_path / "a2ls_dsl" / "words" / "views" / "mirror.py").write_text(VIEW, encoding="utf-8")
    (tmp_path / "mine.a2l").write_text(
        "loss mine = absolute({ mirror(s[t]), a[t] } -> { s[t+1] })\n", encoding="utf-8"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("-c", USE)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "docs" / "language.md").read_text(encoding="utf-8")
    assert "| `absolute` | mean \\|y − z\\| |" in reference
    assert "| `mirror(s[t], 0.5)` | turns the sign of this share of the samples |" in reference
    for language in ("a2l", "a2g"):
        colours = (tmp_path / "editors" / f"{language}.tmLanguage.json").read_text(encoding="utf-8")
        assert "(?:absolute|" in colours or "|absolute|" in colours
        assert "|mirror|" in colours or "mirror|" in colours
    checked = run("-m", "a2ls_dsl", "check", "mine.a2l")
    assert checked.returncode == 0, checked.stderr
    wrong = run("-c", "import a2ls_dsl as a2l; a2l.loads('loss x = absolut({ s[t] } -> { r[t] })')")
    assert "did you mean `absolute`" in wrong.stderr
