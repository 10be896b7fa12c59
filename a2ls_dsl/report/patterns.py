"""What good losses have in common: the pattern table of He et al. 2022 (their table 5), and a sounder one.

A loss has a pattern if it holds it at any step of its window. The paper compares the mean score of the losses
with a pattern and of those without, by a t-test. But patterns come together (who predicts many states also
predicts rewards), and eight tests find something by luck. So beside it stand p-values corrected after Holm,
and a regression that estimates all patterns together, with the horizon and the sizes of the sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from a2ls_dsl.report.regression import Coefficient, benjamini_hochberg, holm, least_squares, t_test
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.patterns import CONTROLS, MEANING, Features, features, features_of, plain_sets
from a2ls_dsl.search.records import Records

SLOW = 2_000
"""Losses that only the parser can read are many milliseconds each: beyond this many, some are drawn."""


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
    """The table over `losses` scored losses; `left_out`: those that were not drawn, or could not be read.

    repeated: those that ran with several seeds, whose score is the mean of all. They scatter less, for which
    the errors of the regression are made (HC3).
    """

    rows: tuple[Pattern, ...]
    losses: int
    left_out: int
    repeated: int = 0


def pattern_table(study: Records, rng: Generator) -> PatternTable:
    """The table over all candidates that trained to their end, references aside."""
    found, slow, known, repeated = [], [], 0, 0
    for each in study.candidates_one_by_one():
        if each.status is not Status.SCORED or each.is_reference or each.score is None:
            continue
        known += 1
        repeated += each.runs > 1
        if (sets := plain_sets(each.text)) is not None:
            found.append((features_of([sets]), each.mean))
        else:
            slow.append((each.text, each.mean))
    chosen = slow if len(slow) <= SLOW else [slow[i] for i in rng.choice(len(slow), SLOW, replace=False)]
    found += [(read, score) for text, score in chosen if (read := features(text)) is not None]
    return replace(table_of(found, known), repeated=repeated)


def table_of(found: list[tuple[Features, float]], known: int | None = None) -> PatternTable:
    """The table over features and scores. known: how many losses there are, if some are left out."""
    names = [*MEANING, *CONTROLS]
    columns = np.array([[each[name] for name in names] for each, _ in found]).reshape(-1, len(names))
    scores = np.array([score for _, score in found])
    joint = least_squares(columns, scores)[: len(MEANING)]
    plain = []
    for place, _ in enumerate(MEANING):
        has = columns[:, place] > 0
        plain.append(t_test(scores[has], scores[~has]))
    corrected, rates = (rule([each.p for each in plain]) for rule in (holm, benjamini_hochberg))
    jointly = holm([each.p for each in joint])
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
    return PatternTable(rows, len(found), (known if known is not None else len(found)) - len(found))
