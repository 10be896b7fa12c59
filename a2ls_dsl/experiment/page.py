"""One page of Markdown about experiments: verdicts first, then tables, curves, and what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.english import count
from a2ls_dsl.experiment.claims import Claim, Published
from a2ls_dsl.experiment.collect import Collected, Verdict
from a2ls_dsl.experiment.figure import figure
from a2ls_dsl.experiment.plan import Experiment
from a2ls_dsl.lang import files
from a2ls_dsl.report.comparison import Comparison
from a2ls_dsl.report.statistics import Interval

_HEAD = """\
# Results

Made by `{command}`; not to be edited by hand.
Every figure is computed from the committed curves, one CSV a run. A return is the mean over evaluation
episodes of the final policy; on DeepMind Control it lies in 0..1000. All arms of an experiment share their
seeds. Claims are judged by the mean over environments of the difference of final returns within seeds.
Intervals are 95 % ones that hold for few seeds: Student's, of a mean over seeds and of differences within
seeds (with few pairs Welch's), and for the probability of being better a score interval. Interquartile means
(IQM) of all runs stand beside them without an interval: a bootstrap's is too narrow
(`benchmarks/intervals.py`). No interval is corrected for how many of them there are. What deciding an open
claim would take is the runs of its two arms that are missing, or more seeds: so many that the interval, which
narrows with their root, would leave out 0 if the difference stayed as it is.
"""
MOST_SEEDS = 1_000
"""More aren't counted: there is no difference to speak of."""


def write(path: Path, experiments: Sequence[Collected]) -> list[Path]:
    """Write the page and, into a folder beside it, its figures; gives all paths.

    Raises `A2lError`, also if the page that is there is on more experiments than these.
    """
    if path.suffix != ".md":
        raise A2lError(f"`{path}` is not the name of a page", "name a file that ends in .md with --to")
    names = [collected.experiment.name for collected in experiments]
    for name in names:
        if names.count(name) > 1:
            raise A2lError(
                f"{names.count(name)} of the experiments are named {name}, and have one figure's name",
                "give every experiment once, and rename one of two with the same name",
            )
    _check_no_loss(path, experiments)
    written = [path]
    folder = path.with_suffix("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from None
    for collected in experiments:
        if collected.count:
            written.append(path.parent / _figure_of(path, collected))
            files.write(written[-1], figure(collected))
    files.write(path, page(path, experiments))
    return written


def _check_no_loss(path: Path, experiments: Sequence[Collected]) -> None:
    try:
        there = re.findall(r"^## (\S+)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise files.unwritable(path, error) from None
    names = {collected.experiment.name for collected in experiments}
    if lost := [name for name in there if name not in names]:
        raise A2lError(
            f"{path} is on {', '.join(lost)} as well, and would lose what it says of them",
            "name the files of these experiments as well, or another page with --to FILE.md",
        )


def page(path: Path, experiments: Sequence[Collected]) -> str:
    """The text of the page at `path`; it says how to run those experiments that have no results."""
    parts = [_HEAD.format(command=_command(experiments)), _verdicts(experiments)]
    parts += ["\n".join(_experiment(collected, _figure_of(path, collected))) for collected in experiments]
    return "\n".join(parts)


def _command(experiments: Sequence[Collected]) -> str:
    """The command that makes the page; all files of a folder are given by a pattern."""
    paths = [collected.experiment.path for collected in experiments]
    folder = paths[0].parent
    if len(paths) > 1 and sorted(paths) == sorted(folder.glob("*.toml")):
        return f"a2l experiment collect {_shown(folder)}/*.toml"
    return f"a2l experiment collect {' '.join(map(_shown, paths))}"


def _shown(path: Path) -> str:
    """A path as it must be written to repeat the command from the same folder."""
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _figure_of(path: Path, collected: Collected) -> str:
    return f"{path.stem}/{collected.experiment.name}.svg"


def _verdicts(experiments: Sequence[Collected]) -> str:
    lines = ["## What holds here, what doesn't, what is open", ""]
    judged = [
        (collected, claim, *collected.judge(claim))
        for collected in experiments
        for claim in collected.experiment.claims
    ]
    rows = [
        [
            claim.says,
            verdict.value,
            _difference(comparison, 2 if collected.normalised else 0) + _where(collected, comparison),
            _price(collected, claim, verdict, comparison),
            f"[{collected.experiment.name}](#{_anchor(collected.experiment.name)})",
        ]
        for collected, claim, verdict, comparison in sorted(judged, key=lambda row: row[2] is Verdict.MISSING)
    ]
    heads = ["claim", "verdict", "difference of means", "deciding it would take", "experiment"]
    return "\n".join([*lines, *_table(heads, rows), ""])


def _price(collected: Collected, claim: Claim, verdict: Verdict, comparison: Comparison | None) -> str:
    """What it would take to decide a claim that is open."""
    if verdict in (Verdict.HOLDS, Verdict.OPPOSITE):
        return ""
    runs = [run for run in collected.experiment.runs if run.arm.name in (claim.better, claim.than)]
    there = sum(len(collected.results[arm][env]) for arm, env in {(run.arm.name, run.env) for run in runs})
    if there < len(runs) or comparison is None:
        return count(len(runs) - there, "run") + _hours(collected, len(runs) - there)
    difference, seeds = comparison.difference, collected.experiment.seeds
    if not difference.bounded:
        return "more seeds"
    width = (difference.high - difference.low) / 2
    if width**2 * seeds > MOST_SEEDS * difference.value**2:
        return f"over {MOST_SEEDS:,} seeds"
    more = math.floor(seeds * (width / difference.value) ** 2) + 1 - seeds
    return f"{count(more, 'more seed')}{_hours(collected, more * len(runs) // seeds)}"


def _hours(collected: Collected, runs: int) -> str:
    """How long so many further runs would take, if any were trained."""
    if not collected.count:
        return ""
    return f", {runs * sum(collected.seconds.values()) / collected.count / 3600:.1f} hours"


def _anchor(name: str) -> str:
    """The anchor that GitHub gives the heading of an experiment."""
    return name.lower().replace(".", "")


def _where(collected: Collected, comparison: Comparison | None) -> str:
    """How many environments the comparison covers, if not all."""
    if comparison is None or comparison.envs == collected.experiment.envs:
        return ""
    return f" on {len(comparison.envs)} of {len(collected.experiment.envs)} environments"


def _difference(comparison: Comparison | None, digits: int = 0) -> str:
    return "" if comparison is None else interval(comparison.difference, signed=True, digits=digits)


def _experiment(collected: Collected, figure: str) -> Iterator[str]:
    experiment = collected.experiment
    arms = [arm.name for arm in experiment.arms]
    yield from (f"## {experiment.name}", "", experiment.question, "")
    command = f"a2l experiment run {_shown(experiment.path)}"
    missing = len(experiment.runs) - collected.count
    there = f"{collected.count} of {count(len(experiment.runs), 'run')}"
    more = f"; `{command}` adds the {_missing(missing)}" if missing else f", by `{command}`"
    yield (
        f"{count(len(arms), 'arm')}, {count(experiment.seeds, 'seed')}, {experiment.frames:,} frames: "
        f"{there}{more}."
    )
    if not collected.count:
        yield ""
        return
    yield f"{_spent(collected)} {_versions(collected)}"
    yield ""
    yield from _scores(collected, arms)
    yield ""
    yield from _tests(collected)
    if experiment.published:
        yield from _published(experiment, experiment.published)
    yield from (f"![Learning curves of {experiment.name}: mean return and interval]({figure})", "")


def _scores(collected: Collected, arms: Sequence[str]) -> Iterator[str]:
    """One row per environment and one column per arm; below, figures over all environments."""
    reference, *others = arms
    digits = 2 if collected.normalised else 0
    beside = [None, *(collected.compare(arm, reference) for arm in others)]
    scale = "human-normalised " if collected.normalised else ""
    iqms = {arm: collected.iqm(arm) for arm in arms}
    rows = [
        [env, *(interval(collected.mean(arm, env), digits=0) for arm in arms)]
        for env in collected.experiment.envs
    ]
    rows += [
        [f"**{scale}mean**", *(interval(collected.total(arm), digits=digits) for arm in arms)],
        [f"**less `{reference}`**", *(_difference(comparison, digits) for comparison in beside)],
        [
            f"**P(better than `{reference}`)**",
            *(
                "" if comparison is None else interval(comparison.improvement, digits=2)
                for comparison in beside
            ),
        ],
        [f"**{scale}mean of areas**", *(interval(collected.total(arm, True), digits=digits) for arm in arms)],
        [f"**{scale}IQM**", *("" if iqm is None else f"{iqm:.{digits}f}" for iqm in iqms.values())],
    ]
    yield from _table(["environment", *(f"`{arm}`" for arm in arms)], rows)


def _tests(collected: Collected) -> Iterator[str]:
    """Whether arms differ at all, compared within seeds, and whether seeds do."""
    rows = []
    for env in collected.experiment.envs:
        for measure, area in (("final returns", False), ("areas", True)):
            if (test := collected.blocked(env, area)) is not None:
                figures = (test.arms, test.seeds, test.intraclass)
                rows.append([env, measure, *(f"{figure:.3f}" for figure in figures)])
    if rows:
        yield "Do arms differ at all, and do seeds? F-tests of the table of arms by seeds, and the share of"
        yield "the arms in the variance of a run within its seed (intraclass correlation):"
        yield ""
        yield from _table(["environment", "of", "p of arms", "p of seeds", "intraclass correlation"], rows)
        yield ""


def _published(experiment: Experiment, published: Published) -> Iterator[str]:
    yield f"Published means and standard deviations at {experiment.frames:,} frames. {published.difference}"
    yield ""
    methods = list(published.scores)
    rows = [
        [env, *(str(published.scores[method].get(env, "")) for method in methods)] for env in experiment.envs
    ]
    rows.append(["source", *(published.sources[method] for method in methods)])
    yield from _table(["environment", *methods], rows)
    yield ""


def _missing(number: int) -> str:
    return "run that is missing" if number == 1 else f"{number} that are missing"


def _spent(collected: Collected) -> str:
    parts = [
        f"{seconds / 3600:.1f} hours on {device}" for device, seconds in sorted(collected.seconds.items())
    ]
    spent = f"They took {' and '.join(parts)}."
    missing = len(collected.experiment.runs) - collected.count
    if not missing:
        return spent
    return f"{spent} At that rate the {_missing(missing)} would take{_hours(collected, missing)[1:]} more."


def _versions(collected: Collected) -> str:
    versions = sorted({f"torch {result.about['versions']['torch']}" for result in collected.all})
    return f"Trained with {', '.join(versions)}."


def interval(estimate: Interval | None, signed: bool = False, digits: int = 0) -> str:
    """`value [low, high]`; empty for None."""
    if estimate is None:
        return ""
    sign = "+" if signed else ""
    value = f"{estimate.value:{sign}.{digits}f}"
    return (
        f"{value} [{estimate.low:{sign}.{digits}f}, {estimate.high:{sign}.{digits}f}]"
        if estimate.bounded
        else value
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """In a cell `|` would end it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
