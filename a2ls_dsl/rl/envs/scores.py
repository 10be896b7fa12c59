"""Human-normalised scores of Atari games: what a random player gets is 0, what a human gets is 1.

The numbers are those that every paper on Atari-100k uses: games begin with up to 30 no-ops, the human is a
professional tester (Mnih et al. 2015; as printed by Wang et al. 2016, arXiv 1511.06581, table 2). They are
raw scores, so only unclipped returns of whole games may be held against them.
"""

from __future__ import annotations

from typing import NamedTuple

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.games import game_key
from a2ls_dsl.rl.envs.task import split_name


class Players(NamedTuple):
    """Mean raw scores of a game's two reference players."""

    random: float
    human: float


PLAYERS: dict[str, Players] = {
    "Alien": Players(227.8, 7127.7),
    "Amidar": Players(5.8, 1719.5),
    "Assault": Players(222.4, 742.0),
    "Asterix": Players(210.0, 8503.3),
    "BankHeist": Players(14.2, 753.1),
    "BattleZone": Players(2360.0, 37187.5),
    "Boxing": Players(0.1, 12.1),
    "Breakout": Players(1.7, 30.5),
    "ChopperCommand": Players(811.0, 7387.8),
    "CrazyClimber": Players(10780.5, 35829.4),
    "DemonAttack": Players(152.1, 1971.0),
    "Freeway": Players(0.0, 29.6),
    "Frostbite": Players(65.2, 4334.7),
    "Gopher": Players(257.6, 2412.5),
    "Hero": Players(1027.0, 30826.4),
    "Jamesbond": Players(29.0, 302.8),
    "Kangaroo": Players(52.0, 3035.0),
    "Krull": Players(1598.0, 2665.5),
    "KungFuMaster": Players(258.5, 22736.3),
    "MsPacman": Players(307.3, 6951.6),
    "Pong": Players(-20.7, 14.6),
    "PrivateEye": Players(24.9, 69571.3),
    "Qbert": Players(163.9, 13455.0),
    "RoadRunner": Players(11.5, 7845.0),
    "Seaquest": Players(68.4, 42054.7),
    "UpNDown": Players(533.4, 11693.2),
}


def has_human_score(env: str) -> bool:
    """Whether a task is one of the games whose human score is known."""
    return _plain(env) is not None


def human_normalised(game: str, score: float) -> float:
    """A raw score on the scale where a random player has 0 and a human 1; it may lie outside.

    Raises `A2lError` for what is none of the 26 games.
    """
    name = _plain(game)
    if name is None:
        raise A2lError(f"no human score is known for {game}", "score one of the 26 games of Atari-100k")
    random, human = PLAYERS[name]
    return (score - random) / (human - random)


def _plain(env: str) -> str | None:
    """The plain name of a game with a known score, however it is spelled."""
    return _GAMES.get(game_key(split_name(env)[0]))


_GAMES = {game_key(name): name for name in PLAYERS}
