"""Services that are told of curves while they grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2ls_dsl.diagnostics import A2lError, unknown

SERVICES = ("wandb",)


class Tracker:
    """Tells nobody."""

    def tell(self, member: int, row: Mapping[str, float]) -> None:
        """A row of a member's curve."""

    def close(self) -> None:
        """Nothing more is told."""


class Wandb(Tracker):
    """Weights & Biases: a run a curve, grouped by folder. WANDB_MODE=offline keeps it on this machine."""

    def __init__(self, folder: Path, curves: Sequence[str], plan: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ModuleNotFoundError:
            raise A2lError("--track wandb needs the package wandb", "pip install 'a2ls-dsl[wandb]'") from None
        try:
            self._runs = [
                wandb.init(
                    project="a2l",
                    group=folder.name,
                    name=curve,
                    id=f"{folder.name}-{curve}",
                    resume="allow",
                    dir=str(folder),
                    config=dict(plan),
                    reinit="create_new",
                )
                for curve in curves
            ]
        except wandb.errors.Error as error:
            raise A2lError(
                f"Weights & Biases can't be reached: {error}",
                "`wandb login`, or WANDB_MODE=offline before the command",
            ) from None

    def tell(self, member: int, row: Mapping[str, float]) -> None:
        """A row of a member's curve, at its frames."""
        self._runs[member].log(dict(row), step=int(row["frames"]))

    def close(self) -> None:
        """Send what is left."""
        for run in self._runs:
            run.finish()


def tracker(name: str | None, folder: Path, curves: Sequence[str], plan: Mapping[str, Any]) -> Tracker:
    """The service of a name. Raises `A2lError` for one that there isn't, or that isn't installed."""
    if name is None:
        return Tracker()
    if name not in SERVICES:
        raise unknown("service to track with", name, SERVICES)
    return Wandb(folder, curves, plan)
