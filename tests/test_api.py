"""What a stranger's agent uses: the five lines, and the errors it can meet."""

from __future__ import annotations

import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import a2ls_dsl as a2l
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.export_check import load_class


def make() -> tuple[a2l.CompiledLoss, nn.Module, nn.Module, a2l.Window]:
    module = a2l.compile(a2l.load("a2_winner"), observation=24, action=6, features=50)
    observation, action, reward = torch.randn(32, 4, 24), torch.rand(32, 4, 6), torch.rand(32, 4)
    return module, nn.Linear(24, 50), nn.Linear(24, 50), a2l.Window(observation, action, reward)


def test_five_lines_train_an_encoder() -> None:
    module, encoder, target, window = make()
    optimizer = torch.optim.Adam([*encoder.parameters(), *module.parameters()], lr=1e-3)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = module(encoder, target, window)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]
    assert encoder.weight.grad is not None
    assert target.weight.grad is None


def test_spaces_may_be_objects_with_a_shape() -> None:
    box = SimpleNamespace(shape=(4, 6))
    module = a2l.compile(a2l.load("forward_dynamics"), box, SimpleNamespace(shape=()), features=8)
    assert (module.spaces.observation, module.spaces.action) == (24, 1)


def test_a_module_is_an_ordinary_module(tmp_path: object) -> None:
    module, encoder, target, window = make()
    twin = a2l.compile(a2l.load("a2_winner"), observation=24, action=6, features=50)
    twin.load_state_dict(module.state_dict())
    torch.testing.assert_close(twin(encoder, target, window), module(encoder, target, window))
    assert module.horizon == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: a2l.Window(w.observation[:, :3], w.action[:, :3], w.reward[:, :3]), "windows of 4 steps"),
        (lambda w: a2l.Window(w.observation[..., :5], w.action, w.reward), "observations here have 24"),
        (lambda w: a2l.Window(w.observation, w.action[..., :5], w.reward), "actions here have 6 numbers"),
        (lambda w: a2l.Window(w.observation[0], w.action[0], w.reward[0]), "first dimension"),
        (lambda w: a2l.Window(w.observation[:1], w.action[:1], w.reward[:1]), "two windows or more"),
    ],
)
def test_windows_that_do_not_fit_are_refused(change: object, words: str) -> None:
    module, encoder, target, window = make()
    with pytest.raises(a2l.A2lError) as error:
        module(encoder, target, change(window))  # type: ignore[operator]
    assert words in error.value.render()


def test_unknown_losses_and_names_are_refused() -> None:
    with pytest.raises(a2l.A2lError, match="a2_wimmer"):
        a2l.load("a2_wimmer")
    with pytest.raises(AttributeError, match="nonsense"):
        a2l.nonsense  # noqa: B018
    with pytest.raises(a2l.A2lError, match="at least one number"):
        a2l.compile(a2l.load("curl"), observation=0, action=1, features=3)
    with pytest.raises(a2l.A2lError, match="0 features"):
        a2l.compile(a2l.load("curl"), observation=2, action=1, features=0)
    with pytest.raises(a2l.A2lError, match="is not a loss"):
        a2l.compile("curl", observation=2, action=1, features=3)
    assert {"compile", "load", "Window"} <= set(dir(a2l))


def test_the_package_alone_does_not_import_torch() -> None:
    code = "import sys, a2ls_dsl; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Space:
    """The attributes that a space of Gymnasium or dm_env has."""

    def __init__(self, shape: object, **others: object) -> None:
        self.shape = shape
        self.__dict__ |= others


@pytest.mark.parametrize(
    ("observation", "action", "sizes"),
    [
        (np.int64(24), np.prod((2, 3)), (24, 6)),
        ((24,), [6][0], (24, 6)),
        ((3, 8, 8), Space((2,)), (192, 2)),
        (5, Space((), n=np.int64(6), dtype=np.dtype("int64")), (5, 6)),  # Gymnasium's Discrete
        (5, Space((), num_values=4, dtype=np.dtype("int32")), (5, 4)),  # dm_env's DiscreteArray
        (Space((7,), n=7), 1, (7, 1)),  # Gymnasium's MultiBinary
        (Space((), n=16, dtype=np.dtype("int64")), 1, (16, 1)),
    ],
)
def test_a_size_is_any_whole_number_a_shape_or_a_space(
    observation: object, action: object, sizes: tuple[int, int]
) -> None:
    module = a2l.compile(a2l.load("forward_dynamics"), observation, action, features=np.int32(8))  # type: ignore[arg-type]
    assert (module.spaces.observation, module.spaces.action) == sizes
    assert module.spaces.features == 8


@pytest.mark.parametrize(
    "space",
    [
        Space((2,), nvec=np.array([3, 4])),  # Gymnasium's MultiDiscrete
        Space((), dtype=np.dtype("int32")),
        Space(None),  # Gymnasium's Dict and Tuple
        (Space((), n=6), Space((2,))),  # a tuple of spaces
        (2.5, 3),
        2.5,
        "Discrete(6)",
        None,
    ],
)
def test_a_space_without_a_width_is_refused(space: object) -> None:
    with pytest.raises(a2l.A2lError, match=r"the action space .* has no width") as error:
        a2l.compile(a2l.load("curl"), observation=4, action=space, features=8)  # type: ignore[arg-type]
    assert "one-hot" in str(error.value)
    with pytest.raises(a2l.A2lError, match=r"the observation space .* has no width"):
        a2l.compile(a2l.load("curl"), observation=space, action=4, features=8)  # type: ignore[arg-type]


def test_one_number_for_a_discrete_action_is_refused() -> None:
    """A loss of six one-hot actions was computed on their indices."""
    module = a2l.compile(a2l.load("forward_dynamics"), 3, Space((), n=6), features=4)  # type: ignore[arg-type]
    window = a2l.Window(torch.rand(8, 2, 3), torch.randint(6, (8, 2, 1)), torch.rand(8, 2))
    with pytest.raises(a2l.A2lError, match="one-hot"):
        module(nn.Linear(3, 4), nn.Linear(3, 4), window)
    one_hot = nn.functional.one_hot(window.action[..., 0], 6)
    assert module(
        nn.Linear(3, 4), nn.Linear(3, 4), a2l.Window(window.observation, one_hot, window.reward)
    ).isfinite()


def test_a_loss_with_more_weights_than_anybody_meant_is_warned_of() -> None:
    loss = a2l.loads("loss it = mse({ s[t], a[t] } -> { s[t+1] })")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a2l.compile(loss, (9, 84, 84), 1, features=100)
        hidden = 2 * 39_201
        weights = 39_201 * hidden + hidden + 2 * hidden + hidden * 39_200 + 39_200
        with pytest.raises(UserWarning, match=rf"{weights:,} weights of its own \(24.6 GB .*39201 -> 78402"):
            a2l.compile(loss, (9, 84, 84), 1, features=39_200)


def test_what_else_a_window_may_hold() -> None:
    """Rewards of float64 and actions of whole numbers are taken in the module's own type."""
    module, encoder, target, window = make()
    value = module(encoder, target, window)
    other = a2l.Window(window.observation, window.action.double(), window.reward.double())
    torch.testing.assert_close(module(encoder, target, other), value)
    torch.testing.assert_close(
        module.double()(encoder.double(), target.double(), a2l.Window(*(x.double() for x in parts(window)))),
        value.double(),
        rtol=1e-4,
        atol=1e-6,
    )


def parts(window: a2l.Window) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return window.observation, window.action, window.reward


def test_bytes_are_data_of_a_double_module() -> None:
    loss = a2l.loads("loss it = mse({ s[t] } -> { o[t+1] })")
    module = a2l.compile(loss, (3, 12, 12), 2, features=4).double()
    frames = torch.randint(0, 256, (6, 2, 3, 12, 12), dtype=torch.uint8)
    window = a2l.Window(frames, torch.rand(6, 2, 2), torch.rand(6, 2))
    encoder = nn.Linear(3 * 12 * 12, 4).double()

    def encode(x: torch.Tensor) -> torch.Tensor:
        return encoder(x.double().flatten(1) / 255)

    value = module(encode, encode, window)
    value.backward()
    data = nn.functional.avg_pool2d(frames[:, 1].double() / 255, 4).flatten(1)
    expected = (module.heads[0](encode(frames[:, 0])) - data).square().mean()
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)  # frames are pooled in float32
    outside = load_class("it", export("it", loss))(2, 4, 27).double()
    outside.load_state_dict(module.state_dict())
    torch.testing.assert_close(outside(encode, encode, frames, window.action, window.reward), value)


def test_what_is_missing_or_has_another_shape_is_said() -> None:
    """Each was silent, or an error of torch's."""
    module, encoder, target, window = make()
    observation, action, reward = parts(window)
    frames = torch.zeros(4, 1, 3, 8, 8)

    def seen(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :4]

    def call(text: str, window: a2l.Window, **agent: object) -> None:
        module = a2l.compile(
            a2l.loads(text), window.observation.shape[2:], window.action.shape[2:], features=4
        )
        module(seen, seen, window, **agent)

    for words, wrong in (
        (
            "encoder gives the shape (32, 50) for 32 observations, not (32, 40)",
            lambda: a2l.compile(a2l.load("a2_winner"), 24, 6, 40)(encoder, target, window),
        ),
        (
            "the window's reward is a ndarray, not a tensor",
            lambda: module(encoder, target, a2l.Window(observation, action, reward.numpy())),
        ),
        (
            "has no `uncropped`",
            lambda: call(
                "loss it = mse({ crop(s[t]) } -> { r[t] })",
                a2l.Window(frames, action[:4, :1], reward[:4, :1]),
            ),
        ),
        (
            "can't be crops of `uncropped`",
            lambda: call(
                "loss it = mse({ crop(s[t]) } -> { r[t] })",
                a2l.Window(frames, action[:4, :1], reward[:4, :1], uncropped=frames[..., 2:]),
            ),
        ),
        (
            "no frames were given",
            lambda: call("loss it = linear(0, 1, 100) * mse({ s[t] } -> { r[t] })", window),
        ),
        (
            "the value gives the shape (32, 2)",
            lambda: call(
                "loss it = mse({ s[t] } -> { value(s[t]) })",
                a2l.Window(observation, action, reward, torch.zeros_like(reward)),
                value=lambda x: x[:, :2],
            ),
        ),
        (
            "done has the shape",
            lambda: call(
                "loss it = mse({ s[t] } -> { done[t] })",
                a2l.Window(observation, action, reward, reward[..., None]),
            ),
        ),
        (
            "the window's data has the shape",
            lambda: call(
                "loss it = mse({ s[t] } -> { o[t] })",
                a2l.Window(observation, action, reward, data=observation[..., :3]),
            ),
        ),
        (
            "`o` of such observations has 12 numbers, not 192",
            lambda: a2l.compile(a2l.loads("loss it = mse({ s[t] } -> { o[t] })"), 192, 6, 4)(
                seen, seen, a2l.Window(frames, action[:4, :1], reward[:4, :1])
            ),
        ),
    ):
        with pytest.raises(a2l.A2lError) as error:
            wrong()
        assert words in str(error.value)
        assert "\n  fix: " in str(error.value)


def test_a_text_is_a_loss() -> None:
    text = "loss a = mse({ s[t] } -> { r[t] })\nloss b = mse({ s[t] } -> { r[t+1] })"
    assert a2l.loads(text).horizon == 1
    assert a2l.loads(text, "a").horizon == 0
    with pytest.raises(a2l.A2lError, match="no loss in the text called `c`"):
        a2l.loads(text, "c")
    with pytest.raises(a2l.A2lError):
        a2l.loads("loss a = ")
