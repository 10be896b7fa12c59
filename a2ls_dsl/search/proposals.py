"""Losses from outside the search: given to start from, or proposed by a class of the user's."""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.training import Training
from a2ls_dsl.rl.windows import check_windows
from a2ls_dsl.search.candidates import parsed
from a2ls_dsl.search.evolution import Origin, Proposal
from a2ls_dsl.search.settings import SearchSettings


def training_of(settings: SearchSettings) -> Training:
    """How the candidates of a search train."""
    return Training(settings.task, settings.frames, settings.agent, settings.evaluation, settings.pixels)


def loss_of(given: object, who: str) -> Loss:
    """A loss, of itself or of a text in the language; `who` is named where it is none. Raises `A2lError`."""
    if isinstance(given, Loss):
        return given
    if not isinstance(given, str):
        raise A2lError(f"{who} proposed {given!r}", "propose losses, or their texts")
    text = (
        given
        if given.lstrip().startswith(("loss ", "import ", "from ", "#"))
        else f"loss candidate = {given}"
    )
    try:
        return list(loads(text, who).values())[-1]
    except (LanguageError, IndexError) as error:
        said = error.message if isinstance(error, LanguageError) else "it holds no loss"
        raise A2lError(
            f"{who} proposed `{given}`, which is not a loss: {said}", "docs/language.md says what is"
        ) from None


def given(settings: SearchSettings, taken: Iterable[str]) -> list[Proposal]:
    """The losses that a search starts from, each once, none that is `taken`."""
    known = set(taken)
    losses = [loss for text in settings.start_from if (loss := parsed(text)) is not None]
    proposals = {each.key: each for each in (Proposal(loss, Origin.GIVEN) for loss in losses)}
    return [each for key, each in proposals.items() if key not in known]


def check_from_outside(settings: SearchSettings, proposals: Iterable[Proposal]) -> None:
    """Raise `A2lError` where losses that no grammar made could never be trained here."""
    losses = [each.loss for each in proposals if each.origin in FROM_OUTSIDE]
    if losses:
        check_windows(training_of(settings), losses)


FROM_OUTSIDE = (Origin.GIVEN, Origin.STRATEGY)
"""Where losses come from that the grammar may not hold."""


def texts_of(losses: Iterable[Loss]) -> tuple[str, ...]:
    """Losses as settings hold them."""
    return tuple(dict.fromkeys(print_loss(loss) for loss in losses))
