r"""A loss as a paper would write it: a block of `align*` for LaTeX with amsmath; `a2l show --latex`.

y is a prediction, z its target, a prime marks another sample of the batch, a hat a latent of a rollout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, comparisons, views_of
from a2ls_dsl.lang.rules.types import is_latent, rollouts, steps, trains_encoder
from a2ls_dsl.lang.syntax.printer import print_step
from a2ls_dsl.lang.syntax.tree import (
    Comparison,
    Element,
    Item,
    Loss,
    Rollout,
    Schedule,
    Weight,
    elements_of,
    map_of,
    number_of,
)
from a2ls_dsl.lang.views.latex_items import (
    escaped,
    latex_item,
    letter_of,
    normalised,
    numbered,
    projected,
    row,
)
from a2ls_dsl.words.entry import Sets
from a2ls_dsl.words.language import BINS, HEAD, HIGH, LOW, NONE, PROJECTOR, SMOOTHING, TRANSITION
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, heads, operators


def formula(term: Comparison, index: str) -> str:
    r"""The formula of a term whose symbols carry an index such as `_{2}` or `_{2}^{(i)}`.

    An entry's text has `{y}`, `{z}`, `{r}` and `{other_y}`, ... for symbols, `{NAME}` for the number of an
    option, and `{per_NAME}` for a division by it, which is left out where it is 1.
    """
    entry = operators[term.operator]
    symbols = {letter: letter + index for letter in "yzr"}
    symbols |= {f"other_{letter}": _other(letter, index) for letter in "yzr"}
    for option in entry.options:
        number = print_number(number_of(term, option.name))
        symbols |= {option.name: number, f"per_{option.name}": "" if number == "1" else f" / {number}"}
    if entry.option(SMOOTHING):
        width = symbols[SMOOTHING]
        histogram = rf"\mathrm{{twohot}}_{{{symbols[BINS]}}}"
        if width != "0":
            histogram = rf"\mathrm{{HLGauss}}_{{{symbols[BINS]},{width}}}"
        if symbols[LOW] != symbols[HIGH]:
            histogram += rf"^{{[{symbols[LOW]},{symbols[HIGH]}]}}"
        symbols["spread"] = histogram
    text = entry.latex_against if term.against_batch else entry.latex
    if text:
        return text.format(**symbols)
    rows = symbols["y"] if entry.unary else f"{symbols['y']}, {symbols['z']}"
    return rf"\mathrm{{{escaped(entry.name)}}}({rows})"


def is_sum(text: str) -> bool:
    """Whether a formula needs brackets where it is multiplied."""
    depth = 0
    text = re.sub(r"\\l[Vv]ert\b", "(", re.sub(r"\\r[Vv]ert\b", ")", text))
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter in "+-" and (place == 0 or text[place - 1] == " "):
            return True
    return False


def _other(letter: str, index: str) -> str:
    """The symbol of another sample: its prime stands before an upper index, as LaTeX wants it."""
    lower, mark, upper = index.partition("^{")
    return f"{letter}{lower}^{{\\prime\\,{upper}" if mark else f"{letter}'{lower}"


_LEGEND = (
    r"% E runs over windows of a batch of B, D is the width of z. f_\theta is the encoder, f_{\bar\theta}"
    "\n"
    r"% its slowly following copy; no gradient flows through that, sg and \bar V. h, W, p and g are learned."
)

_DRAWS = "\n% A view with another upper index is another draw."
_NAMED = "\n% Views with a name as upper index are one draw wherever they have it."


def latex(name: str, loss: Loss) -> str:
    """The block for a canonical loss called `name`."""
    summands, lines = list[str](), list[str]()
    terms = comparisons(loss)
    for place, (weight, term) in enumerate(terms, start=1):
        number = str(place) if len(terms) > 1 else ""
        summands.append(_weight(weight, number) + rf"\mathbb{{E}}\Bigl[{_term(term, number)}\Bigr]")
        lines += _where(term, number)
        lines += dict.fromkeys(
            _drawn(element) for element in elements_of(term.items) if element.until is not None
        )
        if isinstance(weight, Schedule):
            lines.append(_schedule(weight, number))
    total = rf"\mathcal{{L}}_{{\text{{{escaped(name)}}}}} &= " + " \\\\\n  &\\quad + ".join(summands)
    block = numbered(" \\\\\n".join([total, *lines]))
    legend = _LEGEND + (_DRAWS if "^{(1)}" in block else "")
    named = (view.shared for _, term in terms for item in term.items for view in views_of(item))
    legend += _NAMED if any(named) else ""
    return "\\begin{align*}\n" + block + "\n\\end{align*}\n" + legend


def _weight(weight: Weight, number: str) -> str:
    if isinstance(weight, Schedule):
        return rf"\lambda{_index(number)}(n)\, "
    return "" if weight == 1.0 else rf"{print_number(weight)}\, "


def _schedule(weight: Schedule, number: str) -> str:
    start, end = print_number(weight.start), print_number(weight.end)
    share = rf"\min\bigl(1, n / {weight.frames}\bigr)"
    text = rf"\lambda{_index(number)}(n) &= {start} + ({end} - {start})\, {share}"
    return text + r" \quad \text{after $n$ environment frames}"


def _index(number: str) -> str:
    return f"_{{{number}}}" if number else ""


def _term(term: Comparison, number: str) -> str:
    """What stands in the expectation; with rollouts, a weighted mean over their steps."""
    rolled = rollouts(term)
    text = formula(term, _index(number) + ("^{(i)}" if rolled else ""))
    if not rolled:
        return text
    if is_sum(text):
        text = rf"\Bigl({text}\Bigr)"
    decay = number_of(term, "decay", 1.0)
    factor = "" if decay == 1 else rf"{print_number(decay)}^{{i}}\, "
    length = rolled[0].length
    return rf"\tfrac{{1}}{{{length}}} \sum_{{i=0}}^{{{length - 1}}} {factor}{text}"


def _where(term: Comparison, number: str) -> Iterator[str]:
    """What y, z and r are in a term."""
    rolled, index = rollouts(term), _index(number)
    around = _letter(term, PROJECTOR, "p", number)
    symlog = operators[term.operator].sets is Sets.DATA_TARGET
    symlog = symlog and number_of(term, LOW, 0) == number_of(term, HIGH, 0)
    if operators[term.operator].sets is Sets.TRANSITION:
        yield f"y{index} &= {row(term.source, SOURCE)}"
        for item in reversed(term.target):
            letter, text = ("z" if is_latent(item) else "r"), latex_item(item, TARGET)
            if isinstance(item, Rollout):
                text = _next(item, TARGET, term)
                text = text if trains_encoder(item, TARGET) else rf"\operatorname{{sg}}\bigl({text}\bigr)"
            yield f"{letter}{index} &= {text}"
    elif rolled:
        here = [projected(_along(item), item, SOURCE, around) for item in steps(term)[0][0]]
        yield rf"y{index}^{{(i)}} &= {_predicted(term, number, ', '.join(here), len(here) > 1)}"
        yield from dict.fromkeys(_transition(rollout, term) for rollout in rolled)
        target = row(steps(term)[0][1], TARGET, brackets=True, symlog=symlog, projector=around)
        yield rf"z{index}^{{(i)}} &= {target} \quad \text{{$i$ steps later}}"
    else:
        source = row(term.source, SOURCE, projector=around)
        yield f"y{index} &= {_predicted(term, number, source, len(term.source) > 1)}"
        if term.target:
            target = row(term.target, TARGET, brackets=True, symlog=symlog, projector=around)
            yield f"z{index} &= {target}"


def _predicted(term: Comparison, number: str, inputs: str, several: bool) -> str:
    """The prediction: a head of the source row."""
    letter = _letter(term, HEAD, "", number)
    return rf"{letter}\bigl({inputs}\bigr)" if letter or several else inputs


def _letter(term: Comparison, name: str, letter: str, number: str) -> str:
    """The letter of a learned map with what tells it apart; empty where there is none."""
    made = map_of(term, name)
    if made is None or made.kind == NONE:
        return ""
    return (letter or heads[made.kind].latex) + (
        rf"_{{\text{{{escaped(made.name)}}}}}" if made.name else _index(number)
    )


def _along(item: Item) -> str:
    """An item of the first step of a source, as that of the i-th."""
    if isinstance(item, Rollout):
        return rf"\hat z_{{{print_step(item.first + (not item.visited))}+i}}"
    return re.sub(r"_\{(t(?:\+\d+)?)\}", r"_{\1+i}", latex_item(item, SOURCE))


def _transition(rollout: Rollout, term: Comparison) -> str:
    start, here = print_step(rollout.first), rf"{print_step(rollout.first)}+i"
    following = normalised(rollout, _applied(term, rf"\hat z_{{{here}}}", rf"a_{{{here}}}"))
    first = rf"\hat z_{{{start}}} = {latex_item(rollout.start, SOURCE)}"
    return rf"\hat z_{{{print_step(rollout.first + 1)}+i}} &= {following}, \quad {first}"


def _next(rollout: Rollout, side: str, term: Comparison) -> str:
    """The latent that a model predicts for the next step."""
    following = _applied(term, latex_item(rollout.start, side), f"a_{{{print_step(rollout.first)}}}")
    return normalised(rollout, following)


def _applied(term: Comparison, latent: str, action: str) -> str:
    """A transition applied once."""
    made = map_of(term, TRANSITION)
    name = rf"_{{\text{{{escaped(made.name)}}}}}" if made and made.name else ""
    residual = made is not None and heads[made.kind].residual
    return (f"{latent} + " if residual else "") + rf"g{name}\bigl({latent}, {action}\bigr)"


def _drawn(element: Element) -> str:
    """How the number of steps is drawn that an element lies behind the first of its run."""
    call, letter, most = element.calls[0], letter_of(element), element.last - element.offset
    ratio = "" if letter == "K" else rf"{print_number(functions[call.name].numbers(call.numbers)[0])}^{{i}}"
    share = rf"\propto {ratio}" if ratio else rf"= \tfrac{{1}}{{{most + 1}}}"
    return rf"P({letter} = i) &{share}, \quad i = 0, \ldots, {most}"
