"""The best losses of a study as files that every other command takes."""

from __future__ import annotations

from a2ls_dsl.diagnostics import A2lError, Source
from a2ls_dsl.lang.files import write
from a2ls_dsl.lang.layout import format_file
from a2ls_dsl.search.candidates import Candidate
from a2ls_dsl.search.reader import StudyReader

SIZE = 10
"""How many losses the hall of fame holds."""


def write_hall_of_fame(study: StudyReader) -> None:
    """Bring `hall_of_fame/NN-<key>.a2l` up to date: the best candidates, references aside.

    Every file is replaced as a whole, so that a reader never sees half of one. Raises `A2lError`.
    """
    best = [each for each in study.leaderboard(SIZE) if not each.is_reference]
    files = {f"{rank:02}-{one.key[:8]}.a2l": _text(study, one, rank) for rank, one in enumerate(best, 1)}
    folder = study.hall_of_fame
    try:
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            write(folder / name, text)
        for stale in {path.name for path in folder.glob("*.a2l")} - set(files):
            (folder / stale).unlink()
    except OSError as error:
        raise A2lError(
            f"the hall of fame {folder} can't be written: {error.strerror}",
            "free its disk or mend its permissions, then run the same command again; what was scored stays",
        ) from None


def _text(study: StudyReader, candidate: Candidate, rank: int) -> str:
    """One loss as a formatted file, with what is known of it in its header."""
    settings = study.settings
    lines = [
        f"# Found by a2l: rank {rank}, score {candidate.score:.1f} (area under one learning curve),",
        f"# from generation {candidate.generation} by {candidate.origin}. Environment {settings.env},",
        f"# {settings.frames:,} frames, grammar {ascii(settings.grammar)[1:-1]}, study seed {settings.seed}.",
        f"loss found_{candidate.key[:8]} = {candidate.text}",
    ]
    return format_file(Source("hall of fame", "\n".join(lines) + "\n"))
