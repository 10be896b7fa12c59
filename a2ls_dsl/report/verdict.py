"""Is what a search found any good? Yes, no, or: it can't be said, and what to run to find out.

The score that brought a candidate to the top is not evidence: the best of many is partly luck. Evidence is
runs with fresh seeds. Taking the best of several confirmed candidates is another choice, so its interval is
wide enough to hold for all of them together (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from a2ls_dsl.english import count
from a2ls_dsl.report.comparison import Scores, compare, seeds
from a2ls_dsl.report.standing import BOARD, Standing, chosen_confidence, standing
from a2ls_dsl.report.statistics import Interval, difference
from a2ls_dsl.search.candidates import FOUND, NO_LOSS, Candidate, references
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.validation import Validation

EVEN = 1.1
"""Budgets that differ by less than this factor are equal."""

_MUST_AGREE = ("env", "frames", "operator", "scoring")


class Answer(StrEnum):
    """The answer to a question about a study."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "can't be said"


@dataclass(frozen=True)
class Claim:
    """A question, the answer that the data give, and why; fix: what to run to know more."""

    question: str
    answer: Answer
    why: str
    difference: Interval | None = None
    fix: str = ""


def verdict(
    study: Records, against: Records | None = None, validation: Validation | None = None
) -> tuple[Claim, ...]:
    """The claims about the best of a study. against: a random search with the same settings."""
    top = standing(study.leaderboard(BOARD))
    references = [candidate for candidate in study.candidates(limit=50) if candidate.is_reference]
    claims = [_against_reference(study, top, reference) for reference in references]
    if study.settings.strategy != "random":
        claims.append(_against_random(study, top, against))
    own = study.settings.env, study.settings.frames  # answered above
    if validation and any((env, validation.frames) != own for env in validation.envs):
        claims.append(elsewhere(validation))
    return tuple(claims)


def _against_reference(study: Records, top: Standing | None, reference: Candidate) -> Claim:
    name = "no auxiliary loss" if reference.key == NO_LOSS else reference.name
    question = f"Is the best loss better than {name}?"
    more = max(10, 2 * top.seeds(reference)) if top else 10
    fix = f"a2l validate {study.folder} --envs {study.settings.env} --seeds {more}"
    if top is None:
        return Claim(question, Answer.UNKNOWN, "no candidate has a score yet")
    if top.is_luck:
        trained = sum(study.counts().values()) - len(references())
        return Claim(
            question,
            Answer.UNKNOWN,
            f"every candidate was trained with one seed, and the best of {trained:,} is partly "
            "luck; no run with fresh seeds shows how much",
            fix=fix,
        )
    lead = top.lead(reference)
    if lead is None or not lead.bounded:
        why = f"{_loss(top)} and {reference.name} share too few fresh seeds for an interval"
        return Claim(question, Answer.UNKNOWN, why, lead, fix)
    choice = _choice(top.choices, "confirmed")
    why = f"{_loss(top)} on {count(top.seeds(reference), 'common fresh seed')}; {choice}"
    return _judged(question, lead, why, fix)


def _against_random(study: Records, top: Standing | None, against: Records | None) -> Claim:
    question = "Did the search find a better loss than random search with the same budget?"
    settings = study.settings
    if against is None:
        return Claim(
            question,
            Answer.UNKNOWN,
            "there is no random search to compare with",
            fix=f"run `a2l evolve --env {settings.env} --strategy random` with the same other "
            f"settings, then `a2l report {study.folder} --against OTHER`",
        )
    if differing := _unlike(study, against):
        return Claim(question, Answer.UNKNOWN, f"the random search has other settings: {differing}")
    theirs = standing(against.leaderboard(BOARD))
    if not (top and theirs) or top.is_luck or theirs.is_luck:
        return Claim(
            question,
            Answer.UNKNOWN,
            "the best of both must be trained with fresh seeds, as both are partly luck",
            fix="run both searches again with `a2l evolve ... --confirm 3`",
        )
    confidence = chosen_confidence(top.choices * theirs.choices)
    lead = difference([top.best.fresh], [theirs.best.fresh], confidence)
    ours, other = study.frames(), against.frames()
    why = (
        f"{_loss(top)} against {_loss(theirs)}, the best confirmed of each, {ours:,} frames against "
        f"{other:,}. One search each: this tells these two apart, not the strategies"
    )
    claim = _judged(question, lead, why, "repeat both with other seeds")
    fair = {Answer.YES: ours <= EVEN * other, Answer.NO: other <= EVEN * ours}.get(claim.answer, True)
    if fair:
        return claim
    return Claim(question, Answer.UNKNOWN, f"the budgets differ: {why}", lead, "give both the same budget")


def _loss(top: Standing) -> str:
    """The best loss, by the name it has in files and tables."""
    return f"the loss {FOUND}{top.best.key[:8]}"


def _unlike(study: Records, against: Records) -> str:
    """The settings that differ, apart from the strategy."""
    ours, theirs = study.settings, against.settings
    if theirs.strategy != "random":
        return f"its strategy is {theirs.strategy}"
    if study.fingerprint != against.fingerprint:
        return "it has another grammar"
    differing = ours.differences(theirs)
    kept = [
        name
        for name in differing
        if name in _MUST_AGREE or name.startswith(("agent.", "evaluation.", "pixels"))
    ]
    return "; ".join(f"{name} is {differing[name][1]}, here {differing[name][0]}" for name in kept)


def elsewhere(validation: Validation) -> Claim:
    """The best found loss over all environments of a validation, against no auxiliary loss."""
    envs = ", ".join(validation.envs)
    question = f"Does it help when trained again on {envs}?"
    arms = [row for row in compare(validation) if row.is_found]
    if not arms:
        return Claim(question, Answer.UNKNOWN, "no loss of the study is trained yet", fix="a2l validate")
    best = arms[0]
    scores = Scores(validation.runs)
    mine, none = (scores.on(list(best.per_env), arm) for arm in (best.arm, NO_LOSS))
    lead = difference(mine, none, chosen_confidence(len(arms)))
    part = "" if validation.complete else f" ({len(validation.scores)} of {validation.wanted} runs are there)"
    why = (
        f"{best.arm}, {_choice(len(arms), 'trained again')}: difference of means, "
        f"{seeds(validation)} seeds or more each, {validation.frames:,} frames{part}"
    )
    return _judged(question, lead, why, "a2l validate with more seeds")


def _judged(question: str, lead: Interval, why: str, fix: str) -> Claim:
    if not lead.bounded or not lead.excludes(0.0):
        reason = f"the interval holds 0: {why}" if lead.bounded else why
        return Claim(question, Answer.UNKNOWN, reason, lead, fix)
    return Claim(question, Answer.YES if lead.value > 0 else Answer.NO, why, lead)


def _choice(number: int, done: str) -> str:
    """Among how many the best was chosen, and what that does to its interval."""
    if number == 1:
        return f"the only one {done}"
    return f"the best of {number} {done}, so the interval is a {chosen_confidence(number):.1%} one"
