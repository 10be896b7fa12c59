"""Is what a search found any good? Yes, no, or: it can't be said, and what to run to know.

The score by which a candidate came to the top is no evidence: the best of many is partly luck. Evidence is
runs with fresh seeds. Among several candidates that were confirmed the best is taken, which is a choice
again; so its interval is as wide as holds for all of them together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from a2ls_dsl.report.statistics import CONFIDENCE, Interval, difference_over_tasks, mean_difference
from a2ls_dsl.report.validation import Validation, compare, seeds
from a2ls_dsl.search.candidates import NO_LOSS, Candidate, references
from a2ls_dsl.search.records import Records

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
    known = [each for each in study.candidates(limit=50) if each.is_reference]
    confirmed = _confirmed(study)
    claims = [_against_reference(study, confirmed, each) for each in known]
    if study.settings.strategy != "random":
        claims.append(_against_random(study, confirmed, against))
    if validation and validation.scores:
        claims.append(elsewhere(validation))
    return tuple(claims)


def chosen_confidence(choices: int) -> float:
    """The confidence of one interval such that those of so many choices hold together."""
    return 1 - (1 - CONFIDENCE) / max(choices, 1)


def _confirmed(study: Records) -> list[Candidate]:
    """The candidates with two fresh runs or more, the highest mean first."""
    board = study.leaderboard(100)
    found = [each for each in board if not each.is_reference and each.fresh_runs > 1]
    return sorted(found, key=lambda each: -(each.fresh_score or 0.0))


def _against_reference(study: Records, confirmed: Sequence[Candidate], reference: Candidate) -> Claim:
    name = "no auxiliary loss" if reference.key == NO_LOSS else reference.name
    question = f"Is the best loss better than {name}?"
    fix = f"a2l validate {study.folder} --envs {study.settings.env} --seeds 10"
    if all(each.is_reference for each in study.leaderboard(1)):
        return Claim(question, Answer.UNKNOWN, "no candidate has a score yet")
    if not confirmed:
        trained = sum(study.counts().values()) - len(references())
        return Claim(
            question,
            Answer.UNKNOWN,
            f"every candidate was trained with one seed, and the best of {trained:,} is partly "
            "luck; no run with fresh seeds shows how much",
            fix=fix,
        )
    scores = study.scores(reference)
    if len(scores) < 2:
        return Claim(question, Answer.UNKNOWN, f"{reference.name} has fewer than two runs", fix=fix)
    mine = study.scores(confirmed[0])
    found = mean_difference(mine, scores, chosen_confidence(len(confirmed)))
    why = f"{len(mine)} fresh seeds against {len(scores)}; {_choice(len(confirmed), 'confirmed')}"
    return _told(question, found, why, fix)


def _against_random(study: Records, confirmed: Sequence[Candidate], against: Records | None) -> Claim:
    question = "Did the search find a better loss than random search with the same budget?"
    settings = study.settings
    if against is None:
        return Claim(
            question,
            Answer.UNKNOWN,
            "there is no random search to compare with",
            fix=f"run `a2l evolve --env {settings.env} --strategy random --confirm 3` with the other "
            "settings as here, and name its study with --against",
        )
    if differing := _unlike(study, against):
        return Claim(question, Answer.UNKNOWN, f"the random search has other settings: {differing}")
    theirs = _confirmed(against)
    if not (confirmed and theirs):
        return Claim(
            question,
            Answer.UNKNOWN,
            "the best of both have to be trained with fresh seeds, as both are partly luck",
            fix="run both searches with --confirm 3",
        )
    choices = len(confirmed) * len(theirs)
    found = mean_difference(study.scores(confirmed[0]), against.scores(theirs[0]), chosen_confidence(choices))
    ours, other = study.frames(), against.frames()
    why = (
        f"{ours:,} frames against {other:,}; the best confirmed loss of each. One search each: this tells "
        "these two apart, not the strategies"
    )
    claim = _told(question, found, why, "repeat both with other seeds")
    fair = {Answer.YES: ours <= EVEN * other, Answer.NO: other <= EVEN * ours}.get(claim.answer, True)
    if fair:
        return claim
    return Claim(question, Answer.UNKNOWN, f"the budgets differ: {why}", found, "give both the same budget")


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
        if name in _MUST_AGREE or name.startswith(("sac.", "rainbow.", "evaluation."))
    ]
    return "; ".join(f"{name} is {differing[name][1]}, here {differing[name][0]}" for name in kept)


def elsewhere(validation: Validation) -> Claim:
    """The best found loss over all environments of a validation, against no auxiliary loss."""
    envs = ", ".join(validation.envs)
    question = f"Does it help when trained anew on {envs}?"
    arms = [each for each in compare(validation, np.random.default_rng(0)) if each.found]
    if not arms:
        return Claim(question, Answer.UNKNOWN, "no loss of the study is trained yet", fix="a2l validate")
    best = arms[0]
    mine, none = ([validation.of(arm, env) for env in best.per_env] for arm in (best.arm, NO_LOSS))
    found = difference_over_tasks(mine, none, confidence=chosen_confidence(len(arms)))
    part = "" if validation.complete else f" ({len(validation.scores)} of {validation.wanted} runs are there)"
    why = (
        f"{best.arm}, {_choice(len(arms), 'trained anew')}: difference of means, "
        f"{seeds(validation.scores)} seeds or more each, {validation.frames:,} frames{part}"
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
