"""Losses from outside the search: given to start from, or proposed by a user's own strategy."""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.windows import check_windows
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.search.candidates import parsed
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.evolution import Origin, Proposal


def training_of(settings: SearchSettings) -> Training:
    """How the candidates of a search train."""
    return Training(settings.task, settings.frames, settings.agent, settings.evaluation, settings.pixels)


def loss_of(given: object, who: str) -> Loss:
    """A loss, given as such or as text in the language. Raises `A2lError`, which names `who`, if it is
    none."""
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
        reason = error.message if isinstance(error, LanguageError) else "it holds no loss"
        raise A2lError(
            f"{who} proposed `{given}`, which is not a loss: {reason}", "docs/language.md says what is"
        ) from None


def check_several(given: object, who: str) -> None:
    """Raise `A2lError` for a text where losses are asked for: its letters would be taken for them."""
    if isinstance(given, str):
        raise A2lError(f"{who} proposed the text `{given}`, not a list", f"write it as [{given!r}]")


def given(settings: SearchSettings, taken: Iterable[str]) -> list[Proposal]:
    """The losses that a search starts from, each once, without those `taken`."""
    excluded = set(taken)
    losses = [loss for text in settings.start_from if (loss := parsed(text)) is not None]
    proposals = {proposal.key: proposal for proposal in (Proposal(loss, Origin.GIVEN) for loss in losses)}
    return [proposal for key, proposal in proposals.items() if key not in excluded]


def check_from_outside(settings: SearchSettings, proposals: Iterable[Proposal]) -> None:
    """Raise `A2lError` if a loss from outside the grammar can't be trained with these settings."""
    losses = [proposal.loss for proposal in proposals if proposal.origin in FROM_OUTSIDE]
    if losses:
        check_windows(training_of(settings), losses)


FROM_OUTSIDE = (Origin.GIVEN, Origin.STRATEGY)
"""The origins of losses that the grammar may not hold."""


def texts_of(losses: Iterable[Loss]) -> tuple[str, ...]:
    """Losses as texts, as settings hold them."""
    return tuple(dict.fromkeys(print_loss(loss) for loss in losses))
