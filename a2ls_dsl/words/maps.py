"""The options whose value is a learned map, such as `head = mlp(256)`: what each maps, and its default."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from a2ls_dsl.words.language import HEAD, NONE, PLAIN, PREDICTOR, PROJECTOR, TRANSITION


@dataclass(frozen=True)
class Map:
    """An option whose value is one of `registry.heads`.

    default: the head that is used if the option is left out. together: whether unnamed maps of a loss that
    are written alike share a module.
    """

    name: str
    default: str
    summary: str
    together: bool = False


MAPS = MappingProxyType(
    {
        option.name: option
        for option in (
            Map(HEAD, PREDICTOR, "what maps the source row onto the target row"),
            Map(PROJECTOR, NONE, "what each latent of both sides goes through first"),
            Map(
                TRANSITION,
                PLAIN,
                "what a rollout applies to a latent and an action, again and again",
                together=True,
            ),
        )
    }
)
