"""Is what a search found any good? Yes, no, or: it can't be said, and what to run to know.

The score by which a candidate came to the top is not evidence: the best of many is partly luck. Evidence is
runs with fresh seeds. Among several candidates that were confirmed the best is taken, which is a choice
again; so its interval is as wide as holds for all of them together (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from a2ls_dsl.english import count
from a2ls_dsl.report.standing import BOARD, Standing, chosen_confidence, standing
from a2ls_dsl.report.statistics import Interval, difference
from a2ls_dsl.report.validation import compare, seeds
from a2ls_dsl.search.candidates import FOUND, NO_LOSS, Candidate, references
from a2ls_dsl.search.records import Records
from a2ls_dsl.search.validation import Validation

EVEN = 1.1
"""Budgets that differ by less than this factor are equal."""

_MUST_AGREE = ("env", "frames", "operator", "scoring")


class Answer(StrEnum):
    """What can be said."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "can't be said"


@dataclass(frozen=True)
class Claim:
    """A question, what the data say to it and why; fix: what to run to know more."""

    question: str
    answer: Answer
    why: str
    difference: Interval | None = None
    fix: str = ""


def verdict(
    study: Records, against: Records | None = None, validation: Validation | None = None
) -> tuple[Claim, ...]:
    """The claims about the best of a study. against: a random search with the same settings."""
    found = standing(study.leaderboard(BOARD))
    references = [each for each in study.candidates(limit=50) if each.is_reference]
    claims = [_against_reference(study, found, each) for each in references]
    if study.settings.strategy != "random":
        claims.append(_against_random(study, found, against))
    own = study.settings.env, study.settings.frames  # answered above
    if validation and any((env, validation.frames) != own for env in validation.envs):
        claims.append(elsewhere(validation))
    return tuple(claims)


def _against_reference(study: Records, found: Standing | None, reference: Candidate) -> Claim:
    name = "no auxiliary loss" if reference.key == NO_LOSS else reference.name
    question = f"Is the best loss better than {name}?"
    more = max(10, 2 * found.seeds(reference)) if found else 10
    fix = f"a2l validate {study.folder} --envs {study.settings.env} --seeds {more}"
    if found is None:
        return Claim(question, Answer.UNKNOWN, "no candidate has a score yet")
    if found.is_luck:
        trained = sum(study.counts().values()) - len(references())
        return Claim(
            question,
            Answer.UNKNOWN,
            f"every candidate was trained with one seed, and the best of {trained:,} is partly "
            "luck; no run with fresh seeds shows how much",
            fix=fix,
        )
    lead = found.lead(reference)
    if lead is None or not lead.known:
        why = f"{_loss(found)} and {reference.name} share too few fresh seeds for an interval"
        return Claim(question, Answer.UNKNOWN, why, lead, fix)
    choice = _choice(found.choices, "confirmed")
    why = f"{_loss(found)} on {count(found.seeds(reference), 'common fresh seed')}; {choice}"
    return _told(question, lead, why, fix)


def _against_random(study: Records, found: Standing | None, against: Records | None) -> Claim:
    question = "Did the search find a better loss than random search with the same budget?"
    settings = study.settings
    if against is None:
        return Claim(
            question,
            Answer.UNKNOWN,
            "there is no random search to compare with",
            fix=f"run `a2l evolve --env {settings.env} --strategy random` with the other "
            f"settings as here, then `a2l report {study.folder} --against OTHER`",
        )
    if differing := _unlike(study, against):
        return Claim(question, Answer.UNKNOWN, f"the random search has other settings: {differing}")
    theirs = standing(against.leaderboard(BOARD))
    if not (found and theirs) or found.is_luck or theirs.is_luck:
        return Claim(
            question,
            Answer.UNKNOWN,
            "the best of both have to be trained with fresh seeds, as both are partly luck",
            fix="run both searches again with `a2l evolve ... --confirm 3`",
        )
    confidence = chosen_confidence(found.choices * theirs.choices)
    lead = difference([found.best.fresh], [theirs.best.fresh], confidence)
    ours, other = study.frames(), against.frames()
    why = (
        f"{_loss(found)} against {_loss(theirs)}, the best confirmed of each, {ours:,} frames against "
        f"{other:,}. One search each: this tells these two apart, not the strategies"
    )
    claim = _told(question, lead, why, "repeat both with other seeds")
    fair = {Answer.YES: ours <= EVEN * other, Answer.NO: other <= EVEN * ours}.get(claim.answer, True)
    if fair:
        return claim
    return Claim(question, Answer.UNKNOWN, f"the budgets differ: {why}", lead, "give both the same budget")


def _loss(found: Standing) -> str:
    """The loss that is spoken of, as files and tables name it."""
    return f"the loss {FOUND}{found.best.key[:8]}"


def _unlike(study: Records, against: Records) -> str:
    """What differs beside the strategy."""
    ours, theirs = study.settings, against.settings
    if theirs.strategy != "random":
        return f"its strategy is {theirs.strategy}"
    if study.fingerprint != against.fingerprint:
        return "its grammar is another"
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
    arms = [each for each in compare(validation) if each.found]
    if not arms:
        return Claim(question, Answer.UNKNOWN, "no loss of the study is trained yet", fix="a2l validate")
    best = arms[0]
    mine, none = ([validation.of(arm, env) for env in best.per_env] for arm in (best.arm, NO_LOSS))
    found = difference(mine, none, chosen_confidence(len(arms)))
    part = "" if validation.complete else f" ({len(validation.scores)} of {validation.wanted} runs are there)"
    why = (
        f"{best.arm}, {_choice(len(arms), 'trained again')}: difference of means, "
        f"{seeds(validation)} seeds or more each, {validation.frames:,} frames{part}"
    )
    return _told(question, found, why, "a2l validate with more seeds")


def _told(question: str, found: Interval, why: str, fix: str) -> Claim:
    if not found.known or not found.excludes(0.0):
        told = f"the interval holds 0: {why}" if found.known else why
        return Claim(question, Answer.UNKNOWN, told, found, fix)
    return Claim(question, Answer.YES if found.value > 0 else Answer.NO, why, found)


def _choice(number: int, done: str) -> str:
    """What was chosen among how many, and what that does to the interval."""
    if number == 1:
        return f"the only one {done}"
    return f"the best of {number} {done}, so the interval is a {chosen_confidence(number):.1%} one"
