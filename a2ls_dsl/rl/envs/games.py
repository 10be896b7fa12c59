"""The Atari 2600 games by name: the 26 of Atari-100k, and one whose ROM is free.

Plain names are those of Gymnasium's ids: `MsPacman` is `ALE/MsPacman-v5`. Nothing here imports an emulator.
"""

from __future__ import annotations

import re

# Chosen by Kaiser et al. 2019 (SimPLe); Atari-100k has meant these games since.
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

# A homebrew game that its author gave away, for tests and trials. No scores of it are published.
FREE = "Tetris"

GAMES = (*ATARI_100K, FREE)


def rom_name(game: str) -> str:
    """The name of a game's ROM file, without `.bin`: `ms_pacman` for `MsPacman`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=N)(?=D)", "_", game).lower()


def game_key(name: str) -> str:
    """A key that is equal for all spellings of a name: `ALE/MsPacman-v5`, `ms-pacman`, `MsPacman`."""
    plain = re.sub(r"^ale/|(noframeskip|deterministic)?-v\d$", "", name.strip().lower())
    return re.sub(r"[-_ ]", "", plain)
