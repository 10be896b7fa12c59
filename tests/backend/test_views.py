"""Views of frames and vectors against what their text says, and entries of a user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from random_windows import windows
from torch import Tensor

from a2ls_dsl.backend import functions
from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.export_check import load_class
from a2ls_dsl.backend.functions import Generated
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss
from a2ls_dsl.backend.window import Spaces, Window, views_without_effect
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.words.entry import Negatives, Number
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import forget, normaliser, operator, view
from a2ls_dsl.words.views import frames, vectors

FRAMES = torch.randint(0, 256, (64, 6, 30, 26), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def draws(seed: int = 0) -> Generated:
    return Generated(torch.Generator().manual_seed(seed))


def test_a_shift_is_a_crop_of_the_padded_frames() -> None:
    moved, offsets = frames.shift(FRAMES, draws(), 3), set()
    padded = F.pad(FRAMES.float(), (3, 3, 3, 3), mode="replicate").to(torch.uint8)
    for i in range(len(FRAMES)):
        places = [
            (y, x)
            for y in range(7)
            for x in range(7)
            if torch.equal(moved[i], padded[i, :, y : y + 30, x : x + 26])
        ]
        assert places
        offsets.add(places[0])
    assert len(offsets) > 25  # of 49


def test_a_crop_is_cut_out_of_the_whole_frames() -> None:
    seen = FRAMES[:, :, 2:22, 2:22]
    cut, corners = frames.crop(seen, draws(), FRAMES), set()
    for i in range(len(FRAMES)):
        for y in range(11):
            for x in range(7):
                if torch.equal(cut[i], FRAMES[i, :, y : y + 20, x : x + 20]):
                    corners.add((i, y, x))
    assert len(corners) == len({i for i, _, _ in corners}) == 64
    assert {y for _, y, _ in corners} >= {0, 10}
    assert frames.crop(seen, draws(), None) is seen


def test_an_intensity_is_one_factor_a_sample_within_two_deviations() -> None:
    factors = frames.intensity(FRAMES, draws(), 0.1)[FRAMES > 0].view(-1) / FRAMES[FRAMES > 0]
    assert factors.min() >= 0.8 - 1e-5
    assert factors.max() <= 1.2 + 1e-5
    factor = frames.intensity(FRAMES, draws(), 0.1)[0][FRAMES[0] > 0] / FRAMES[0][FRAMES[0] > 0]
    torch.testing.assert_close(factor, factor[:1].expand_as(factor))


def test_a_mask_drops_patches_of_frames_and_numbers_of_vectors() -> None:
    bright = FRAMES.clamp(min=1)
    dropped = vectors.mask(bright, draws(), 0.5) == 0
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    for rows in (slice(0, 12), slice(12, 24), slice(24, 30)):
        for columns in (slice(0, 12), slice(12, 24), slice(24, 26)):
            patch = dropped[:, 0, rows, columns].flatten(1)
            assert torch.equal(patch.any(dim=1), patch.all(dim=1))
            assert 0.3 < patch[:, 0].float().mean() < 0.7
    row = vectors.mask(torch.ones(100, 50), draws(), 0.3)
    assert set(row.unique().tolist()) == {0.0, 1.0}
    assert abs(float((row == 0).float().mean()) - 0.3) < 0.03


def test_noise_is_added_to_vectors_alone() -> None:
    x = vectors.noise(torch.zeros(200, 50), draws(), 0.5)
    assert abs(float(x.std()) - 0.5) < 0.02
    assert vectors.noise(FRAMES, draws(), 0.5) is FRAMES


def test_views_that_change_nothing_are_named() -> None:
    loss = loads("loss it = mse({ noise(s[t]), shift(s[t]), mask(s[t]) } -> { r[t] })")["it"]
    assert [text.split("`")[1] for text in views_without_effect([loss])] == ["shift"]
    assert [text.split("`")[1] for text in views_without_effect([loss], frames=True)] == ["noise"]


def test_the_newest_frame_is_small_and_within_0_and_1() -> None:
    data = functions.newest_frame(FRAMES)
    assert data.shape == (64, 3 * 7 * 6)
    corner = FRAMES[5, 3, :4, :4].float().mean() / 255
    torch.testing.assert_close(data[5, 0], corner)
    assert Spaces.of((6, 30, 26), 2, 4).data == 126
    assert Spaces.of((5,), 2, 4).data == 5
    # A stack of four grey frames, as of Atari.
    assert functions.newest_frame(FRAMES[:, :4]).shape == (64, 7 * 6)


SPACES = Spaces(3, 2, 4)
TEXT = "loss it = cauchy({ jitter(s[t], 2), a[t] } -> { half(s[t+1]) }) against batch with scale = 2"


def jitter(x: Tensor, draws: Generated, size: float) -> Tensor:
    return x + size * draws.normal(x, *x.shape).to(x)


def half(x: Tensor) -> Tensor:
    return x / 2


def cauchy(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
    error = ((y - z) / scale).square().log1p().mean()
    return error - 0.5 * against_batch


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_frames_are_read_as_precisely_as_the_module_computes(dtype: torch.dtype) -> None:
    """Bytes as a source and as a target, in modules and in files."""
    terms = ("mse({ o[t], s[t] } -> { s[t+1], r[t] })", "huber({ s[t] } -> { o[t+1] })")
    loss = loads(f"loss it = {' + '.join(terms)} + infonce({{ s[t] }} -> {{ o[t+1] }})")["it"]
    module = compile_loss(loss, Spaces.of((6, 12, 12), 2, 5)).to(dtype)
    frames = FRAMES[:16, :, :12, :12].reshape(8, 2, 6, 12, 12)
    action, reward = torch.rand(8, 2, 2).to(dtype), torch.rand(8, 2).to(dtype)

    def encoder(x: Tensor) -> Tensor:
        return x.to(dtype).flatten(1)[:, :5] / 255

    value = module(encoder, encoder, Window(frames, action, reward))
    value.backward()
    assert value.dtype == dtype
    own = load_class("it", export("it", loss))(2, 5, 27).to(dtype)
    own.load_state_dict(module.state_dict())
    torch.testing.assert_close(own(encoder, encoder, frames, action, reward), value)


@pytest.fixture
def known() -> Iterator[None]:
    view("moves", example="jitter(s[t])", parameters=(Number("size", 1, Range(0, 9)),))(jitter)
    normaliser("halves")(half)
    scale = Number("scale", 1, Range(0, 10, above=True), "of the error")
    operator("log of error", negatives=Negatives.ON_REQUEST, options=(scale,))(cauchy)
    yield
    for name in ("jitter", "half", "cauchy"):
        forget(name)


def test_entries_of_a_users_own_run_everywhere(known: None) -> None:
    loss = loads(TEXT)["it"]
    compiled = compile_loss(loss, SPACES)
    window = windows(SPACES, 6, 2, 0)
    window = Window(window.observation.float(), window.action.float(), window.reward.float())
    weights = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2))

    def alone(module: CompiledLoss, *arguments: object) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        return module(lambda x: x @ weights[0], lambda x: x @ weights[1], *arguments, generator=generator)

    value = alone(compiled, window)
    seen = window.observation[:, 0] + 2 * torch.randn(6, 3, generator=torch.Generator().manual_seed(5))
    prediction = compiled.heads[0](torch.cat([seen @ weights[0], window.action[:, 0]], dim=1))
    target = window.observation[:, 1] @ weights[1] / 2
    expected = torch.log(1 + ((prediction - target) / 2) ** 2).mean() - 0.5
    torch.testing.assert_close(value, expected)
    module = load_class("it", export("it", loss))(2, 4)
    module.load_state_dict(compiled.state_dict())
    outside = alone(module, window.observation, window.action, window.reward)
    torch.testing.assert_close(outside, value)
    rng = CounterRng(torch.tensor([0, 1, 2]))
    stack = StackedLoss.of([loss, load_one("curl_a2ls")[1], loss], SPACES, rng)
    whole = windows(SPACES, 6, 2, 0, (3,))
    whole = Window(whole.observation.float(), whole.action.float(), whole.reward.float())
    counter = torch.tensor([3, 3, 3])

    def encode(x: Tensor, members: Tensor | None = None) -> Tensor:
        return x @ weights[0]

    values = stack(encode, encode, whole, StackAgent(encode, encode, rng=rng, counter=counter))
    assert values.isfinite().all()
    single = StackedLoss.of([loss], SPACES, rng.member(2))
    part = Window(whole.observation[2:], whole.action[2:], whole.reward[2:])
    agent = StackAgent(encode, encode, rng=rng.member(2), counter=counter[2:])
    torch.testing.assert_close(single(encode, encode, part, agent)[0], values[2])


def remade(source: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function whose text is that of another one."""

    def cauchy(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
        return source(y) + scale

    return cauchy


def test_a_file_holds_what_a_formula_calls_and_refuses_what_it_lacks(known: None) -> None:
    loss, scale = loads(TEXT)["it"], Number("scale", 1, Range(0, 10, above=True), "of the error")
    entry = operator("log of error", negatives=Negatives.ON_REQUEST, options=(scale,))
    assert "def jitter(x: Tensor, draws: Generated, size: float) -> Tensor:" in export("it", loss)

    entry(with_helper())
    text = export("it", loss)
    assert text.index("def helper(") < text.index("def cauchy(")

    entry(remade(torch.mean))  # the function behind it is in no text
    with pytest.raises(A2lError, match="it reads `source`, which the file doesn't have"):
        export("it", loss)
    entry(with_numpy())
    with pytest.raises(A2lError, match="it reads `np`, which the file doesn't have"):
        export("it", loss)
    nameless = lambda y, z, scale, against_batch: y.mean()  # noqa: E731
    nameless.__name__ = "cauchy"
    entry(nameless)
    with pytest.raises(A2lError, match="can't be written to a file"):
        export("it", loss)


def helper(x: Tensor) -> Tensor:
    return x.square()


def with_helper() -> Callable[..., Tensor]:
    def cauchy(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
        return helper(y - z).mean() * scale

    return cauchy


def with_numpy() -> Callable[..., Tensor]:
    def cauchy(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
        return torch.as_tensor(np.mean((y - z).detach().numpy()))

    return cauchy


def test_what_a_window_lacks_is_named() -> None:
    module = compile_loss(load_one("svea")[1], SPACES).double()
    window = windows(SPACES, 4, 2, 0)
    encode = torch.nn.Linear(3, 4).double()
    with pytest.raises(A2lError, match="no value was given") as caught:
        module(encode, encode, window)
    assert "pass value=" in caught.value.render()
    bare = Window(window.observation, window.action, window.reward)
    with pytest.raises(A2lError, match="has no `done`"):
        module(encode, encode, bare, value=lambda features: features[:, 0])
