"""The sections of a report on a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from numpy.random import Generator

from a2ls_dsl.diagnostics import Source
from a2ls_dsl.english import count
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.lang.views.timeline import timeline
from a2ls_dsl.report import page, series
from a2ls_dsl.report.charts import Curve, Line, evolution, learning, occupancy
from a2ls_dsl.report.charts_parts import Bar, Part, family, intervals, stacked
from a2ls_dsl.report.comparison import compare
from a2ls_dsl.report.digits import duration
from a2ls_dsl.report.mathml import mathml
from a2ls_dsl.report.patterns import PatternTable
from a2ls_dsl.report.standing import Standing, lead, named, no_loss, standing
from a2ls_dsl.report.summary import Summary
from a2ls_dsl.report.tables import Table, formatted
from a2ls_dsl.report.verdict import Answer, Claim
from a2ls_dsl.search.candidates import FOUND, Candidate, Status, ranked
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.validation import Validation

SHOWN = 5
"""How many of the best are shown as formulas."""


def verdict(claims: Sequence[Claim]) -> str:
    """One card per question."""
    return "".join(map(_claim, claims))


def _claim(claim: Claim) -> str:
    kind = {Answer.YES: " yes", Answer.NO: " no"}.get(claim.answer, "")
    mark = {Answer.YES: "✓ Yes", Answer.NO: "✗ No"}.get(claim.answer, "? Can't be said")
    difference = f" <small>{escape(formatted(claim.difference, 1, True))}</small>" if claim.difference else ""
    fix = ""
    if claim.fix.startswith("a2l "):
        fix = page.paragraph("To know more:", "note") + page.code(claim.fix)
    elif claim.fix:
        fix = page.paragraph(f"To know more: {claim.fix}.", "note")
    why = page.paragraph(f"{claim.why[:1].upper()}{claim.why[1:]}.")
    return (
        f'<div class="card claim{kind}"><h3>{escape(claim.question)}</h3>'
        f'<p class="answer">{mark}{difference}</p>{why}{fix}</div>'
    )


def glance(summary: Summary) -> str:
    """The study in a few figures."""
    figures = [(f"{summary.candidates:,}", "candidates"), (_short(summary.cost.frames), "frames trained")]
    if summary.cost.seconds:
        figures.append((duration(summary.cost.seconds), "known training time"))
    if summary.occupied is not None:
        figures.append((f"{summary.occupied:.0%}", f"of {count(summary.slots, 'slot')} in use"))
    if top := standing(summary.board):
        figures += list(_of_the_best(top))
    return page.tiles(figures)


def _of_the_best(top: Standing) -> Iterator[tuple[str, str]]:
    """Its fresh runs if there are any, with the lead that the verdict gives; else its search score."""
    name = f"{FOUND}{top.best.key[:8]}"
    if top.best.fresh_score is None:
        yield f"{top.best.score or 0.0:.1f}", f"highest score, of {name}: one run, so partly luck"
        return
    yield f"{top.best.fresh_score:.1f}", f"mean of {name} over {count(top.best.fresh_runs, 'fresh seed')}"
    none = no_loss(top.references)
    if none and (ahead := top.lead(none)):
        yield (
            f"{ahead.value:+.1f}",
            f"its lead over no auxiliary loss on {count(top.seeds(none), 'common fresh seed')}",
        )


def over_time(study: Records) -> page.Section:
    """Violins by generation."""
    groups = series.groups(study)
    if not groups:
        return page.Section("evolution", "Evolution", page.paragraph("Nothing is scored yet."))
    references = [
        Line(candidate.name, candidate.score)
        for candidate in study.candidates(limit=50)
        if candidate.is_reference and candidate.score is not None
    ]
    number = sum(len(group.scores) for group in groups)
    caption = (
        f"The scores of {count(number, 'candidate')} that trained to the end; what was stopped early is not "
        "among them. Circle: median; thick line: middle half; orange: the best, and the best so far. "
        "Dashed: the references. Each score is of one run, so the best is partly luck."
    )
    return page.Section(
        "evolution", "Evolution", page.figure(lambda width: evolution(groups, references, width), caption)
    )


def curves(study: Records, rng: Generator) -> page.Section:
    """Learning curves of the best and of the references, with others in grey."""
    board = study.leaderboard(3)
    chosen = [candidate for candidate in board if not candidate.is_reference][:3]
    chosen += [candidate for candidate in board if candidate.is_reference]
    drawn = [curve for candidate in chosen if (curve := series.curve(study, candidate)) is not None]
    if not drawn:
        return page.Section("curves", "Learning curves", page.paragraph("No run has ended yet."))
    others = series.other_curves(study, chosen, rng)
    runs = ", ".join(map(_runs, drawn))
    lot = " drawn at random" if len(others) == series.OTHERS else ""
    bands = " Bands: 95 % intervals of the mean (Student) at each evaluation, cut at the plot's edge."
    caption = (
        f"Mean over independent runs ({runs}).{bands * any(curve.runs > 1 for curve in drawn)} "
        f"Grey: {len(others)} other runs{lot}."
    )
    return page.Section(
        "curves", "Learning curves", page.figure(lambda width: learning(drawn[:5], others, width), caption)
    )


def _runs(curve: Curve) -> str:
    lost = f" and {curve.diverged} that diverged, left out" if curve.diverged else ""
    return f"{curve.name}: {count(curve.runs, 'run')}{lost}"


def hall(study: Records, table: Table) -> page.Section:
    """The best as formulas and timelines, intervals against no auxiliary loss, and the table."""
    board = study.leaderboard(10)
    none = no_loss(board)
    rows = []
    for _, candidate in ranked(board, 10):
        ahead = lead(candidate, none) if none and candidate is not none else None
        if ahead and ahead.bounded:
            rows.append((named(candidate), [Bar("", ahead, formatted(ahead, 1, True))]))
    drawn = ""
    if rows:
        caption = "Difference to no auxiliary loss on common fresh seeds; 95 % intervals of each alone."
        drawn = page.figure(
            lambda width: intervals(rows, "Differences to no auxiliary loss", "score against none", width),
            caption,
        )
    best = [(rank, candidate) for rank, candidate in ranked(board, 10) if rank is not None][:SHOWN]
    losses = "".join(_loss(rank, candidate, rank == 1) for rank, candidate in best)
    return page.Section("hall", "Hall of fame", drawn + losses + page.table(table))


def _loss(rank: int, candidate: Candidate, is_open: bool) -> str:
    """One loss: formula, timeline, file."""
    loss = candidate.loss
    name = f"{FOUND}{candidate.key[:8]}"
    score = f"{candidate.score:.1f} in its one search run" if candidate.score is not None else ""
    if candidate.fresh_score is not None:
        score = f"{candidate.fresh_score:.1f} over {count(candidate.fresh_runs, 'fresh seed')}; {score}"
    if loss is None:
        return ""
    formula = mathml(latex(name, loss))
    text = format_file(Source(name, f"loss {name} = {candidate.text}\n")).rstrip()
    inner = (page.scrolled(formula, "Formula") if formula else "") + page.code(text)
    inner += page.code(timeline(loss))
    summary = f"{rank}. {escape(name)}<span>{escape(score)}</span>"
    return f'<div class="card">{page.folded(summary, inner, "loss", is_open)}</div>'


def lineage(summary: Summary) -> page.Section:
    """The family tree of the best."""
    if not summary.lineage:
        return page.Section("family", "Family of the best", page.paragraph("Nothing is scored yet."))
    drawn = page.fixed(
        family(summary.lineage),
        "Family tree",
        f"Parents above their children, the best ({summary.lineage[-1].grounds}) at the bottom, with the "
        "move that made each and its score. "
        + ("" if len(summary.lineage) <= 60 else f"The nearest 60 of {len(summary.lineage)} ancestors."),
    )
    rows = tuple(
        (
            ancestor.key[:8],
            ancestor.generation,
            str(ancestor.origin),
            " ".join(p[:8] for p in ancestor.parents),
            ancestor.score,
            ancestor.text,
        )
        for ancestor in summary.lineage[::-1][:60]
    )
    table = Table(
        "family", "Ancestors", ("key", "generation", "move", "of", "score", "loss"), rows, wide=("loss",)
    )
    return page.Section("family", "Family of the best", drawn + page.folded("As a table", page.table(table)))


def gates(study: Records, summary: Summary, table: Table) -> page.Section:
    """What became of candidates, what gates saved, and why candidates were stopped."""
    kinds = {
        Status.SCORED: "p0",
        Status.CULLED: "p1",
        Status.REJECTED: "p2",
        Status.FAILED: "p3",
        Status.RUNNING: "p4",
        Status.QUEUED: "p5",
    }
    became = [
        Part(str(status), summary.counts[status], kind)
        for status, kind in kinds.items()
        if summary.counts[status]
    ]
    body = page.figure(
        lambda width: stacked(became, "What became of candidates", width),
        "All candidates and references. Scored: trained to the end; culled: stopped at a rung; rejected: "
        "stopped by a gate before training; failed: diverged.",
    )
    if summary.gates:
        saved = [Part("trained", summary.cost.frames, "p0")]
        saved += [
            Part(f"saved by {gate.name}", gate.frames, f"p{1 + i % 4}")
            for i, gate in enumerate(summary.gates)
        ]
        body += page.figure(
            lambda width: stacked(saved, "Frames trained and saved", width),
            "Frames that the same candidates would have taken without gates and rungs.",
        )
    body += page.table(table)
    if counted := series.reasons(study):
        reasons = Table("reasons", "Reasons", ("why", "candidates"), tuple(counted), wide=("why",))
        body += page.folded("Why candidates were stopped or failed", page.table(reasons))
    return page.Section("gates", "Gates", body)


def slots(study: Records, summary: Summary) -> page.Section:
    """Slots in use over the search, and what it cost."""
    busy = series.busy(study)
    body = ""
    if busy is not None:
        body = page.figure(
            lambda width: occupancy(busy, summary.slots, width),
            "A slot is in use while a run trains in it. Evolution by populations waits for the slowest.",
        )
    cost = summary.cost
    killed = cost.sessions - cost.timed
    speed = f"{cost.frames / cost.seconds:,.0f}" if cost.seconds and not killed else "unknown"
    rows = (
        ("frames trained", f"{cost.frames:,}"),
        ("runs of the budget that is", f"{cost.frames / summary.settings.frames:,.1f}"),
        ("time of sessions that ended", duration(cost.seconds)),
        ("sessions that were killed or still run", str(max(killed, 0))),
        ("frames a second, all slots together", speed),
        ("first and last entry of the log (UTC)", f"{summary.began} to {summary.ended}"),
    )
    return page.Section(
        "cost", "Slots and cost", body + page.table(Table("cost", "Cost", ("what", "figure"), rows))
    )


def patterns(estimates: PatternTable, table: Table) -> page.Section:
    """The pattern table, and its intervals."""
    rows = [
        (
            row.name,
            [
                Bar("", row.joint.effect, f"joint {formatted(row.joint.effect, 1, True)}"),
                Bar("", row.plain.effect, f"alone {formatted(row.plain.effect, 1, True)}", quiet=True),
            ],
        )
        for row in estimates.rows
    ]
    drawn = page.figure(
        lambda width: intervals(
            rows, "What patterns are worth", "score with the pattern against without", width
        ),
        "Filled: with all other patterns, horizon and sizes held fixed (least squares, 95 %); hollow: the "
        "plain difference of means, as in the paper. Grey: the interval holds 0; an arrow: it goes on. "
        "Nothing in this chart is corrected for the number of patterns; the table is.",
    )
    return page.Section("patterns", "Patterns", (drawn if estimates.losses else "") + page.table(table))


def validated(validation: Validation, table: Table) -> page.Section:
    """Losses trained again on other environments."""
    rows = [
        (row.arm, [Bar("", row.difference, formatted(row.difference, 1, True))])
        for row in compare(validation)
        if row.difference is not None
    ]
    drawn = page.figure(
        lambda width: intervals(rows, "Validation against none", "mean against none", width),
        "Difference of means over all environments to no auxiliary loss, within seeds; 95 % intervals of "
        "each alone.",
    )
    return page.Section("validation", "Validation", (drawn if rows else "") + page.table(table))


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:,.0f}"
