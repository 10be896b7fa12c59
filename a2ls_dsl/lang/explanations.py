"""Why each rule for loss files exists, with a text that breaks it and one that keeps it: `a2l explain`.

The rules themselves are in `codes.py`; those for loss grammars have a table like this one beside theirs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """Behind a rule: `wrong` is a whole file that breaks it and nothing else, `right` the same file mended.

    Both are None where the smallest file that breaks the rule is too large to show.
    """

    why: str
    wrong: str | None = None
    right: str | None = None


_STEP = "loss mine = mse({ s[t] } -> { s[t+1] })"
_LONG = "\nloss b = a + a + a + a + a\nloss c = b + b + b + b + b\nloss d = c + c + c + c + c"

EXPLANATIONS: dict[str, Explanation] = {
    # the file
    "A2L001": Explanation(
        "A loss has a few lines. A file of more than 1 MB is most likely not a loss file, so it is refused "
        "before it is read as one; so is a loss grammar. Split a file that really holds so many losses."
    ),
    "A2L002": Explanation(
        "Every command does something with the losses of a file. One without any is empty, or all of it is "
        "a comment.",
        "# mse({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    "A2L003": Explanation(
        "The language needs few characters, and look-alikes from papers and word processors would make two "
        "losses look the same that are not.",
        "loss mine = mse(｛ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    # syntax
    "A2L010": Explanation(
        "A definition has one shape, so that a loss can be read at a glance. The message says what stands "
        "in a place where something else belongs.",
        "loss mine = mse({ s[t] a[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L011": Explanation(
        "Parentheses hold what an operator compares, braces hold a set, square brackets a step. A bracket "
        "without its partner leaves open where that ends.",
        "loss mine = mse({ s[t], a[t] -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L012": Explanation(
        "An element is a tensor of the window: a stream at a step. Square brackets, as in an array, keep it "
        "apart from a call such as crop(s[t]).",
        "loss mine = mse({ s_t, a[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L013": Explanation(
        "A loss predicts its target from its source, and the two sides differ: gradients flow through the "
        "source only. One arrow in one direction says which is which.",
        "loss mine = mse({ s[t+1] } <- { s[t] })",
        _STEP,
    ),
    "A2L014": Explanation(
        "Braces say that this is a set: the order of its elements does not matter.",
        "loss mine = mse(s[t] -> s[t+1])",
        _STEP,
    ),
    "A2L015": Explanation(
        "The word `loss` says where a definition begins, so that a mistake in one does not hide the next. "
        "The name is how other losses, reports and commands refer to it.",
        "mine = mse({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    "A2L016": Explanation(
        "A run names every step from the first to the last, both included. Two dots, unlike the colon of "
        "Python, don't leave open whether the last one counts.",
        "loss mine = mse({ s[t], a[t:t+3] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+3] } -> { s[t+1] })",
    ),
    "A2L017": Explanation(
        "Negatives are the other samples of the batch and nothing else; there is one way to ask for them.",
        "loss mine = inner({ s[t] } -> { s[t+1] }) with negatives",
        "loss mine = inner({ s[t] } -> { s[t+1] }) against batch",
    ),
    "A2L018": Explanation(
        "A loss is minimised term by term. Subtracting a term would drive it up without bounds, and weights "
        "stand in one place so that they can be found.",
        f"{_STEP}\nloss both = mine - 0.1 * mine",
        f"{_STEP}\nloss both = mine + 0.1 * mine",
    ),
    # names
    "A2L021": Explanation(
        "The operators are mse, nmse, inner, bilinear and cosine, those of He et al. 2022.",
        "loss mine = l2({ s[t] } -> { s[t+1] })",
        _STEP,
    ),
    "A2L022": Explanation(
        "A trajectory consists of states s, actions a and rewards r. Capitals are other names.",
        "loss mine = mse({ S[t], u[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L023": Explanation(
        "A view is a random augmentation that the project knows how to compute; today there is crop.",
        "loss mine = mse({ blur(s[t]) } -> { s[t+1] })",
        "loss mine = mse({ crop(s[t]) } -> { s[t+1] })",
    ),
    "A2L024": Explanation(
        "Views augment images, and only states are images. Actions and rewards enter a loss as they are.",
        "loss mine = mse({ s[t], crop(a[t]) } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L025": Explanation(
        "A name that meant two losses would leave open which of them a reference or a command means.",
        f"{_STEP}\nloss mine = mse({{ s[t] }} -> {{ s[t+2] }})",
        f"{_STEP}\nloss other = mse({{ s[t] }} -> {{ s[t+2] }})",
    ),
    "A2L026": Explanation(
        "References look upwards only, so no loss can contain itself, and a file is read from top to bottom.",
        f"loss both = mine + 0.1 * mine\n{_STEP}",
        f"{_STEP}\nloss both = mine + 0.1 * mine",
    ),
    # values
    "A2L031": Explanation(
        "A window begins at t and looks ahead. What a loss says about the past it says about a later window: "
        "shift all its steps so that the first is t.",
        "loss mine = mse({ s[t-1] } -> { s[t] })",
        _STEP,
    ),
    "A2L032": Explanation(
        "A trajectory has whole steps, counted from t. Fixed steps of an episode can't be named, and loss "
        "files have no parameters such as k; those belong in a loss grammar.",
        "loss mine = mse({ s[t] } -> { s[t+k] })",
        "loss mine = mse({ s[t] } -> { s[t+3] })",
    ),
    "A2L033": Explanation(
        "A window lies inside one episode, and an episode of the DeepMind Control suite has at most 1,000 "
        "steps.",
        "loss mine = mse({ s[t] } -> { s[t+1000] })",
        "loss mine = mse({ s[t] } -> { s[t+999] })",
    ),
    "A2L034": Explanation(
        "A run from a later to an earlier step holds nothing, which is never what was meant.",
        "loss mine = mse({ s[t], a[t+3..t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+3] } -> { s[t+1] })",
    ),
    "A2L035": Explanation(
        "Without a source there is nothing to predict from, without a target nothing to predict.",
        "loss mine = mse({ s[t] } -> { })",
        _STEP,
    ),
    "A2L036": Explanation(
        "An auxiliary loss trains the encoder. Only states of the source go through it with gradients; "
        "actions and rewards are used raw, and the target has none.",
        "loss mine = mse({ a[t], r[t] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t], r[t] } -> { s[t+1] })",
    ),
    "A2L037": Explanation(
        "A weight of zero does nothing, a negative one drives its term up without bounds, and an infinite "
        "one hides all others. This holds after references are multiplied out, too.",
        "loss mine = 0 * mse({ s[t] } -> { s[t+1] })",
        "loss mine = 0.5 * mse({ s[t] } -> { s[t+1] })",
    ),
    "A2L038": Explanation(
        "Runs and references name many elements in few characters; no agent could train with so many.",
        "loss a = mse({ s[t..t+999] } -> { r[t] })" + _LONG,
        "loss a = mse({ s[t..t+99] } -> { r[t] })" + _LONG,
    ),
    # warnings
    "A2L101": Explanation(
        "What stands on both sides can be passed through without learning anything. It is allowed: "
        "a2_winner_v, found by the search of He et al. 2022, does so with a[t+4].",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1], a[t] })",
        "loss mine = mse({ s[t], a[t] } -> { s[t+1] })",
    ),
    "A2L102": Explanation(
        "A set holds an element or does not; named twice it counts once. Views are another matter: every "
        "call of crop is a draw of its own, so { crop(s[t]), crop(s[t]) } holds two elements.",
        "loss mine = mse({ s[t], a[t], a[t..t+2] } -> { s[t+1] })",
        "loss mine = mse({ s[t], a[t..t+2] } -> { s[t+1] })",
    ),
}
