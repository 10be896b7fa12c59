"""Random small grammars of sums, weights, functions and options against their meaning, spelled out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import LanguageError
from a2ls_dsl.lang.grammar import Grammar, parse_grammar
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss

Texts = Callable[[int], list[str]]
"""What an expression can be for a parameter, written as in a loss file."""

Part = tuple[str, Texts]

VIEWS = {"view": ["{}", "crop({})"], "enc": ["{}", "stop({})", "online({})"], "l2": ["l2({})"]}
SOURCES = ["s[t]", "l2(s[t])"]


@st.composite
def sets(draw, target: bool) -> Part:
    if target and draw(st.booleans()):
        return "{ r[t..t+k-1] }", lambda k: [f"{{ r[t..t+{k - 1}] }}"]
    first = "s[t+k]" if target else "s[t]"
    step = (lambda k: f"s[t+{k}]") if target else (lambda k: "s[t]")
    names = ["view", "l2", "enc"] if target else ["view", "l2"]
    name = draw(st.sampled_from([None, *names]))
    if name is None:
        return f"{{ {first} }}", lambda k: [f"{{ {step(k)} }}"]
    return f"{{ {name}({first}) }}", lambda k: [f"{{ {form.format(step(k))} }}" for form in VIEWS[name]]


@st.composite
def terms(draw) -> Part:
    operators = draw(st.sampled_from([["mse"], ["mse", "nmse"], ["ce", "mse"], ["infonce", "huber"]]))
    (source, sources), (target, targets) = draw(sets(False)), draw(sets(True))
    heads = draw(st.sampled_from([None, ["linear", "none"], ["mlp(8)", "predictor", "none"]]))
    negatives = draw(st.sampled_from(["", " [against batch]"]))
    text = f"({' | '.join(operators)})" if operators[1:] else operators[0]
    name = {"mse": "mse", "(mse | nmse)": "squares", "(ce | mse)": "both", "(infonce | huber)": "odd"}[text]
    written = f"{name}({source} -> {target}){negatives}"
    written += f" with head = ({' | '.join(heads)})" if heads else ""

    def meaning(k: int) -> list[str]:
        products = product(
            operators, sources(k), targets(k), ["", " against batch"] if negatives else [""], heads or [""]
        )
        return [f"{o}({s} -> {t}){n}" + (f" with head = {h}" if h else "") for o, s, t, n, h in products]

    return written, meaning


@st.composite
def weighted(draw) -> Part:
    text, meaning = draw(terms())
    weights = draw(st.sampled_from([[], ["0.5"], ["0.1", "1.0"], ["2", "2.0"], ["linear(0, 1, 10)", "3"]]))
    if not weights:
        return text, meaning
    return f"({' | '.join(weights)}) * {text}", lambda k: [
        f"{w} * {m}" for w, m in product(weights, meaning(k))
    ]


@st.composite
def sums(draw) -> Part:
    text, meaning = draw(weighted())
    kind = draw(st.sampled_from(["alone", "optional", "added"]))
    if kind == "alone":
        return text, meaning
    more, others = draw(weighted())
    left_out = [""] if kind == "optional" else []
    shown = f"[ {more} ]" if kind == "optional" else more
    return f"{text} + {shown}", lambda k: [
        f"{a}{b}" for a, b in product(meaning(k), [*left_out, *(f" + {other}" for other in others(k))])
    ]


@st.composite
def grammars(draw) -> tuple[str, list[str]]:
    """A text, and the text of the loss of every derivation, also of those that are no losses."""
    last = draw(st.integers(1, 2))
    lines = [f"grammar g for k in 1..{last}"]
    if draw(st.booleans()):
        depth = draw(st.integers(1, 3))
        text, meaning = draw(weighted())
        lines += [
            "loss = terms",
            f"terms = term | term + terms\nrequire at most {depth} terms",
            f"term = {text}",
        ]
        meanings = [
            " + ".join(chosen)
            for k in range(1, last + 1)
            for number in range(1, depth + 1)
            if len(meaning(k)) ** number < 200
            for chosen in product(meaning(k), repeat=number)
        ]
        if any(len(meaning(k)) ** depth >= 200 for k in range(1, last + 1)):
            return draw(grammars())
    else:
        options = draw(st.lists(sums(), min_size=1, max_size=2))
        lines.append("loss = " + "\n     | ".join(text for text, _ in options))
        meanings = [term for k in range(1, last + 1) for _, meaning in options for term in meaning(k)]
        if len(meanings) > 200:
            return draw(grammars())
    lines += ["view = none | crop", "enc = none | stop | online", "squares = mse | nmse", "both = ce | mse"]
    return "\n".join([*lines, "odd = infonce | huber"]), meanings


def valid(texts: list[str]) -> list[Loss]:
    """The losses among some texts; what the checker of loss files refuses is none."""
    validity: dict[str, bool] = {}

    def fits(term: str) -> bool:
        if term not in validity:
            try:
                loads(f"loss x = {term}")
                validity[term] = True
            except LanguageError:
                validity[term] = False
        return validity[term]

    kept = [text for text in texts if all(map(fits, text.split(" + ")))]
    files = (kept[start : start + 50] for start in range(0, len(kept), 50))  # a file has a greatest size
    return [
        loss
        for file in files
        for loss in loads("\n".join(f"loss x{i} = {text}" for i, text in enumerate(file))).values()
    ]


def parsed(text: str) -> Grammar | None:
    """The grammar; None if it has a comparison of which no combination is a loss."""
    try:
        return parse_grammar(text)
    except LanguageError as error:
        if {finding.code for finding in error.diagnostics} <= {"A2L221", "A2L219"}:
            return None
        raise


@given(grammars())
@settings(max_examples=40)
def test_a_grammar_of_sums_holds_exactly_what_it_means(case) -> None:
    text, texts = case
    grammar = parsed(text)
    if grammar is None:
        return
    derived = valid(texts)
    losses = set(derived)
    assert grammar.derivations() == grammar.valid_derivations() == len(derived)
    least, greatest = grammar.bounds()
    assert least <= len(losses) <= greatest
    if len(derived) < 200:
        assert least == greatest
        listed = list(grammar.enumerate())
        assert len(listed) == len(losses)
        assert set(listed) == losses
    assert all(grammar.contains(loss) for loss in list(losses)[:50])


@given(grammars(), st.integers(0, 2**32))
@settings(max_examples=20)
def test_every_step_stays_inside(case, seed) -> None:
    text, texts = case
    grammar = parsed(text)
    if grammar is None:
        return
    losses, rng = set(valid(texts)), np.random.default_rng(seed)
    for _ in range(4):
        a, b = grammar.sample(rng), grammar.sample_evenly(rng)
        steps = [
            grammar.mutate,
            grammar.replace,
            grammar.change_horizon,
            grammar.change_alternative,
            grammar.regrow,
        ]
        for loss in [
            a,
            b,
            grammar.crossover(a, b, rng),
            grammar.graft(a, b, rng),
            *(s(a, rng) for s in steps),
        ]:
            assert loss in losses


@given(grammars())
@settings(max_examples=10)
def test_what_a_grammar_does_not_mean_is_outside(case) -> None:
    text, texts = case
    grammar = parsed(text)
    if grammar is None:
        return
    losses = set(valid(texts))
    for loss in list(losses)[:3]:
        for other in (f"0.7 * {print_loss(loss)}", "mse({ s[t], s[t+1] } -> { s[t+9] })"):
            if len(loss.terms) == 1 and loss.terms[0].weight == 1.0:
                written = loads(f"loss x = {other}")["x"]
                assert grammar.contains(written) is (written in losses)


def test_of_terms_in_brackets_one_stays() -> None:
    terms = {name: f"mse({{ s[t] }} -> {{ {name}[t] }})" for name in ("a", "r", "o")}
    grammar = parse_grammar(f"grammar g\nloss = {' + '.join(f'[ {term} ]' for term in terms.values())}")
    texts = {print_loss(loss) for loss in grammar.enumerate()}
    chosen = [part for n in (1, 2, 3) for part in combinations(terms.values(), n)]
    assert texts == {print_loss(loads(f"loss a = {' + '.join(part)}")["a"]) for part in chosen}
    assert grammar.derivations() == grammar.count() == 7
    assert all(grammar.contains(loss) for loss in grammar.enumerate())
    rng = np.random.default_rng(0)
    for loss in grammar.enumerate():
        assert grammar.contains(grammar.mutate(loss, rng))
        assert grammar.contains(grammar.graft(loss, grammar.sample(rng), rng))
        assert grammar.contains(grammar.crossover(loss, grammar.sample(rng), rng))
