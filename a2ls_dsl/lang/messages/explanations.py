"""Why each rule for loss files exists, with a text that breaks it and one that keeps it: `a2l explain`.

The rules themselves are in `codes.py`; those for loss grammars have a table like this one beside theirs.
"""

from __future__ import annotations

from a2ls_dsl.lang.messages.codes import Explanation, Rule
from a2ls_dsl.lang.messages.explanations_of_values import VALUES

_STEP = "loss mine = mse({ s[t] } -> { s[t+1] })"

EXPLANATIONS: dict[str, Explanation] = {
    # the file
    Rule.FILE_SIZE: Explanation(
        "A loss has a few lines. A file of more than 30 kB is most likely not a loss file, so it is refused "
        "before it is read as one; so is a loss grammar. Split a file that really holds so many losses."
    ),
    Rule.NO_LOSS: Explanation(
        "Every command does something with the losses of a file. One without any is empty, or all of it is "
        "a comment.",
        "# mse({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    Rule.CHARACTER: Explanation(
        "The language needs few characters, and look-alikes from papers and word processors would make two "
        "losses look the same that are not.",
        "loss mine = mse(｛ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    # syntax
    Rule.SYNTAX: Explanation(
        "A definition has one shape, so that a loss can be read at a glance. The message says what stands "
        "in a place where something else belongs.",
        "loss mine = mse({ s[t] a[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.BRACKETS: Explanation(
        "Parentheses hold what an operator compares, braces hold a set, square brackets a step. A bracket "
        "without its partner leaves open where that ends.",
        "loss mine = mse({ s[t], a[t] -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.ELEMENT: Explanation(
        "An element is a tensor of the window: a stream at a step. Square brackets, as in an array, keep it "
        "apart from a call such as crop(s[t]).",
        "loss mine = mse({ s_t, a[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.ARROW: Explanation(
        "A loss predicts its target from its source, and the two sides differ: gradients flow through the "
        "source only. One arrow in one direction says which is which.",
        "loss mine = mse({ s[t+1] } <- { s[t] })",
        _STEP,
    ),
    Rule.BRACES: Explanation(
        "Braces say that this is a set: the order of its elements does not matter.",
        "loss mine = mse(s[t] -> s[t+1])",
        _STEP,
    ),
    Rule.DEFINITION: Explanation(
        "The word `loss` says where a definition begins, so that a mistake in one does not hide the next. "
        "The name is how other losses, reports and commands refer to it.",
        "mine = mse({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    Rule.RUN: Explanation(
        "A run names every step from the first to the last, both included. Two dots, unlike the colon of "
        "Python, don't leave open whether the last one counts.",
        "loss mine = mse({ s[t], a[t:t+3] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+3] } -> { s[t+1] })",
    ),
    Rule.AGAINST_BATCH: Explanation(
        "Negatives are the other samples of the batch and nothing else; there is one way to ask for them.",
        "loss mine = inner({ s[t] } -> { s[t+1] }) with negatives",
        "loss mine = inner({ s[t] } -> { s[t+1] }) against batch",
    ),
    Rule.SUM: Explanation(
        "A loss is minimised term by term. Subtracting a term would drive it up without bounds, and weights "
        "stand in one place so that they can be found.",
        f"{_STEP}\nloss both = mine - 0.1 * mine",
        f"{_STEP}\nloss both = mine + 0.1 * mine",
    ),
    Rule.IMPORT: Explanation(
        "An import brings the losses of another file, so that this one can refer to them. The file is named "
        "relative to this one, else it is a shipped loss; no path leads anywhere else, and nothing is run.",
        "import curl\nloss both = curl + mse({ s[t], a[t] } -> { r[t] })",
        'import "curl.a2l"\nloss both = curl + mse({ s[t], a[t] } -> { r[t] })',
    ),
    Rule.OPTIONS: Explanation(
        "Options say how an operator compares: its head, a temperature, the number of bins. They stand "
        "behind the comparison, so that what is compared can be read without them.",
        "loss mine = mse({ s[t] } -> { s[t+1] }) with head: linear",
        "loss mine = mse({ s[t] } -> { s[t+1] }) with head = linear",
    ),
    # names
    Rule.OPERATOR_UNKNOWN: Explanation(
        "The operators are those of He et al. 2022 (mse, nmse, inner, bilinear, cosine), huber, ce, infonce, "
        "variance, covariance, barlow, mico and bisim, and what a program has registered.",
        "loss mine = l2({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    Rule.STREAM_UNKNOWN: Explanation(
        "A trajectory consists of states s, actions a, rewards r, raw observations o and the flag done. "
        "Capitals are other names.",
        "loss mine = mse({ S[t], u[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    Rule.FUNCTION_UNKNOWN: Explanation(
        "A function is a view (crop, shift, intensity, noise, mask), an encoder (online, ema, stop), a "
        "normaliser (l2, avgl1, simnorm), value, return or rollout, or was registered by a program.",
        "loss mine = mse({ blur(s[t]) } -> { s[t+1] })",
        "loss mine = mse({ crop(s[t]) } -> { s[t+1] })",
    ),
    Rule.MISAPPLIED: Explanation(
        "A view is taken of a state, an encoder makes a latent of it, a normaliser changes the latent, and "
        "value estimates either. So calls nest in this order, value(l2(ema(crop(s[t])))), and none is "
        "applied to actions, rewards or flags, which enter a loss as they are.",
        "loss mine = mse({ s[t], crop(a[t]) } -> { crop(l2(s[t+1])) })",
        "loss mine = mse({ s[t], a[t] } -> { l2(crop(s[t+1])) })",
    ),
    Rule.NAME_TAKEN: Explanation(
        "A name that meant two losses would leave open which of them a reference or a command means.",
        f"{_STEP}\nloss mine = mse({{ s[t] }} -> {{ s[t+2] }})",
        f"{_STEP}\nloss other = mse({{ s[t] }} -> {{ s[t+2] }})",
    ),
    Rule.REFERENCE_UNKNOWN: Explanation(
        "References look upwards only, so no loss can contain itself, and a file is read from top to bottom. "
        "Losses of other files can be referred to once these are imported.",
        f"loss both = mine + 0.1 * mine\n{_STEP}",
        f"{_STEP}\nloss both = mine + 0.1 * mine",
    ),
    Rule.OPTION_UNKNOWN: Explanation(
        "Every operator has its own options, and an option that could change nothing is most likely meant "
        "for something else: a temperature needs negatives, a decay a rollout.",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] }) with temperature = 0.1",
        "loss mine = infonce({ s[t], a[t] } -> { s[t+1] }) with temperature = 0.2",
    ),
    Rule.IMPORT_UNREADABLE: Explanation(
        "An import names a .a2l file relative to the file that it stands in, or a shipped loss. A text that "
        "is no file has no folder, so it can import shipped losses only.",
        'import "crul.a2l"\nloss both = curl + mse({ s[t], a[t] } -> { r[t] })',
        'import "curl.a2l"\nloss both = curl + mse({ s[t], a[t] } -> { r[t] })',
    ),
    Rule.IMPORT_CIRCLE: Explanation(
        "A file that imports itself, directly or through others, could be read for ever. Losses that two "
        "files need belong into a third one."
    ),
    Rule.IMPORT_LIMITS: Explanation(
        "Imports count as if everything stood in one file: 30 kB and 10,000 elements together, in 50 files. "
        "More is most likely an accident."
    ),
    # values and warnings
    **VALUES,
}
