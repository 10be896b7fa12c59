"""What `a2l validate` stores in a study's folder: the scores of losses trained again, with fresh seeds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import write

FOLDER, RESULTS = "validation", "results.json"


@dataclass(frozen=True)
class Score:
    """The score of one training of an arm, as its study scores. found: the arm is a loss of the study."""

    env: str
    arm: str
    found: bool
    seed: int
    score: float


@dataclass(frozen=True)
class Validation:
    """Scores on environments, after `frames` frames each; losses: the text of each arm; wanted: the planned
    number of runs, some of which may be missing."""

    frames: int
    wanted: int
    losses: dict[str, str]
    scores: tuple[Score, ...]

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the arms, in their order."""
        return tuple(self.losses)

    @property
    def envs(self) -> tuple[str, ...]:
        """The environments that have a score."""
        return tuple(dict.fromkeys(score.env for score in self.scores))

    @property
    def complete(self) -> bool:
        """Whether no run is missing."""
        return len(self.scores) >= self.wanted

    def is_found(self, arm: str) -> bool:
        """Whether an arm is a loss of the study."""
        return any(score.found for score in self.scores if score.arm == arm)

    @property
    def runs(self) -> dict[str, dict[str, dict[int, float]]]:
        """The scores by arm, environment and seed."""
        runs: dict[str, dict[str, dict[int, float]]] = {
            arm: {env: {} for env in self.envs} for arm in self.arms
        }
        for score in self.scores:
            runs[score.arm][score.env][score.seed] = score.score
        return runs


def path_of(study: Path) -> Path:
    """Where a study's validation is kept."""
    return study / FOLDER / RESULTS


def store(study: Path, validation: Validation) -> None:
    """Write the validation, as a whole. Raises `A2lError`."""
    write(path_of(study), json.dumps(asdict(validation), indent=1) + "\n")


def load(study: Path) -> Validation | None:
    """The validation stored in a study's folder; None if there is none. Raises `A2lError` if it can't be
    read."""
    path = path_of(study)
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Validation(**data | {"scores": tuple(Score(**score) for score in data["scores"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise A2lError(
            f"{path} is not a validation: {error}", "delete it and run `a2l validate` again"
        ) from None
