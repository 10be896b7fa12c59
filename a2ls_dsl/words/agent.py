"""Functions without a formula: the agent's encoders and values, and functions of runs of steps."""

from __future__ import annotations

from a2ls_dsl.words.entry import Function, Kind, Number
from a2ls_dsl.words.numbers import POSITIVE_SHARE, Range

ONLINE, EMA, STOP = ENCODERS = ("online", "ema", "stop")
VALUE, ROLLOUT, VISITED, RETURN = "value", "rollout", "visited", "return"
ROLLOUTS = (ROLLOUT, VISITED)

DISCOUNT = Number("discount", 0.99, POSITIVE_SHARE)
UNIFORM, GEOMETRIC = DRAWS = "uniform", "geometric"
RATIO = Number("ratio", 0.99, Range(0, 1, above=True, below=True))

FUNCTIONS = (
    Function(
        UNIFORM,
        Kind.DRAW,
        "one step of a run, drawn anew for each sample; all are as probable",
        "uniform(s[t+1..t+5])",
        source="Lamb et al. 2022, arXiv 2207.08229",
    ),
    Function(
        GEOMETRIC,
        Kind.DRAW,
        "one step of a run, drawn anew for each sample; each is so many times as probable as the one before",
        "geometric(s[t+1..t+10], 0.9)",
        (RATIO,),
        source="Eysenbach et al. 2022, arXiv 2206.07568",
    ),
    Function(
        ONLINE,
        Kind.ENCODER,
        "the encoder, with gradient; the default in a source",
        "online(s[t])",
        latex=r"f_\theta(%s)",
        gradient=True,
    ),
    Function(
        EMA,
        Kind.ENCODER,
        "the target encoder, a slowly following copy, without gradient; the default in a target",
        "ema(s[t])",
        source="He et al. 2020, arXiv 1911.05722",
        latex=r"f_{\bar\theta}(%s)",
        gradient=False,
    ),
    Function(
        STOP,
        Kind.ENCODER,
        "the encoder as it is now, without gradient",
        "stop(s[t])",
        source="Chen and He 2021, arXiv 2011.10566",
        latex=r"\operatorname{sg}(f_\theta(%s))",
        gradient=False,
    ),
    Function(
        VALUE,
        Kind.ESTIMATE,
        "the agent's own estimate of a state, the least of its target critics; 0 if terminal; no gradient",
        "value(s[t+1])",
        latex=r"\bar V",
        gradient=False,
    ),
    Function(
        RETURN,
        Kind.SEQUENCE,
        "the discounted sum of a run of rewards, plus the discounted value of the state behind it",
        "return(r[t..t+2], value(s[t+3]), 0.99)",
        (DISCOUNT,),
        shapes="a run of rewards (B, 1) each, a value (B, 1) -> a number (B, 1)",
        gradient=False,
    ),
    Function(
        ROLLOUT,
        Kind.SEQUENCE,
        "latents of the steps that follow, from a learned transition that is applied action by action",
        "rollout(s[t], a[t..t+4])",
        source="Schwarzer et al. 2021, arXiv 2007.05929",
        shapes="a state, a run of actions (B, A) each -> a latent (B, F) for every step of the run",
    ),
    Function(
        VISITED,
        Kind.SEQUENCE,
        "latents of a rollout where its actions are taken: that of the state, then all but the last",
        "visited(s[t], a[t..t+4])",
        source="Hansen et al. 2024, arXiv 2310.16828",
        shapes="a state, a run of actions (B, A) each -> a latent (B, F) for every step of the run",
    ),
)
