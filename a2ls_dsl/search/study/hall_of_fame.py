"""The best losses of a study, as files that every other command takes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from a2ls_dsl.diagnostics import A2lError, Source
from a2ls_dsl.english import count
from a2ls_dsl.lang.files import write
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.rl.policies.policy import Trained
from a2ls_dsl.search.candidates import FOUND, NO_LOSS, Candidate
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.store import POLICIES

SIZE = 10
"""How many losses the hall of fame holds."""


def write_hall_of_fame(study: StudyReader, trained: Mapping[str, Trained] = MappingProxyType({})) -> None:
    """Bring `hall_of_fame/NN-<key>.a2l` up to date: the best candidates, without the references.

    The policies that their search runs trained are in `policies/NN-<key>.npz`; trained: those of runs that
    have just ended, by key. Every file is replaced as a whole, so a reader never sees half of one. Raises
    `A2lError`.
    """
    best = [candidate for candidate in study.leaderboard(SIZE) if not candidate.is_reference]
    files = {
        f"{rank:02}-{candidate.key[:8]}.a2l": _text(study, candidate, rank)
        for rank, candidate in enumerate(best, 1)
    }
    folder = study.hall_of_fame
    try:
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            write(folder / name, text)
        for stale in {path.name for path in folder.glob("*.a2l")} - set(files):
            (folder / stale).unlink()
        if trained or (study.folder / POLICIES).exists():
            _keep_policies(study.folder / POLICIES, dict(zip(files, best, strict=True)), trained)
    except OSError as error:
        raise A2lError(
            f"the hall of fame {folder} can't be written: {error.strerror}",
            "free its disk or fix its permissions, then run the same command again; scores so far are kept",
        ) from None


def _keep_policies(folder: Path, best: Mapping[str, Candidate], trained: Mapping[str, Trained]) -> None:
    """Give policies the ranks of their candidates, and drop those of candidates that fell out."""
    folder.mkdir(exist_ok=True)
    kept = {path.stem.partition("-")[2]: path for path in folder.glob("*.npz")}
    paths = {(folder / name).with_suffix(".npz"): candidate.key for name, candidate in best.items()}
    for path, key in paths.items():
        if key in trained:
            trained[key].save(path)
        elif key[:8] in kept:
            kept[key[:8]].rename(path)
    for stale in {*folder.glob("*.npz")} - set(paths):
        stale.unlink()


def _text(study: StudyReader, candidate: Candidate, rank: int) -> str:
    """One loss as a formatted file, with its scores and its origin in the header."""
    settings = study.settings
    lines = [
        f"# Found by a2l: rank {rank}. {_fresh(study, candidate)}",
        f"# The search's one run, by which it was chosen: {candidate.score:.1f} (area under the curve).",
        f"# From generation {candidate.generation} by {candidate.origin}. Environment {settings.where},",
        f"# {settings.frames:,} frames, grammar {ascii(settings.grammar)[1:-1]}, study seed {settings.seed}.",
        f"loss {FOUND}{candidate.key[:8]} = {candidate.text}",
    ]
    return format_file(Source("hall of fame", "\n".join(lines) + "\n"))


def _fresh(study: StudyReader, candidate: Candidate) -> str:
    """Its result on fresh seeds, beside that of no auxiliary loss on the same seeds."""
    if candidate.fresh_score is None:
        return "No run with a fresh seed: its rank is partly luck."
    none = next((reference for reference in study.candidates(limit=50) if reference.key == NO_LOSS), None)
    common = candidate.fresh.keys() & none.fresh.keys() if none else set[int]()
    beside = ""
    if none and common:
        level = statistics.fmean(none.fresh[seed] for seed in common)
        beside = f"; no auxiliary loss {level:.1f} on {len(common)} of them"
    error = "" if candidate.fresh_error is None else f" ± {candidate.fresh_error:.1f}"
    seeds = count(candidate.fresh_runs, "fresh seed")
    return f"Mean of {seeds} {candidate.fresh_score:.1f}{error}{beside}."
