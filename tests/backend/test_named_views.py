"""One draw of a view for several terms: what the encoder is given, and what the loss makes of it."""

from __future__ import annotations

import pytest
import torch
from backend.formulas_of_models import vicreg_of
from random_windows import windows
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.export_check import load_class
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.tree import Loss

SPACES = Spaces(3, 2, 3)

VICREG = loads("""loss it =
    25.0 * mse({ noise(s[t]) as x } -> { online(noise(s[t]) as y) }) with head = none
    + 25.0 * variance({ noise(s[t]) as x }) + 25.0 * variance({ noise(s[t]) as y })
    + covariance({ noise(s[t]) as x }) + covariance({ noise(s[t]) as y })
""")["it"]


class Encoder:
    """tanh; what it was given last is kept."""

    given: Tensor

    def __call__(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        self.given = x
        return x.tanh()


def test_all_terms_see_two_views() -> None:
    window, encoder = windows(SPACES, 6, 1, 0), Encoder()
    module = compile_loss(VICREG, SPACES).double()
    value = module(encoder, encoder, window, generator=torch.Generator().manual_seed(1))
    x, y = encoder.given.chunk(2)
    assert x.shape == (6, 3)
    assert not torch.equal(x, y)
    torch.testing.assert_close(value, vicreg_of(x.tanh(), y.tanh()))
    own = load_class("it", export("it", VICREG))(2, 3)
    generator = torch.Generator().manual_seed(1)
    alone = own(encoder, encoder, window.observation, window.action, window.reward, generator=generator)
    torch.testing.assert_close(alone, value)


def test_members_of_a_stack_see_two_views_each_of_their_own() -> None:
    rng, encoder = CounterRng(torch.arange(2)), Encoder()
    stack = StackedLoss.of([VICREG, VICREG], SPACES, rng).double()
    window = windows(SPACES, 6, 1, 0, (2,))
    agent = StackAgent(encoder, encoder, rng=rng, counter=torch.tensor([3, 3]))
    values = stack(encoder, encoder, window, agent)
    for given, value in zip(encoder.given, values, strict=True):
        x, y = given.chunk(2)
        torch.testing.assert_close(value, vicreg_of(x.tanh(), y.tanh()))


@pytest.mark.parametrize("view", ["crop", "shift", "intensity"])
def test_frames_are_seen_through_one_draw(view: str) -> None:
    values = [
        distance(
            loads(f"loss it = mse({{ {view}(s[t]) as x }} -> {{ online({other}) }}) with head = none")["it"]
        )
        for other in (f"{view}(s[t]) as x", f"{view}(s[t]) as y", f"{view}(s[t])")
    ]
    assert values[0] == 0
    assert min(values[1:]) > 0


def distance(loss: Loss) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    whole = torch.randint(0, 256, (8, 1, 3, 16, 16), dtype=torch.uint8, generator=generator)
    module = compile_loss(loss, Spaces.of((3, 12, 12), 2, 432))
    window = Window(whole[..., 2:14, 2:14], torch.zeros(8, 1, 2), torch.zeros(8, 1), uncropped=whole)
    return module(lambda x: x.float().flatten(1), None, window, generator=generator)
