"""Names that other papers and code bases use for what this language calls otherwise, and near names.

Each function gives the fix for a name that does not exist: what it probably means, else what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from a2ls_dsl.diagnostics import Fix, near
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, operators


def _spread(groups: Mapping[str, str]) -> dict[str, str]:
    """One entry a name out of `fix: names`."""
    return {name: fix for fix, names in groups.items() for name in names.split()}


_STREAMS_LISTED = "the streams are s (state), a (action), r (reward), o (raw observation), done"
_STREAMS = _spread(
    {
        "write s, or o for the observation as data": "obs observation state states",
        "write a": "u act action actions",
        "write r": "rew reward rewards",
        "write done": "d terminal terminated term end",
        "a latent is an encoded state: write s": "z h latent latents feature features",
        "e.g. value(s[t])": "v q",
        "e.g. return(r[t..t+2], value(s[t+3]))": "g ret",
    }
)

_FUNCTIONS = _spread(
    {
        "a stop-gradient is written stop(s[t])": "sg stopgrad stop_grad stop_gradient detach no_grad",
        "a target encoder is written ema(s[t])": "target momentum slow polyak",
        "write crop(s[t])": "random_crop center_crop",
        "write shift(s[t], 4)": "random_shift pad aug augment augmentation drq",
        "write noise(s[t], 0.1)": "gaussian gaussian_noise jitter",
        "write mask(s[t], 0.5)": "dropout cutout erase masked",
        "write intensity(s[t], 0.05)": "brightness color colour color_jitter",
        "write l2(s[t])": "normalize normalise norm unit",
        "write simnorm(s[t], 8)": "softmax sem",
        "write value(s[t])": "v q critic values",
        "write return(r[t..t+2], value(s[t+3]))": "g returns nstep n_step discounted",
        "write rollout(s[t], a[t..t+4])": "unroll dynamics transition imagine predict",
    }
)

_OPERATORS = _spread(
    {
        "did you mean `mse`?": "l2 square squared euclidean",
        "did you mean `l1`?": "mae absolute",
        "did you mean `huber`?": "smooth_l1",
        "did you mean `ce`?": "cross_entropy crossentropy xent two_hot twohot bce",
        "latents are no distributions: use mse or cosine, or ce of rewards": "kl kld kl_div divergence",
        "did you mean `infonce`?": "nce contrastive ntxent nt_xent simclr cpc",
        "did you mean `cosine`?": "cos cosine_similarity cossim",
        "did you mean `inner`?": "dot dot_product",
        "did you mean `nmse`?": "byol simsiam",
        "e.g. variance(...) + covariance(...) + mse(...)": "vicreg",
        "did you mean `barlow`?": "barlow_twins",
        "did you mean `sigreg`?": "lejepa epps_pulley",
        "did you mean `bisim`?": "bisimulation dbc",
    }
)

_OPTIONS = _spread(
    {
        "did you mean `temperature`?": "tau temp t",
        "did you mean `discount`?": "gamma",
        "did you mean `redundancy`?": "lambda lambd",
        "did you mean `decay`?": "rho",
        "did you mean `bins`?": "num_bins nbins buckets",
        "did you mean `head`?": "proj projector projection predictor mlp",
    }
)


LISTED = 12
"""How many names a message lists."""


def suggestion(name: str, known: Iterable[str], listed: str = "", guess: bool = True) -> str | Fix:
    """The fix for a name that does not exist: the near one, else `listed`, by default what there is.

    Without `guess` only what there is (that is cheap).
    """
    names = list(dict.fromkeys(known))
    if close := near(name, names) if guess else None:
        return Fix(f"did you mean `{close}`?", close)
    more = ", ..." if len(names) > LISTED else ""
    return listed or f"there is {', '.join(names[:LISTED])}{more}"


def unknown_stream(name: str) -> str | Fix:
    """The fix for a stream that does not exist."""
    small = name.lower()
    words = f"write {small}" if small in list(Stream) else _STREAMS.get(small, _STREAMS_LISTED)
    meant = re.search(r"\bwrite (\w+)(?:,|$)", words)
    return Fix(words, meant[1]) if meant else words


def unknown_function(name: str, guess: bool = True) -> str | Fix:
    """The fix for a function that does not exist; without `guess` only what there is (that is cheap)."""
    listed = f"the functions are {', '.join(functions)}; @a2l.view adds your own"
    if name in operators:
        return f"`{name}` is an operator, it stands before the sets; {listed}"
    return _fix(name, _FUNCTIONS, functions, listed, guess)


def unknown_operator(name: str, guess: bool = True) -> str | Fix:
    """The fix for an operator that does not exist."""
    listed = f"the operators are {', '.join(operators)}; @a2l.operator adds your own"
    fix = _fix(name, _OPERATORS, operators, listed, guess)
    if name not in functions:
        return fix
    what = f"`{name}` is a function of an item; "
    return what + fix if isinstance(fix, str) else replace(fix, words=what + fix.words)


def unknown_option(name: str, known: Iterable[str], listed: str = "") -> str | Fix:
    """The fix for an option that the operator does not have; `known` are those it has."""
    known = list(known)
    listed = listed or (f"it has {', '.join(known)}" if known else "it has none")
    hints = {each: hint for each, hint in _OPTIONS.items() if any(f"`{one}`" in hint for one in known)}
    return _fix(name, hints, known, listed, True)


def _fix(name: str, aliases: Mapping[str, str], known: Iterable[str], listed: str, guess: bool) -> str | Fix:
    if name.lower() in aliases:
        words = aliases[name.lower()]
        meant = re.search(r"did you mean `(\w+)`|(\w+)\(", words)
        return Fix(words, meant[1] or meant[2]) if meant and not words.startswith("e.g.") else words
    return suggestion(name, known, listed, guess)
