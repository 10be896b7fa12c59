"""The packages that emulate Atari games, behind one interface: ale-py's `ALEInterface`.

atari-py is the older build of the same emulator, archived and compiled from source; it plays the ROMs of
ale-py's wheel. Both are optional: they are under the GPL.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.games import rom_name
from a2ls_dsl.rl.envs.packages import missing

NOTHING = 0
"""The action of doing nothing."""

_EXTRAS = {"ale_py": ("ale-py", "atari"), "atari_py": ("atari-py", "atari-py")}
REINSTALL = "pip install --force-reinstall --no-deps 'ale-py>=0.12,<0.13'"


def load_game(game: Game) -> Any:
    """An `ALEInterface` with the game's ROM loaded, before its first frame.

    Raises A2lError with a fix if the package is missing or the ROM isn't intact.
    """
    try:
        ale = _ale_py() if game.back_end == "ale-py" else _atari_py()
        rom = check_rom(game.task)
    except ImportError as error:
        raise _missing(error) from error
    # The emulator's own randomness is off: `AtariEnv` draws no-ops and sticky actions. The seed is fixed; for
    # atari-py, 0 would mean the clock.
    ale.setInt("random_seed", 1)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(str(rom))
    return ale


def load_vector(game: Game, games: int, threads: int) -> Any:
    """ale-py's own `ALEVectorInterface`: `games` in `threads`, with the same pre-processing as `AtariEnv`.

    Only for measuring what is possible: its episodes can't be seeded one by one.
    """
    from ale_py._ale_py import ALEVectorInterface

    return ALEVectorInterface(
        str(check_rom(game.task)),
        games,
        frame_skip=game.action_repeat,
        stack_num=4,
        noop_max=game.noops,
        use_fire_reset=False,
        reward_clipping=False,
        max_episode_steps=game.episode_frames,
        num_threads=threads,
    )


def actions_of(ale: Any) -> list[int]:
    """The codes of the game's actions (its minimal set); the first does nothing."""
    return [int(getattr(action, "value", action)) for action in ale.getMinimalActionSet()]


def _ale_py() -> Any:
    from ale_py import ALEInterface, LoggerMode

    ALEInterface.setLoggerMode(LoggerMode.Error)
    return ALEInterface()


def _atari_py() -> Any:
    from atari_py import ALEInterface

    ALEInterface.setLoggerMode("error")
    return ALEInterface()


def check_rom(game: str) -> Path:
    """The path of a game's ROM with a valid checksum; emulators kill the process if it is wrong."""
    from ale_py.roms import get_all_rom_ids, get_rom_path

    if rom_name(game) not in get_all_rom_ids():
        raise A2lError(f"ale-py has no ROM of a game {game}", "choose another game")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a note about ALE_ROMS_DIR
            return Path(str(get_rom_path(rom_name(game))))
    except OSError as error:
        cause = str(error).split("\n", 1)[0]
        fix = f"unset ALE_ROMS_DIR, or put an intact ROM there; or {REINSTALL}"
        raise A2lError(f"the ROM of {game} can't be used: {cause}", fix) from None


def _missing(error: ImportError) -> A2lError:
    root = (error.name or "").split(".")[0]
    if isinstance(error, ModuleNotFoundError) and root in _EXTRAS:
        return missing("Atari games", *_EXTRAS[root])
    return A2lError(f"the emulator of Atari games can't be imported ({error})", REINSTALL)
