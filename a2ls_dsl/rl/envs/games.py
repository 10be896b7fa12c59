"""The Atari 2600 games by name: the 26 of Atari-100k, and one whose ROM is free.

Plain names are those of Gymnasium's ids: `MsPacman` is `ALE/MsPacman-v5`. Nothing here imports an emulator.
"""

from __future__ import annotations

import re

# Kaiser et al. 2019 (SimPLe) chose these; Atari-100k has meant them since.
ATARI_100K: tuple[str, ...] = (
    "Alien",
    "Amidar",
    "Assault",
    "Asterix",
    "BankHeist",
    "BattleZone",
    "Boxing",
    "Breakout",
    "ChopperCommand",
    "CrazyClimber",
    "DemonAttack",
    "Freeway",
    "Frostbite",
    "Gopher",
    "Hero",
    "Jamesbond",
    "Kangaroo",
    "Krull",
    "KungFuMaster",
    "MsPacman",
    "Pong",
    "PrivateEye",
    "Qbert",
    "RoadRunner",
    "Seaquest",
    "UpNDown",
)

# Its author gave this homebrew game away: for tests and trials. Nobody's score at it is published.
FREE = "Tetris"

GAMES = (*ATARI_100K, FREE)


def rom_name(game: str) -> str:
    """The name of a game's ROM file, without `.bin`: `ms_pacman` for `MsPacman`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=N)(?=D)", "_", game).lower()


def game_key(name: str) -> str:
    """What different spellings of a game's name share: `ALE/MsPacman-v5`, `ms-pacman` and `MsPacman`."""
    plain = re.sub(r"^ale/|(noframeskip|deterministic)?-v\d$", "", name.strip().lower())
    return re.sub(r"[-_ ]", "", plain)
