"""What good losses have in common: the pattern table of He et al. 2022 (their table 5), and a sounder one.

A loss has a pattern if the pattern occurs at any step of its window. The paper compares the mean scores of
the losses with and without a pattern by a t-test. But patterns occur together (a loss that predicts many
states also predicts rewards), and of eight tests some succeed by luck. So the table also gives p-values
corrected after Holm, and a regression that estimates all patterns together, with the horizon and the sizes of
the sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from a2ls_dsl.report.regression import Coefficient, benjamini_hochberg, holm, least_squares, t_test
from a2ls_dsl.search.candidates import Status, levels_of
from a2ls_dsl.search.patterns import CONTROLS, MEANING, Features, features, features_of, plain_sets
from a2ls_dsl.search.study.records import Records

SLOW = 2_000
"""Losses that only the parser can read take many milliseconds each: of more than this many, a random sample
is read."""


@dataclass(frozen=True)
class Pattern:
    """A row of the table. present, absent: losses with and without it.

    plain: the paper's difference of means, by a t-test; joint: the same with all other patterns, horizon and
    sizes held fixed. holm, bh: the p-values of `plain`, corrected; joint_holm: those of `joint`.
    """

    name: str
    present: int
    absent: int
    plain: Coefficient
    holm: float
    bh: float
    joint: Coefficient
    joint_holm: float


@dataclass(frozen=True)
class PatternTable:
    """The table over `losses` scored losses; `left_out`: those that were not sampled or could not be read.

    repeated: those that ran with several seeds, whose score is the mean over all. They scatter less, which
    the errors of the regression allow for (HC3).
    """

    rows: tuple[Pattern, ...]
    losses: int
    left_out: int
    repeated: int = 0


def pattern_table(study: Records, rng: Generator) -> PatternTable:
    """The table over all candidates that trained to their end, without the references."""
    scored, slow, total, repeated = [], [], 0, 0
    levels = levels_of(study.leaderboard(0))
    for candidate in study.candidates_one_by_one():
        if candidate.status is not Status.SCORED or candidate.is_reference or candidate.score is None:
            continue
        total += 1
        repeated += candidate.runs > 1
        if (sets := plain_sets(candidate.text)) is not None:
            scored.append((features_of([sets]), candidate.mean(levels)))
        else:
            slow.append((candidate.text, candidate.mean(levels)))
    chosen = slow if len(slow) <= SLOW else [slow[i] for i in rng.choice(len(slow), SLOW, replace=False)]
    scored += [(read, score) for text, score in chosen if (read := features(text)) is not None]
    return replace(table_of(scored, total), repeated=repeated)


def table_of(scored: list[tuple[Features, float]], total: int | None = None) -> PatternTable:
    """The table over features and scores. total: how many losses there are, if some are left out."""
    names = [*MEANING, *CONTROLS]
    columns = np.array([[values[name] for name in names] for values, _ in scored]).reshape(-1, len(names))
    scores = np.array([score for _, score in scored])
    joint = least_squares(columns, scores)[: len(MEANING)]
    plain = []
    for place, _ in enumerate(MEANING):
        has = columns[:, place] > 0
        plain.append(t_test(scores[has], scores[~has]))
    corrected, rates = (rule([test.p for test in plain]) for rule in (holm, benjamini_hochberg))
    jointly = holm([coefficient.p for coefficient in joint])
    rows = tuple(
        Pattern(
            name,
            int((columns[:, place] > 0).sum()),
            int((columns[:, place] == 0).sum()),
            plain[place],
            float(corrected[place]),
            float(rates[place]),
            joint[place],
            float(jointly[place]),
        )
        for place, name in enumerate(MEANING)
    )
    return PatternTable(rows, len(scored), (total if total is not None else len(scored)) - len(scored))
