"""What `a2l explain` says about the codes of values and of warnings; see `explanations.py`."""

from __future__ import annotations

from a2ls_dsl.lang.messages.codes import Explanation, Rule

_STEP = "loss mine = mse({ s[t] } -> { s[t+1] })"
_LONG = "\nloss b = a + a + a + a + a\nloss c = b + b + b + b + b\nloss d = c + c + c + c + c"

VALUES: dict[str, Explanation] = {
    Rule.STEP_BEFORE_T: Explanation(
        "A window begins at t and looks ahead. What a loss says about the past it says about a later window: "
        "shift all its steps so that the first is t.",
        "loss mine = mse({ s[t-1] } -> { s[t] })",
        _STEP,
    ),
    Rule.STEP: Explanation(
        "A trajectory has whole steps, counted from t. Fixed steps of an episode can't be named, and loss "
        "files have no parameters such as k; those belong in a loss grammar.",
        "loss mine = mse({ s[t] } -> { s[t+k] })",
        "loss mine = mse({ s[t] } -> { s[t+3] })",
    ),
    Rule.OFFSET: Explanation(
        "A window lies inside one episode, and an episode of the DeepMind Control suite has at most 1,000 "
        "steps.",
        "loss mine = mse({ s[t] } -> { s[t+1000] })",
        "loss mine = mse({ s[t] } -> { s[t+999] })",
    ),
    Rule.RUN_BACKWARDS: Explanation(
        "A run from a later to an earlier step holds nothing, which is never what was meant.",
        "loss mine = mse({ s[t], a[t+3..t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+3] } -> { s[t+1] })",
    ),
    Rule.SET_EMPTY: Explanation(
        "Without a source there is nothing to predict from, without a target nothing to predict.",
        "loss mine = mse({ s[t] } -> { })",
        _STEP,
    ),
    Rule.NO_GRADIENT: Explanation(
        "An auxiliary loss trains the encoder. States of the source go through it with gradient, unless they "
        "are encoded by ema or stop; in the target, only online(...) does. Values, returns and all that is "
        "no state have no gradient.",
        "loss mine = mse({ a[t], r[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t], r[t] } -> { s[t+1] })",
    ),
    Rule.WEIGHT: Explanation(
        "A weight of zero does nothing, a negative one drives its term up without bounds, and an infinite "
        "one hides all others. This holds after references are multiplied out, too.",
        "loss mine = 0 * mse({ s[t] } -> { s[t+1] })",
        "loss mine = 0.5 * mse({ s[t] } -> { s[t+1] })",
    ),
    Rule.ELEMENTS: Explanation(
        "Runs and references name many elements in few characters; no agent could train with so many.",
        "loss a = mse({ s[t..t+199] } -> { r[t] })" + _LONG,
        "loss a = mse({ s[t..t+49] } -> { r[t] })" + _LONG,
    ),
    Rule.ARGUMENTS: Explanation(
        "A function of an element takes one item and then its numbers; rollout takes a state and a run of "
        "actions; return takes a run of rewards, then a value and a discount if wanted.",
        "loss mine = mse({ s[t], a[t] } -> { l2(s[t+1], 2) })",
        "loss mine = mse({ s[t], a[t] } -> { l2(s[t+1]) })",
    ),
    Rule.NUMBER_RANGE: Explanation(
        "A number outside its range turns a function into nothing, or into something else: a mask that drops "
        "all, a discount that grows.",
        "loss mine = mse({ mask(s[t], 1.5), a[t] } -> { s[t+1] })",
        "loss mine = mse({ mask(s[t], 0.5), a[t] } -> { s[t+1] })",
    ),
    Rule.OPTION_VALUE: Explanation(
        "A head is predictor, none, linear or mlp(...); all other options are numbers within a range. `as` "
        "gives a name to a head and to nothing else.",
        "loss mine = ce({ s[t] } -> { r[t] }) with bins = 1",
        "loss mine = ce({ s[t] } -> { r[t] }) with bins = 101",
    ),
    Rule.OPTION_TWICE: Explanation(
        "Of two values for one option, neither can be told to be the right one.",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = linear, head = mlp(256)",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = mlp(256)",
    ),
    Rule.ROWS_DIFFER: Explanation(
        "A head maps the source row onto the target row. Without one, the rows are compared as they are, "
        "number by number, so both hold latents, actions, raw observations and numbers alike, in the same "
        "order.",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] }) with head = none",
        "loss mine = mse({ s[t] } -> { s[t+1] }) with head = none",
    ),
    Rule.ROLLOUT_PLACE: Explanation(
        "A rollout gives a latent for each step that follows, and a term with rollouts is compared step by "
        "step. An element has no such steps, and rollouts of two lengths end at different ones.",
        "loss mine = mse({ s[t], rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] })",
        "loss mine = mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] })",
    ),
    Rule.ROLLOUT_TARGET: Explanation(
        "The i-th latent of a rollout is compared with the i-th element of every run of the target, so a "
        "target holds as many as the rollout has actions.",
        "loss mine = mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+4] })",
        "loss mine = mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] })",
    ),
    Rule.ROLLOUT_START: Explanation(
        "The first transition of a rollout leads from its state by the action that was taken there.",
        "loss mine = mse({ rollout(s[t+1], a[t..t+2]) } -> { s[t+1..t+3] })",
        "loss mine = mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] })",
    ),
    Rule.RETURN: Explanation(
        "An n-step return is the discounted sum of n rewards. What follows is counted by the value of the "
        "state after the last one; any other state would leave out steps or count them twice.",
        "loss mine = mse({ s[t], a[t] } -> { return(r[t..t+2], value(s[t+2])) })",
        "loss mine = mse({ s[t], a[t] } -> { return(r[t..t+2], value(s[t+3])) })",
    ),
    Rule.NUMBER_OF_SETS: Explanation(
        "Most operators compare a source with a target. variance and covariance look at the latents of one "
        "set over the batch.",
        "loss mine = variance({ s[t] } -> { s[t+1] })",
        "loss mine = variance({ s[t] })",
    ),
    Rule.CONTENTS: Explanation(
        "ce spreads a number over bins of a known range, which latents and raw observations don't have. "
        "variance, covariance and barlow are about latents. mico and bisim compare states by their "
        "rewards and next states.",
        "loss mine = ce({ s[t], a[t] } -> { s[t+1] })",
        "loss mine = ce({ s[t], a[t] } -> { r[t] })",
    ),
    Rule.SHARED_HEAD: Explanation(
        "Heads of one name in one loss are one module, which has one form and maps rows of one make onto "
        "rows of one make.",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = mlp(256) as q\n"
        "    + mse({ s[t+1] } -> { r[t+1] }) with head = mlp(512) as q",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = mlp(256) as q\n"
        "    + mse({ s[t+1] } -> { r[t+1] }) with head = mlp(256) as q",
    ),
    Rule.SCHEDULE: Explanation(
        "A weight can change along a straight line while the agent trains: from, to, and over how many "
        "environment frames. A term that always weighs 0 does nothing.",
        "loss mine = linear(1.0, 100000) * mse({ s[t] } -> { s[t+1] })",
        "loss mine = linear(1.0, 0.0, 100000) * mse({ s[t] } -> { s[t+1] })",
    ),
    Rule.NESTING: Explanation(
        "A view, an encoder, a normaliser and value can stand inside each other; more nesting is a slip.",
        "loss mine = mse({ " + "l2(" * 17 + "s[t]" + ")" * 17 + ", a[t] } -> { s[t+1] })",
        "loss mine = mse({ l2(s[t]), a[t] } -> { s[t+1] })",
    ),
    Rule.NO_NEGATIVES: Explanation(
        "The five operators of He et al. 2022 stand alone or against the batch. infonce always takes the "
        "batch as negatives, so it isn't written; the others have no use for negatives.",
        "loss mine = infonce({ s[t], a[t] } -> { s[t+1] }) against batch",
        "loss mine = infonce({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.SCHEDULE_PRODUCT: Explanation(
        "The product of two straight lines is no straight line.",
        "loss a = linear(0.0, 1.0, 1000) * mse({ s[t] } -> { s[t+1] })\nloss b = linear(1.0, 0.5, 1000) * a",
        "loss a = linear(0.0, 1.0, 1000) * mse({ s[t] } -> { s[t+1] })\nloss b = 0.5 * a",
    ),
    # warnings
    Rule.COPIED: Explanation(
        "What stands on both sides can be passed through without learning anything. It is allowed: "
        "a2_winner_v, found by the search of He et al. 2022, does so with a[t+4].",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1], a[t] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.REPEATED: Explanation(
        "A set holds an element or does not; named twice it counts once. Views are another matter: every "
        "call of crop is a draw of its own, so { crop(s[t]), crop(s[t]) } holds two elements.",
        "loss mine = mse({ s[t], a[t], a[t..t+2] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+2] } -> { s[t+1] })",
    ),
    Rule.COLLAPSE: Explanation(
        "Where both sides are encoded with gradient and nothing else is in the loss, giving every state the "
        "same latent makes it least. A target encoder (ema), a stop-gradient (stop), negatives, a variance, "
        "barlow, or a target of data (actions, rewards, raw observations, flags, values) prevents that.",
        "loss mine = mse({ s[t], a[t] } -> { online(s[t+1]) })",
        "loss mine = mse({ s[t], a[t] } -> { stop(s[t+1]) })",
    ),
    Rule.NO_EFFECT: Explanation(
        "Two normalisers that divide by a size undo each other, a value passes no gradient to an encoder, "
        "and the return of one reward is that reward.",
        "loss mine = mse({ s[t], a[t] } -> { l2(avgl1(s[t+1])) })",
        "loss mine = mse({ s[t], a[t] } -> { l2(s[t+1]) })",
    ),
    Rule.IMPORT_UNUSED: Explanation(
        "An import that nothing refers to is a remnant, or the sum lacks a term.",
        'import "curl.a2l"\nloss mine = mse({ s[t], a[t] } -> { r[t] })',
        'import "curl.a2l"\nloss mine = curl + mse({ s[t], a[t] } -> { r[t] })',
    ),
    Rule.HEAD_ONCE: Explanation(
        "`as` lets two terms of one loss share a head. A name counts in its definition only: losses that "
        "refer to each other share no heads.",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = linear as q",
        "loss mine = mse({ s[t] } -> { r[t] }) with head = linear",
    ),
    Rule.EQUAL_NEGATIVES: Explanation(
        "Contrast tells a sample's target from those of the others. Nearly all steps have the flag 0, so "
        "there is nothing to tell.",
        "loss mine = inner({ s[t], a[t] } -> { done[t+1] }) against batch",
        "loss mine = ce({ s[t], a[t] } -> { done[t+1] })",
    ),
    Rule.ONE_NUMBER: Explanation(
        "nmse, cosine and infonce compare directions. One number has two of them, plus and minus.",
        "loss mine = nmse({ s[t], a[t] } -> { r[t] })",
        "loss mine = mse({ s[t], a[t] } -> { r[t] })",
    ),
}
