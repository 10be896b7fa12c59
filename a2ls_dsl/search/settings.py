"""What a search does, as data: the task, the space, the budget, the evolution and how candidates learn.

Where a value comes from: [P] the text or figures of He et al. 2022, [U] unconfirmed, a choice of ours that
fits what they report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.lang.grammar import Grammar, load_grammar
from a2ls_dsl.rl.agents import AgentSettings, published_settings, read_tagged, tagged
from a2ls_dsl.rl.envs.atari_suite import emulated_by
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import Task, find_task
from a2ls_dsl.rl.runs.training import check_learning
from a2ls_dsl.rl.settings import EvaluationSettings, PixelSettings
from a2ls_dsl.search.race import MOST_RACED, SHARE
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.strategies.registry import check_name
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators

ANY = "any"
"""The operator setting that searches the whole grammar."""

GATES = ("duplicates", "batch")
"""The gates that candidates pass before they train, in this order."""

FRESH = 1_000_003
"""The distance of fresh seeds from the search's own, so large that no study has both."""

SCORING = 3
"""The version of the rules for scores. 3: they count what training episodes return, too (`with_training`). 2:
an area leaves out evaluations before learning begins, and rungs open once they foretell. 1, for studies
without a number: an area held all evaluations, and rungs were always open."""

_STREAMS = (Stream.STATE, Stream.ACTION, Stream.REWARD)

REFERENCES = ("none", "a2_winner_v")
"""What every study also scores, to compare its candidates with: no auxiliary loss, and the published one."""


@dataclass(frozen=True)
class EvolutionSettings:
    """How one population follows from the one before (He et al. 2022)."""

    keep: float = 0.25  # share of a population, the best, that become parents [P]
    replacement: float = 0.5  # shares of the next population by move: elements put in or taken out [U]
    crossover: float = 0.2  # elements of two parents of equal horizon mixed [U]
    horizon: float = 0.1  # the last step dropped, or a random one appended [U]
    random: float = 0.2  # fresh draws, each element with probability 1/2 [U]
    # How probable s, a and r are in the first population. The paper favours losses that look like dynamics
    # and reward prediction: states and actions in the source, states and rewards in the target [U].
    first_source: tuple[float, float, float] = (0.5, 0.5, 0.25)
    first_target: tuple[float, float, float] = (0.5, 0.125, 0.5)

    def __post_init__(self) -> None:
        shares = (self.replacement, self.crossover, self.horizon, self.random)
        if not 0 < self.keep <= 1 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
            raise A2lError("the shares of an evolution don't fit", "0 < keep <= 1, and the moves add up to 1")

    @property
    def first_prior(self) -> dict[tuple[str, Stream], float]:
        """The rates of the first population as `Grammar.sample` takes them."""
        rates = {"source": self.first_source, "target": self.first_target}
        return {(s, stream): rate for s in rates for stream, rate in zip(_STREAMS, rates[s], strict=True)}


@dataclass(frozen=True)
class SearchSettings:
    """All that a study's results depend on. Frames are environment frames, before action repeat."""

    env: str
    grammar: str = "a2ls"  # a shipped grammar's name, or a path
    strategy: str = "paper"  # or another of `strategies.py`, or a class of the user's own: `module:Class`
    operator: str = "mse"  # chosen before the evolution [U]; `bilinear against batch`, ...; `any`: no choice
    population: int = 100  # candidates a generation, about [U]
    generations: int = 7  # the paper ran 7, 7 and 4 [P]
    frames: int = 500_000  # of training a candidate [U]
    seed: int = 0  # of the search, and of every candidate's training
    stack: int = 102  # slots: members trained together; a whole population and the two references
    gates: tuple[str, ...] = ()  # that look at candidates before they train
    rungs: Rungs | None = None  # at which candidates are stopped early
    race: float = SHARE  # of the candidates' runs, for a race of the best over fresh seeds at the end
    confirm: int = 0  # after it that many of the best have `confirm_seeds` fresh seeds or more
    confirm_seeds: int = 3
    start_from: tuple[str, ...] = ()  # losses, as canonical texts, that stand first in the first population
    deterministic: bool = False
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    agent: AgentSettings = None  # type: ignore[assignment]  # how members learn; by default as published
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    pixels: PixelSettings | None = None  # how members see frames; None: vectors, or as a game's are seen
    scoring: int = SCORING  # the rules for scores and rungs; older ones can be read, not continued

    def __post_init__(self) -> None:
        task = self.task
        for gate in self.gates:
            if gate not in GATES:
                raise unknown("gate", gate, GATES)
        object.__setattr__(self, "env", task.name)  # One name per task, so that settings can be compared.
        if self.agent is None:
            object.__setattr__(self, "agent", published_settings(task, self.frames))
        check_name(self.strategy)
        if not 0 <= self.race <= MOST_RACED:
            raise A2lError(
                f"a race can't take a share of {self.race:g} of the budget",
                f"give it a share from 0 to {MOST_RACED:g}",
            )
        if self.operator != ANY and self._operator[0] not in operators:
            raise unknown("operator", self.operator, (*operators, ANY))
        if min(self.population, self.generations, self.stack, self.evaluation.every_frames) < 1:
            raise A2lError("a search needs a population, generations and a stack", "use 1 or more of each")
        if self.seed < 0 or self.evaluation.episodes < 1:
            raise A2lError(
                "a seed is at least 0, and a score takes at least one episode",
                "use a seed of 0 or more, and one episode or more",
            )
        if self.confirm < 0 or self.confirm_seeds < 1:
            raise A2lError(
                f"a search can't confirm {self.confirm} losses with {self.confirm_seeds} fresh seeds each",
                "confirm 0 or more, with 1 seed or more",
            )
        if len(self.start_from) > self.searched:
            raise A2lError(
                f"a search of {self.searched} candidates can't start from {len(self.start_from)} losses",
                "start from fewer, or raise the population",
            )
        task.check_frames("the budget", self.frames)
        task.check_frames("the distance of two evaluations", self.evaluation.every_frames)
        check_learning(task, self.frames, self.agent)

    @property
    def counts_training(self) -> bool:
        """Whether scores count training episodes; they do in all studies that can be gone on with."""
        return self.scoring >= 3

    @property
    def task(self) -> Task:
        """The task to train on."""
        return find_task(self.env)

    @property
    def where(self) -> str:
        """The task, and the observations if they aren't the usual ones: `cheetah-run from pixels`."""
        return self.env + " from pixels" * (self.pixels is not None)

    @property
    def learning(self) -> int:
        """The frames after which learning begins: until then every candidate is the same random policy."""
        return self.task.steps_to_frames(self.agent.random_steps)

    @property
    def rung_frames(self) -> tuple[int, ...]:
        """The frames of the rungs; empty without rungs."""
        every = self.evaluation.every_frames
        return self.rungs.frames(self.frames, every, self.learning) if self.rungs else ()

    @property
    def _operator(self) -> tuple[str, bool]:
        """The operator, and whether it is used against the batch."""
        name = self.operator.removesuffix(" against batch")
        return name, name != self.operator

    @property
    def candidates(self) -> int:
        """The budget in runs of candidates: those of the search and those of the race at its end."""
        return self.population * self.generations

    @property
    def race_runs(self) -> int:
        """How many runs the race may take."""
        return round(self.race * self.candidates)

    @property
    def searched(self) -> int:
        """How many candidates may train before the race."""
        return self.candidates - self.race_runs

    def fresh_seeds(self, number: int) -> tuple[int, ...]:
        """The first fresh seeds: those of the race and of the runs that confirm a candidate."""
        return tuple(self.seed + FRESH + place for place in range(number))

    def space(self) -> Grammar:
        """The part of the grammar that is searched. Raises if the grammar lacks the operator."""
        grammar = load_grammar(self.grammar)
        if self.operator == ANY:
            return grammar
        name, against = self._operator
        try:
            return grammar.restricted((name,), against)
        except A2lError as error:
            raise A2lError(
                error.message, f"{error.fix}: choose one with `a2l evolve --operator`, or `any`"
            ) from None

    def to_json(self) -> str:
        """The settings as JSON text; `from_json` gives them back."""
        return json.dumps(self._values())

    def _values(self) -> dict[str, Any]:
        return asdict(self) | {"agent": tagged(self.agent)}

    @classmethod
    def from_json(cls, text: str) -> SearchSettings:
        """The settings that `to_json` wrote. Raises `A2lError` if a version with other settings wrote
        them."""
        try:
            data = {name: _plain(value) for name, value in json.loads(text).items()}
            data = _BEFORE | _of_now(data)
            made = {
                "evolution": EvolutionSettings(**data["evolution"]),
                "agent": read_tagged(data["agent"]),
                "evaluation": EvaluationSettings(**data["evaluation"]),
                "rungs": Rungs(**data["rungs"]) if data["rungs"] else None,
                "pixels": _pixels(data.get("pixels")),
            }
            return cls(**data | made)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise A2lError(
                f"the settings of a study can't be read: {error}", "use the version of a2l that made it"
            ) from None

    def differences(self, other: SearchSettings) -> dict[str, tuple[object, object]]:
        """What differs between two settings, by dotted name: the value here, the value there.

        Except the grammar, whose value is only the spelling of a path: studies compare its fingerprint.
        """
        mine, theirs = _flat(self._values()), _flat(other._values())
        del mine["grammar"], theirs["grammar"]
        # Without rungs there is one value, with rungs there are several.
        pairs = {name: (mine.get(name), theirs.get(name)) for name in {**mine, **theirs}}
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


_BEFORE = {"scoring": 1, "race": 0.0}
"""The values for studies of versions without these settings."""


def default_operator(grammar: str) -> str:
    """The operator setting of a search in a grammar: the paper searched its space with mse alone."""
    return "mse" if load_grammar(grammar).text == load_grammar("a2ls").text else ANY


def _pixels(data: Mapping[str, Any] | None) -> PixelSettings | None:
    """How frames are shown; studies of versions without this setting have none."""
    return PixelSettings(**{**data, "rendering": Rendering(**data["rendering"])}) if data else None


def _of_now(data: dict[str, Any]) -> dict[str, Any]:
    """Settings in today's form, from those of versions in which each algorithm had a field of its own."""
    if "sac" not in data:
        return data
    sac, rainbow, ale = (data.pop(name, None) for name in ("sac", "rainbow", "ale"))
    agent = {"algorithm": "rainbow", **rainbow} if rainbow else {"algorithm": "sac", **sac}
    task = emulated_by(find_task(data["env"]), ale if rainbow else None)
    return data | {"env": task.name, "agent": agent}


def _plain(value: Any) -> Any:
    """Lists as tuples: JSON has no tuples, and the settings have no lists."""
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
