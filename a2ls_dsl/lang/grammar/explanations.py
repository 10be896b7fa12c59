"""Why each rule for loss grammars exists, with a grammar that breaks it and one that keeps it."""

from __future__ import annotations

from a2ls_dsl.lang.messages.codes import Explanation, GrammarRule

_HEAD = "grammar mine for k in 1..3\n"
_LOSS = _HEAD + "loss = mse({ s[t] } -> { s[t+k] })"
_MANY = "loss = mse({ s[t] } and x -> { s[t+k] })\n"
_SETS = (
    "x = [{ a[t] }] and [{ a[t+1] }] and [{ a[t+2] }] and [{ r[t] }] and [{ r[t+1] }] and [{ r[t+2] }] and "
)
_SETS += "[{ a[t+3] }]"
_SUM = "grammar mine\nloss = terms\nterms = term | term + terms\nterm = mse({ s[t] } -> { s[t+1] })\n"
_FADE = "grammar mine\nloss = linear(0.0, 1.0, 1000) * faded\nfaded = "
_ONE = "mse({ s[t] } -> { s[t+1] })"

EXPLANATIONS: dict[str, Explanation] = {
    GrammarRule.SYNTAX: Explanation(
        "The message says what could not be read, and what belongs there. A first line without the word "
        "`grammar` is often a loss file by mistake.",
        _HEAD + "loss = mse({ s[t] -> { s[t+k] })",
        _LOSS,
    ),
    GrammarRule.NAME_UNKNOWN: Explanation(
        "A rule is put in wherever its name stands, so the name has to be that of a rule, above or below, or "
        "of an operator.",
        _HEAD + "loss = mse(sorce -> { s[t+k] })\nother = { s[t] }",
        _HEAD + "loss = mse(other -> { s[t+k] })\nother = { s[t] }",
    ),
    GrammarRule.STREAM_UNKNOWN: Explanation(
        "A trajectory consists of states s, actions a and rewards r; o is the observation as data, done says "
        "that a state is terminal.",
        _HEAD + "loss = mse({ x[t] } -> { s[t+k] })",
        _LOSS,
    ),
    GrammarRule.FUNCTION: Explanation(
        "Functions are those of losses, or rules that list some of them, and they nest as there: "
        "value(normaliser(encoder(view(s[t])))). Every combination that a rule allows has to fit.",
        _HEAD + "loss = mse({ s[t], crop(a[t]) } -> { s[t+k] })",
        _HEAD + "loss = mse({ crop(s[t]), a[t] } -> { s[t+k] })",
    ),
    GrammarRule.STEP: Explanation(
        "A step is a place in the window. Only the parameters of the first line have values to count with.",
        _HEAD + "loss = mse({ s[t] } -> { s[t+n] })",
        _LOSS,
    ),
    GrammarRule.NAME_TWICE: Explanation(
        "A rule lists all its alternatives in one place.",
        _LOSS + "\nloss = nmse({ s[t] } -> { s[t+k] })",
        _LOSS + "\n     | nmse({ s[t] } -> { s[t+k] })",
    ),
    GrammarRule.NAME_TAKEN: Explanation(
        "A rule named as an operator, a function or a word of the language could not be told from it, and t "
        "is always the first step of the window.",
        _HEAD + "loss = mse(x -> { s[t+k] })\nx = { s[t] }\nmse = { s[t] }",
        _HEAD + "loss = mse(x -> { s[t+k] })\nx = { s[t] }",
    ),
    GrammarRule.NO_LOSS: Explanation(
        "The rule `loss` says what a whole loss is; all others are parts of it.",
        _HEAD + "losses = mse({ s[t] } -> { s[t+k] })",
        _LOSS,
    ),
    GrammarRule.RECURSION: Explanation(
        "A search space is finite and can be counted exactly. A rule that contains itself would have no end. "
        "Sums may be recursive if `require at most` says how deep.",
        _HEAD + "loss = mse(x -> { s[t+k] })\nx = { s[t] } and x",
        _HEAD + "loss = mse(x -> { s[t+k] })\nx = { s[t] } and some of { a[t..t+k] }",
    ),
    GrammarRule.KIND: Explanation(
        "Every rule stands for one kind of thing: losses, operators, sets, negatives, functions, heads, "
        "numbers or weights. Each place wants one kind, and the alternatives of a rule are of the same.",
        _HEAD + "loss = mse",
        _LOSS,
    ),
    GrammarRule.HORIZON_EMPTY: Explanation(
        "Without a horizon the grammar would hold no loss.",
        "grammar mine for k in 3..1\nloss = mse({ s[t] } -> { s[t+k] })",
        _LOSS,
    ),
    GrammarRule.STEP_BEFORE_T: Explanation(
        "A window begins at t. The message names a horizon for which the step lies before it.",
        _HEAD + "loss = mse({ s[t+k-2] } -> { s[t+k] })",
        _HEAD + "loss = mse({ s[t+k-1] } -> { s[t+k] })",
    ),
    GrammarRule.OFFSET: Explanation(
        "A window lies inside one episode, and an episode of the DeepMind Control suite has at most 1,000 "
        "steps: the last offset is 999.",
        _HEAD + "loss = mse({ s[t] } -> { s[t+999+k] })",
        _HEAD + "loss = mse({ s[t] } -> { s[t+996+k] })",
    ),
    GrammarRule.RUN_EMPTY: Explanation(
        "A run that holds nothing for some horizon is hardly ever meant. Whatever may be left out is written "
        "with `some of` or in square brackets.",
        _HEAD + "loss = mse({ s[t], a[t+2..t+k] } -> { s[t+k] })",
        _HEAD + "loss = mse({ s[t], a[t..t+k] } -> { s[t+k+1] })",
    ),
    GrammarRule.REQUIRE: Explanation(
        "A `require` line asks for one element of a stream, or any element, on one of the two sides.",
        _LOSS + "\nrequire a stat in sources",
        _LOSS + "\nrequire a state in source",
    ),
    GrammarRule.FORMS: Explanation(
        "The alternatives of a set multiply, and each combination is kept for each horizon. Elements under "
        "`some of` cost nothing, however many there are, and terms of a sum don't multiply.",
        f"grammar mine for k in 1..999\n{_MANY}{_SETS}",
        f"grammar mine for k in 1..9\n{_MANY}{_SETS}",
    ),
    GrammarRule.SIDE_EMPTY: Explanation(
        "A loss without a target compares nothing, and a search would waste its time on it. `some of` and "
        "square brackets may come out empty; a `require` line rules that out.",
        _HEAD + "loss = mse({ s[t] } -> some of { s[t+1..t+k] })",
        _HEAD + "loss = mse({ s[t] } -> some of { s[t+1..t+k] })\nrequire an element in target",
    ),
    GrammarRule.NO_GRADIENT: Explanation(
        "A source without a state sends no gradient to the encoder, which is all that an auxiliary loss is "
        "for. The same goes for states under `ema` and `stop`.",
        _HEAD + "loss = mse(some of { s[t], a[t] } -> { s[t+k] })",
        _HEAD + "loss = mse(some of { s[t], a[t] } -> { s[t+k] })\nrequire a state in source",
    ),
    GrammarRule.NOTHING_LEFT: Explanation(
        "A `require` line rejects losses. When it rejects all of them, it asks for what no set can hold.",
        _LOSS + "\nrequire an action in target",
        _LOSS + "\nrequire a state in target",
    ),
    GrammarRule.ELEMENTS: Explanation(
        "The elements of all sets are listed for every horizon, and a short line can name very many.",
        "grammar mine for k in 1..999\nloss = mse({ s[t..t+k] } -> { s[t..t+k], a[t..t+k] })",
        "grammar mine for k in 1..99\nloss = mse({ s[t..t+k] } -> { s[t..t+k], a[t..t+k] })",
    ),
    GrammarRule.NOTHING_FITS: Explanation(
        "What a loss could not hold is left out: an operator with sets or options that are not for it, rows "
        "that differ where there is no head. A comparison of which nothing is left is a mistake. The message "
        "says why its first combination is no loss.",
        _HEAD + "loss = ce({ s[t] } -> { s[t+k] } | { o[t] })",
        _HEAD + "loss = ce({ s[t] } -> { s[t+k] } | { r[t] })",
    ),
    GrammarRule.OPTIONAL_LOSS: Explanation(
        "Square brackets around a term of a sum say that it may be missing. A loss that may be missing as a "
        "whole would be none.",
        f"grammar mine\nloss = [ {_ONE} ]",
        f"grammar mine\nloss = {_ONE} + [ 0.5 * variance({{ s[t] }}) ]",
    ),
    GrammarRule.OPTION: Explanation(
        "Options are those of losses. Where an option is not for an operator that a rule offers, the "
        "combination is left out.",
        f"grammar mine\nloss = {_ONE} with heads = linear",
        f"grammar mine\nloss = {_ONE} with head = (none | linear)",
    ),
    GrammarRule.NUMBER_RANGE: Explanation(
        "Each number has to be possible where it stands, whichever alternative is taken. Weights lie between "
        "1e-9 and 1e9, so that those of nested sums can be multiplied.",
        f"grammar mine\nloss = (0 | 0.1) * {_ONE}",
        f"grammar mine\nloss = (0.01 | 0.1) * {_ONE}",
    ),
    GrammarRule.BOUND: Explanation(
        "The bound says how deep a rule may stand inside itself, itself counted: at most 8. It is for rules "
        "of losses; sets and words can't be recursive.",
        _SUM + "require at most 100 terms",
        _SUM + "require at most 3 terms",
    ),
    GrammarRule.SCHEDULE_PRODUCT: Explanation(
        "Weights multiply, and the product of two schedules is no schedule.",
        f"{_FADE}linear(1.0, 0.0, 1000) * {_ONE}",
        f"{_FADE}0.5 * {_ONE}",
    ),
    GrammarRule.RULE_UNUSED: Explanation(
        "A rule that `loss` does not lead to changes nothing; perhaps its name was meant to stand somewhere.",
        _LOSS + "\nspare = { s[t] }",
        _HEAD + "loss = mse(spare -> { s[t+k] })\nspare = { s[t] }",
    ),
}
