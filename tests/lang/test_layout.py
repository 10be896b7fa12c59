"""`a2l fmt`: one layout, the same losses, no comment lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_losses import losses
from strategies import any_losses

from a2ls_dsl.diagnostics import LanguageError, Source
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.layout import WIDTH, format_file
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss

MESSY = """\


# head
#   indented text stays


loss one=mse({a[t],s[t+1]   # why s
  ,a[t+1],a[t+2]}->{s[t+2]})# behind
# close to two
loss two = 1*one + .5e1*one
"""


def layout(text: str) -> str:
    return format_file(Source("<test>", text))


def test_a_messy_file() -> None:
    assert layout(MESSY.replace(".5e1", "5e-1")) == (
        "# head\n"
        "#   indented text stays\n"
        "\n"
        "# why s\n"
        "loss one = mse({ s[t+1], a[t..t+2] } -> { s[t+2] })  # behind\n"
        "# close to two\n"
        "loss two = 1 * one + 5e-1 * one\n"
    )


def test_a_long_loss_has_a_row_per_stream() -> None:
    text = (
        "loss long_name = nmse({ s[t+7], a[t..t+4], s[t], r[t+3], s[t+2], crop(s[t]), a[t+6] } "
        "-> { s[t+9], a[t+4], s[t+1] }) against batch # behind"
    )
    assert layout(text) == (
        "loss long_name = nmse(\n"
        "    { s[t], s[t+2], s[t+7], crop(s[t]),\n"
        "      a[t..t+4], a[t+6],\n"
        "      r[t+3] }\n"
        "    -> { s[t+1], s[t+9],\n"
        "         a[t+4] }\n"
        ") against batch  # behind\n"
    )


def test_a_long_sum_has_a_line_per_term() -> None:
    source = ", ".join(f"s[t+{step}]" for step in range(0, 40, 2))
    text = (
        f"loss one = mse({{ s[t] }} -> {{ s[t+1] }})\n"
        f"loss sum = 2.0 * one + 0.25 * inner({{ {source} }} -> {{ r[t] }}) against batch"
        " + mse({ s[t] } -> { s[t+3] })"
    )
    assert layout(text) == (
        "loss one = mse({ s[t] } -> { s[t+1] })\n"
        "loss sum =\n"
        "    2.0 * one\n"
        "    + 0.25 * inner(\n"
        "        { s[t], s[t+2], s[t+4], s[t+6], s[t+8], s[t+10], s[t+12], s[t+14], s[t+16],\n"
        "          s[t+18], s[t+20], s[t+22], s[t+24], s[t+26], s[t+28], s[t+30], s[t+32],\n"
        "          s[t+34], s[t+36], s[t+38] }\n"
        "        -> { r[t] }\n"
        "    ) against batch\n"
        "    + mse({ s[t] } -> { s[t+3] })\n"
    )


def test_negatives_and_options_have_a_line_before_sets_are_broken() -> None:
    sets = "{ s[t], a[t..t+2] } -> { stop(l2(shift(s[t+3]))) }".replace("stop(l2(", "l2(stop(")
    text = f"loss long_name = bilinear({sets}) with temperature = 0.25, head = mlp(64) as q"
    assert layout(text.replace(" with", " against batch with")) == (
        f"loss long_name = bilinear({sets})\n    against batch with head = mlp(64) as q, temperature = 0.25\n"
    )
    names = "it = huber({ s[t] } -> { r[t] }) with head = mlp(64, 64)"
    assert layout(f"loss {names}") == f"loss {names}\n"


def test_options_that_do_not_fit_have_a_line_each() -> None:
    rollout = "rollout(simnorm(shift(intensity(s[t], 0.125), 12), 16), a[t..t+2])"
    text = (
        f"loss x = 0.5 * infonce({{ {rollout} }} -> {{ simnorm(stop(crop(s[t+1..t+3])), 16), done[t..t+2] }})"
        f" with head = mlp({', '.join(['1024'] * 8)}) as shared, decay = 0.875, temperature = 0.0625"
    )
    assert layout(text) == (
        "loss x = 0.5 * infonce(\n"
        f"    {{ {rollout} }}\n"
        "    -> { simnorm(stop(crop(s[t+1..t+3])), 16),\n"
        "         done[t..t+2] }\n"
        ")\n"
        f"    with head = mlp({', '.join(['1024'] * 8)}) as shared,\n"
        "         temperature = 0.0625,\n"
        "         decay = 0.875\n"
    )


def test_what_was_written_stays_as_it_was() -> None:
    text = "loss a = mse({ online(s[t]), shift(s[t], 4) } -> { ema(s[t+1]) })\n"
    assert " ".join(layout(text).split()) == text.rstrip()
    assert (
        layout("loss a = variance({ s[t], online(s[t]) })") == "loss a = variance({ s[t], online(s[t]) })\n"
    )
    one_set = "loss a = mse({ s[t] })\nloss b = mse({ s[t] } -> {  })\nloss c = l(0)*a"
    assert layout(one_set.replace("l(0)", "linear(0, 1, 5)")) == (
        f"{one_set[: one_set.index('loss c')]}loss c = linear(0, 1, 5) * a\n"
    )


def test_a_long_empty_set_is_laid_out_too() -> None:
    text = f"loss {'x' * 80} = mse({{ }} -> {{ s[t] }})"
    assert layout(layout(text)) == layout(text)


def test_what_does_not_parse_is_not_touched() -> None:
    with pytest.raises(LanguageError, match="A2L022"):
        layout("loss a = mse({ s[t], q[t] } -> { s[t+1] })")


def test_line_ends_become_unix_ones() -> None:
    text = "# one\r\n\r\nloss a = mse({ s[t] } # in\r -> { s[t+1] }) # two\r\n# three\r"
    assert layout(text) == "# one\n\n# in\nloss a = mse({ s[t] } -> { s[t+1] })  # two\n# three\n"


COMMENTS = st.sampled_from(["# one", "#two ", "#", "### s[t] -> loss x = { ("])
GAPS = st.lists(st.sampled_from([" ", "\n", "\n\n", "\n\n\n", "\t"]) | COMMENTS.map("{}\n".format))


@st.composite
def files(draw: st.DrawFn) -> str:
    """Files of one to three random losses, with comments and gaps between any two tokens."""
    loose = draw(st.booleans())
    pieces = [*draw(GAPS)]
    for number, loss in enumerate(
        draw(st.lists(losses(terms=2, views=True) | any_losses(terms=2), min_size=1, max_size=3))
    ):
        text = f"loss l{number} = {print_loss(loss)}" + (f" + 0.5 * l{number - 1}" if number else "")
        if number and len(loss.terms) == 1 and loss.terms[0].weight == 1.0:
            text = text.replace("= ", "= 1.0 * ", 1)
        for token in text.split(" "):
            pieces += [token, " ", *(draw(GAPS) if loose else [])]
        pieces += ["\n", *draw(GAPS)]
    return "".join(pieces)


@settings(max_examples=60)
@given(files())
def test_the_layout_keeps_what_a_file_says(text: str) -> None:
    after = layout(text)
    assert layout(after) == after
    assert loads(after) == loads(text)
    comments = [sorted(line.rstrip() for line in re.findall("#.*", layout)) for layout in (text, after)]
    assert comments[0] == comments[1]
    assert "\n\n\n" not in after
    assert after == after.strip("\n") + "\n"


@given(losses(horizon=30, terms=3, views=True))
def test_lines_are_short(loss: Loss) -> None:
    assert all(len(line) <= WIDTH for line in layout(f"loss it = {print_loss(loss)}").split("\n"))


@pytest.mark.parametrize(
    "weights",
    [("", "1e-3 * "), ("1.0 * ", ""), ("linear(0, 1e0, 5) * ", "0.10 * "), ("", "")],
)
def test_weights_stay_as_they_were_written(weights: tuple[str, str]) -> None:
    first, other = weights
    text = f"loss f = {first}mse({{ s[t] }} -> {{ s[t+1] }}) + {other}mse({{ s[t] }} -> {{ a[t] }})\n"
    assert " ".join(layout(text).split()) == text.rstrip()
