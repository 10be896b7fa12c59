"""`curl` and `curl_atari` against CURL's own update, written here from its formulas, on the same crops.

Laskin et al. 2020 (arXiv 2004.04136): for query q = f(crop) and key k = f'(crop), a cross-entropy of the
logits q W k, of which the largest of each row is taken away, with the diagonal as the right answers; on Atari
times 0.1.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.load import load_one

BATCH, SIZE, WHOLE, LATENT = 6, 12, 17, 5


class Convolutions(nn.Module):
    """The encoder for DeepMind Control, small: a convolution, ReLU, a linear layer, layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3, stride=2), nn.Linear(4 * 5 * 5, LATENT)
        self.seen: list[Tensor] = []

    def forward(self, frames: Tensor) -> Tensor:
        self.seen.append(frames)
        x = torch.relu(self.conv(frames.double() / 255)).flatten(1)
        return nn.functional.layer_norm(self.linear(x), (LATENT,))


class WithContrastiveHead(Convolutions):
    """On Atari: behind the convolutions two layers of uniform weights, with layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Parameter(torch.rand(100, 7)), nn.Parameter(torch.rand(7, LATENT))
        self.hidden_bias, self.out_bias = nn.Parameter(torch.zeros(7)), nn.Parameter(torch.zeros(LATENT))

    def forward(self, frames: Tensor) -> Tensor:
        self.seen.append(frames)
        x = torch.relu(self.conv(frames.double() / 255)).flatten(1)
        x = torch.relu(nn.functional.layer_norm(x @ self.hidden + self.hidden_bias, (7,)))
        return nn.functional.layer_norm(x @ self.out + self.out_bias, (LATENT,))


def published(query: Tensor, key: Tensor, matrix: Tensor, scale: float) -> Tensor:
    logits = query @ (matrix @ key.T)
    logits = (logits - logits.max(dim=1).values[:, None]) * scale
    return nn.CrossEntropyLoss()(logits, torch.arange(len(logits)))


@pytest.mark.parametrize(
    ("name", "kind", "scale"), [("curl", Convolutions, 1.0), ("curl_atari", WithContrastiveHead, 0.1)]
)
def test_value_and_gradients_are_those_of_the_published_code(
    name: str, kind: type[Convolutions], scale: float
) -> None:
    torch.manual_seed(0)
    encoder, target = kind().double(), kind().double()
    module = compile_loss(load_one(name)[1], Spaces.of((3, SIZE, SIZE), 2, LATENT)).double()
    ((_, matrix),) = module.named_parameters()
    assert matrix.shape == (LATENT, LATENT)
    assert bool(((matrix >= 0) & (matrix < 1)).all())
    whole = torch.randint(0, 256, (BATCH, 1, 3, WHOLE, WHOLE), dtype=torch.uint8)
    window = Window(whole[..., 2:14, 2:14], torch.zeros(BATCH, 1, 2), torch.zeros(BATCH, 1), uncropped=whole)
    value = module(encoder, target, window)
    (query,), (key,) = encoder.seen, target.seen
    assert query.shape == key.shape == (BATCH, 3, SIZE, SIZE)
    assert not torch.equal(query, key)  # two draws of the crop
    expected = published(encoder(query), target(key).detach(), matrix, scale)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    learned = [*encoder.parameters(), matrix]
    ours, theirs = (torch.autograd.grad(loss, learned, allow_unused=True) for loss in (value, expected))
    for (label, _), mine, its in zip([*encoder.named_parameters(), ("W", matrix)], ours, theirs, strict=True):
        assert (mine is None) == (its is None) == (kind is WithContrastiveHead and "linear" in label)
        if its is not None and mine is not None:
            assert float(its.abs().sum()) > 0
            torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["curl_a2ls", "curl_atari_a2ls"])
def test_the_form_of_the_search_space_is_another_loss(name: str) -> None:
    """It has a predictor, and its header says that CURL's code has none."""
    module = compile_loss(load_one(name)[1], Spaces(4, 2, LATENT))
    assert {name.split(".")[0] for name, _ in module.named_parameters()} == {"heads", "bilinear"}
