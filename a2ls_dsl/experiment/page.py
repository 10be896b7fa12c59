"""One page of Markdown about experiments: verdicts first, then tables, curves, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from a2ls_dsl.experiment.claims import Published
from a2ls_dsl.experiment.collect import Collected, Comparison, Verdict
from a2ls_dsl.experiment.figure import figure
from a2ls_dsl.experiment.plan import Experiment
from a2ls_dsl.lang import files
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
(`benchmarks/intervals.py`). No interval is corrected for how many of them there are.
"""


def write(path: Path, found: Sequence[Collected]) -> list[Path]:
    """Write the page and, into a folder beside it, its figures; gives all paths. Raises `A2lError`."""
    written = [path]
    folder = path.with_suffix("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unwritable(folder, error) from None
    for each in found:
        if each.count:
            written.append(path.parent / _figure_of(path, each))
            files.write(written[-1], figure(each))
    files.write(path, page(path, found))
    return written


def page(path: Path, found: Sequence[Collected]) -> str:
    """The text of the page at `path`; of the experiments without a result it says how to run them."""
    parts = [_HEAD.format(command=_command(found)), _verdicts(found)]
    parts += ["\n".join(_experiment(each, _figure_of(path, each))) for each in found]
    return "\n".join(parts)


def _command(found: Sequence[Collected]) -> str:
    """What makes the page; all files of a folder by a pattern."""
    paths = [each.experiment.path for each in found]
    folder = paths[0].parent
    if len(paths) > 1 and sorted(paths) == sorted(folder.glob("*.toml")):
        return f"a2l experiment collect {_shown(folder)}/*.toml"
    return f"a2l experiment collect {' '.join(map(_shown, paths))}"


def _shown(path: Path) -> str:
    """A path as whoever repeats the command from the same folder has to write it."""
    absolute, here = path.resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def _figure_of(path: Path, found: Collected) -> str:
    return f"{path.stem}/{found.experiment.name}.svg"


def _verdicts(found: Sequence[Collected]) -> str:
    lines = ["## What holds here, what doesn't, what is open", ""]
    judged = [(each, claim, *each.judge(claim)) for each in found for claim in each.experiment.claims]
    rows = [
        [
            claim.says,
            verdict.value,
            _difference(comparison, 2 if each.normalised else 0) + _where(each, comparison),
            f"[{each.experiment.name}](#{each.experiment.name})",
        ]
        for each, claim, verdict, comparison in sorted(judged, key=lambda row: row[2] is Verdict.MISSING)
    ]
    return "\n".join([*lines, *_table(["claim", "verdict", "difference of means", "experiment"], rows), ""])


def _where(found: Collected, comparison: Comparison | None) -> str:
    """As long as environments are missing: how many are not."""
    if comparison is None or comparison.envs == found.experiment.envs:
        return ""
    return f" on {len(comparison.envs)} of {len(found.experiment.envs)} environments"


def _difference(comparison: Comparison | None, digits: int = 0) -> str:
    return "" if comparison is None else interval(comparison.difference, signed=True, digits=digits)


def _experiment(found: Collected, figure: str) -> Iterator[str]:
    experiment = found.experiment
    arms = [arm.name for arm in experiment.arms]
    yield from (f"## {experiment.name}", "", experiment.question, "")
    command = f"a2l experiment run {_shown(experiment.path)}"
    missing = len(experiment.runs) - found.count
    there = f"{found.count} of {len(experiment.runs)} runs"
    more = f"; `{command}` adds the {missing} that are missing" if missing else f", by `{command}`"
    yield f"{len(arms)} arms, {experiment.seeds} seeds, {experiment.frames:,} frames: {there}{more}."
    if not found.count:
        yield ""
        return
    yield f"{_spent(found)} {_versions(found)}"
    yield ""
    yield from _scores(found, arms)
    yield ""
    yield from _tests(found)
    if experiment.published:
        yield from _published(experiment, experiment.published)
    yield from (f"![Learning curves of {experiment.name}: mean return and interval]({figure})", "")


def _scores(found: Collected, arms: Sequence[str]) -> Iterator[str]:
    """A row an environment and a column an arm; below, what all environments say together."""
    reference, *others = arms
    digits = 2 if found.normalised else 0
    beside = [None, *(found.compare(arm, reference) for arm in others)]
    scale = "human-normalised " if found.normalised else ""
    iqms = {arm: found.iqm(arm) for arm in arms}
    rows = [
        [env, *(interval(found.mean(arm, env), digits=0) for arm in arms)] for env in found.experiment.envs
    ]
    rows += [
        [f"**{scale}mean**", *(interval(found.total(arm), digits=digits) for arm in arms)],
        [f"**less `{reference}`**", *(_difference(each, digits) for each in beside)],
        [
            f"**P(better than `{reference}`)**",
            *("" if each is None else interval(each.improvement, digits=2) for each in beside),
        ],
        [f"**{scale}mean of areas**", *(interval(found.total(arm, True), digits=digits) for arm in arms)],
        [f"**{scale}IQM**", *("" if iqm is None else f"{iqm:.{digits}f}" for iqm in iqms.values())],
    ]
    yield from _table(["environment", *(f"`{arm}`" for arm in arms)], rows)


def _tests(found: Collected) -> Iterator[str]:
    """Whether arms differ at all, compared within seeds, and whether seeds do."""
    rows = []
    for env in found.experiment.envs:
        for measure, area in (("final returns", False), ("areas", True)):
            if (test := found.blocked(env, area)) is not None:
                figures = (test.arms, test.seeds, test.intraclass)
                rows.append([env, measure, *(f"{each:.3f}" for each in figures)])
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


def _spent(found: Collected) -> str:
    parts = [f"{seconds / 3600:.1f} hours on {device}" for device, seconds in sorted(found.seconds.items())]
    return f"They took {' and '.join(parts)}."


def _versions(found: Collected) -> str:
    versions = sorted({f"torch {each.about['versions']['torch']}" for each in found.all})
    return f"Trained with {', '.join(versions)}."


def interval(found: Interval | None, signed: bool = False, digits: int = 0) -> str:
    """`value [low, high]`; an empty text for what isn't there."""
    if found is None:
        return ""
    sign = "+" if signed else ""
    value = f"{found.value:{sign}.{digits}f}"
    return f"{value} [{found.low:{sign}.{digits}f}, {found.high:{sign}.{digits}f}]" if found.known else value


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
