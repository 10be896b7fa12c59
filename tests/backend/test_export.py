"""The exported file: torch only, and the same loss."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import a2l
from hypothesis import given, settings
from strategies import any_losses, losses, windows
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import class_name, export
from a2ls_dsl.backend.export_check import check_export, load_class
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.registry import operators

GOLDEN = Path(__file__).parent / "golden"
SPACES = Spaces(observation=3, action=2, features=4)


def made(cls: type[nn.Module]) -> nn.Module:
    sizes = {"action": SPACES.action, "features": SPACES.features, "data": SPACES.observation}
    return cls(**{name: sizes[name] for name in inspect.signature(cls).parameters})


def arguments(module: nn.Module, window: Window, seed: int) -> dict[str, object]:
    """What `forward` of an exported class takes, by name, without the encoders."""
    given = {
        "observation": window.observation,
        "action": window.action,
        "reward": window.reward,
        "done": window.done,
        "value": estimate,
        "frames": 500,
        "generator": torch.Generator().manual_seed(seed),
    }
    return {name: given[name] for name in inspect.signature(module.forward).parameters if name in given}


def estimate(features: Tensor) -> Tensor:
    return torch.sin(features.sum(dim=1))


def same(loss: Loss, module: nn.Module, compiled: CompiledLoss) -> None:
    """Equal value and gradients with equal parameters, on random windows and equal draws of views."""
    module.double().load_state_dict(compiled.double().state_dict())
    window = windows(SPACES, 6, loss.horizon + 1, seed=1)
    results = []
    for computation in (module, compiled):
        generator = torch.Generator().manual_seed(0)
        online, target = (
            torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
        )
        encoders = (lambda x, w=online: torch.tanh(x @ w), lambda x, w=target: torch.tanh(x @ w))
        if computation is module:
            value = computation(*encoders, **arguments(module, window, 3))
        else:
            value = computation(
                *encoders,
                window,
                value=estimate,
                frames=500,
                generator=torch.Generator().manual_seed(3),
            )
        value.backward()
        assert target.grad is None
        results.append([value.detach(), online.grad, *(p.grad for p in computation.parameters())])
    for exported, other in zip(*results, strict=True):
        torch.testing.assert_close(exported, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_every_shipped_loss_is_the_same_outside(name: str) -> None:
    label, loss = load_one(name)
    same(loss, made(load_class(label, export(label, loss))), compile_loss(loss, SPACES))


def test_brackets_that_only_group_are_not_opened_up() -> None:
    """With a comma behind what they hold, as in a call on several lines, they would be a tuple."""
    target, rest = (
        "{ value(s[t+1]), value(s[t+2]), value(s[t+3]) }",
        "head = linear, decay = 0.3282015015529938",
    )
    term = f"mse({{ rollout(s[t], a[t..t+2]) }} -> {target}) with {rest}"
    loss = loads(f"loss it = linear(0.012345678901, 1.123456789012, 411481) * {term}")["it"]
    same(loss, made(load_class("it", export("it", loss))), compile_loss(loss, SPACES))


@settings(max_examples=40)
@given(losses(terms=3, views=True) | any_losses())
def test_any_loss_is_the_same_outside(loss: Loss) -> None:
    same(loss, made(load_class("some_loss", export("some_loss", loss))), compile_loss(loss, SPACES))


SIDES = ["s[t]", "r[t]", "done[t]", "value(s[t+1])", "return(r[t..t+1], value(s[t+2]))", "l2(s[t+1])"]
OPTIONS = ["", " against batch", " with temperature = 0.5", " with decay = 0.5"]
ROLLOUTS = [
    "{op}({{ rollout(s[t], a[t..t+1]) }} -> {{ value(s[t+1]), value(s[t+2]) }}){options}",
    "{op}({{ rollout(s[t], a[t..t+1]) }} -> {{ return(r[t], value(s[t+1])), return(r[t+1], value(s[t+2])) }})"
    "{options}",
]


def lone_terms() -> Iterator[str]:
    """Every operator on sets of one element: what an exported file writes as one expression."""
    for entry in operators.values():
        for options in OPTIONS:
            if entry.unary:
                yield f"{entry.name}({{ s[t] }}){options}"
            for target in SIDES:
                term = f"{entry.name}({{ s[t] }} -> {{ {target} }}){options}"
                yield term
                yield f"2 * {term} + mse({{ s[t] }} -> {{ r[t] }})"
            for rollout in ROLLOUTS:
                yield rollout.format(op=entry.name, options=options)


def test_every_operator_on_a_lone_element_is_the_same_outside() -> None:
    """Brackets stand where they have to, whatever stands inside whatever."""
    tried: dict[str, int] = {}
    for text in lone_terms():
        try:
            loss = loads(f"loss it = {text}")["it"]
        except LanguageError:
            continue  # the checker's to test
        check_export("it", loss, export("it", loss))
        operator = text.removeprefix("2 * ").split("(")[0]
        tried[operator] = tried.get(operator, 0) + 1
    assert tried.keys() == operators.keys() - {"mico", "bisim", "simsr"}  # they need a reward and a state
    assert tried["inner"] > 20


def test_losses_of_the_extended_grammar_are_the_same_outside() -> None:
    grammar, rng = load_grammar("extended"), np.random.default_rng(0)
    for _ in range(60):
        loss = grammar.sample(rng)
        check_export("it", loss, export("it", loss))


def test_a_file_that_fails_is_not_handed_out(tmp_path: Path) -> None:
    """The text is run: one without its brackets is refused, and so is one that gives another number."""
    loss = loads("loss it = inner({ s[t] } -> { value(s[t+1]) })")["it"]
    text = export("it", loss)
    assert "inner(prediction, worth * (1 - d[1]), against_batch=False)" in text
    with pytest.raises(A2lError, match="fails: RuntimeError"):
        check_export("it", loss, text.replace("worth * (1 - d[1])", "worth @ (1 - d[1])"))
    with pytest.raises(A2lError, match="where the loss is"):
        check_export("it", loss, text.replace("(1 - d[1])", "(1 - d[0])"))


def test_every_shipped_loss_is_typed(tmp_path: Path) -> None:
    """With the options of the package's own check, so that what that knows of torch is known here."""
    for name in shipped("losses", ".a2l"):
        label, loss = load_one(name)
        (tmp_path / f"{name}.py").write_text(export(label, loss))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\npython_version = 3.11\n")
    cache = Path(__file__).parents[2] / ".mypy_cache"
    done = subprocess.run(
        [*(sys.executable, "-m", "mypy", "--config-file", "mypy.ini"), "--cache-dir", cache, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_encoders_may_flatten_by_view() -> None:
    """Frames come contiguous, as CURL's and DrQ-v2's encoders want them, whatever has been done to them."""
    alone = ("crop(s[t])", "shift(s[t])", "mask(s[t])", "intensity(s[t])")
    for views in (*alone, "mask(shift(crop(s[t])))", "intensity(shift(s[t]))"):
        loss = loads(f"loss it = mse({{ {views} }} -> {{ {views} }}) with head = linear")["it"]
        spaces = Spaces.of((3, 12, 12), 2, 4)
        whole = torch.randint(0, 256, (5, 1, 3, 16, 16), dtype=torch.uint8)
        last = whole[..., 2:14, 2:14].movedim(-3, -1).contiguous().movedim(-1, -3)  # channels last
        window = Window(last, torch.zeros(5, 1, 2), torch.zeros(5, 1), uncropped=whole)

        def encoder(x: Tensor) -> Tensor:
            assert x[0].is_contiguous()
            return x.view(len(x), -1)[:, :4].float().requires_grad_()

        given = {name: part for name, part in vars(window).items() if part is not None and name != "done"}
        module = load_class("it", export("it", loss))(2, 4)
        if "crop" not in views:
            del given["uncropped"]
        assert module(encoder, encoder, **given).isfinite()
        assert compile_loss(loss, spaces)(encoder, encoder, window).isfinite()
        stack = StackedLoss.of([loss, loss], spaces, CounterRng(torch.tensor([0, 1])))
        if "crop" in views:
            continue  # a stack's replay cuts its crops

        def encode(x: Tensor) -> Tensor:
            assert x[0, 0].is_contiguous()
            return x.view(*x.shape[:2], -1)[..., :4].float().requires_grad_()

        two = Window(
            *(torch.stack([tensor, tensor]) for tensor in (window.observation, window.action, window.reward))
        )
        agent = StackAgent(
            encode, encode, rng=CounterRng(torch.tensor([0, 1])), counter=torch.zeros(2).long()
        )
        assert stack(encode, encode, two, agent).isfinite().all()


def test_views_of_frames_are_the_same_outside() -> None:
    """Crops are cut out of the whole frames, each with a draw of its own, and then moved."""
    text = "loss it = mse({ shift(crop(s[t])), mask(s[t]) } -> { intensity(crop(s[t])), o[t] })"
    loss = loads(text)["it"]
    spaces = Spaces.of((3, 12, 12), 2, 4)
    module, compiled = load_class("it", export("it", loss))(2, 4, spaces.data), compile_loss(loss, spaces)
    module.load_state_dict(compiled.state_dict())
    numbers = torch.Generator().manual_seed(0)
    whole = torch.randint(0, 256, (5, 1, 3, 16, 16), dtype=torch.uint8, generator=numbers)
    seen, action, reward = whole[..., 2:14, 2:14], torch.zeros(5, 1, 2), torch.zeros(5, 1)
    inputs: list[Tensor] = []

    def encoder(x: Tensor) -> Tensor:
        inputs.append(x.float())
        return x.float().flatten(1)[:, :4] / 255

    window = Window(seen, action, reward, uncropped=whole)
    values = [
        compiled(encoder, encoder, window, generator=torch.Generator().manual_seed(1)),
        module(
            *(encoder, encoder, seen, action, reward),
            uncropped=whole,
            generator=torch.Generator().manual_seed(1),
        ),
    ]
    torch.testing.assert_close(values[0], values[1])
    for mine, other in zip(inputs[:2], inputs[2:], strict=True):
        assert torch.equal(mine, other)
    assert not torch.equal(inputs[0][:5], seen[:, 0].float())


def test_the_file_runs_in_a_process_without_the_package(tmp_path: Path) -> None:
    """Written by the command, and imported where this package can't be."""
    path = tmp_path / "winner.py"
    done = a2l("compile", "a2_winner", "-o", path)
    assert done.returncode == 0, done.stderr
    assert "class A2Winner(action, features)" in done.stdout
    script = (
        "import sys, importlib.abc\n"
        "class Block(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'a2ls_dsl': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import torch\n"
        "from winner import A2Winner\n"
        "loss = A2Winner(action=2, features=3)\n"
        "value = loss(torch.tanh, torch.tanh, torch.ones(4, 4, 3), torch.ones(4, 4, 2), torch.ones(4, 4))\n"
        "value.backward()\n"
        "print(loss.horizon, value.isfinite().item())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "3 True\n", done.stderr


CLEAN = """
import importlib, importlib.abc, inspect, json, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'a2ls_dsl': raise ImportError(name)
sys.meta_path.insert(0, Block())
import torch
for name, cls in json.load(open('names.json')).items():
    case = torch.load(name + '.pt')
    made = getattr(importlib.import_module(name), cls)
    sizes = dict(action=2, features=4, data=3)
    module = made(**{key: sizes[key] for key in inspect.signature(made).parameters}).double()
    module.load_state_dict(case['state'])
    given = case['window'] | dict(
        value=lambda f: torch.sin(f.sum(dim=1)), frames=500, generator=torch.Generator().manual_seed(3)
    )
    wanted = inspect.signature(module.forward).parameters
    online, target = case['encoders']
    online.requires_grad_()
    value = module(
        lambda x: torch.tanh(x @ online),
        lambda x: torch.tanh(x @ target),
        **{key: each for key, each in given.items() if key in wanted},
    )
    value.backward()
    found = [value.detach(), online.grad, *(each.grad for each in module.parameters())]
    for one, other in zip(found, case['expected'], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    print(name)
"""


def test_every_shipped_loss_is_the_same_in_a_process_without_the_package(tmp_path: Path) -> None:
    """Value and gradients, with the parameters, the window and the draws that the module here had."""
    names = {}
    for name in shipped("losses", ".a2l"):
        label, loss = load_one(name)
        compiled = compile_loss(loss, SPACES).double()
        window = windows(SPACES, 6, loss.horizon + 1, seed=1)
        numbers = torch.Generator().manual_seed(0)
        online, target = torch.randn(2, 3, 4, dtype=torch.float64, generator=numbers)
        online.requires_grad_()
        value = compiled(
            *(lambda x, w=online: torch.tanh(x @ w), lambda x, w=target: torch.tanh(x @ w), window),
            value=estimate,
            frames=500,
            generator=torch.Generator().manual_seed(3),
        )
        value.backward()
        parts = {key: tensor for key, tensor in vars(window).items() if tensor is not None}
        case = {
            "state": compiled.state_dict(),
            "window": parts,
            "encoders": [online.detach(), target],
            "expected": [
                value.detach(),
                online.grad,
                *(parameter.grad for parameter in compiled.parameters()),
            ],
        }
        torch.save(case, tmp_path / f"{name}.pt")
        (tmp_path / f"{name}.py").write_text(export(label, loss))
        names[name] = class_name(label)
    (tmp_path / "names.json").write_text(json.dumps(names))
    done = subprocess.run(
        [sys.executable, "-c", CLEAN], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(names)


@pytest.mark.parametrize("name", ["a2_winner", "tdmpc2", "spr_rollout"])
def test_the_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.py.txt", export(name, load_one(name)[1]))


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


def test_the_file_imports_torch_only_and_is_clean(tmp_path: Path) -> None:
    for name in shipped("losses", ".a2l"):
        label, loss = load_one(name)
        text = export(label, loss)
        roots = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert roots <= {"math", "collections", "torch"}
        (tmp_path / f"{label}.py").write_text(text)
    lint = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F,E",
        "--line-length",
        "110",
        ".",
    ]
    done = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


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
