"""What was trained, to be used: the policy of a run, of a study or of a file, without the learner around it.

A policy file is a checkpoint (`checkpoint.py`) of nothing but the networks that act, with what they were
trained on. Reading one runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.rl.agents import algorithm_of, make_agent, observations_of
from a2ls_dsl.rl.replay.observations import History, Observations
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.runs.checkpoint import without_prefix
from a2ls_dsl.rl.runs.stored import training_of, training_values
from a2ls_dsl.rl.runs.training import TrainedNetworks, Training
from a2ls_dsl.rl.slots.slot_sets import stored_place

Action = NDArray[np.float32] | int
HALL, POLICIES = "hall_of_fame", "policies"
"""Of a study: its best losses, and what they trained."""


@dataclass(frozen=True)
class Trained:
    """The networks of one member that act, and where they come from.

    frames: that it was trained; score: mean return of its last evaluation.
    """

    name: str
    training: Training
    seed: int
    frames: int
    score: float | None
    networks: TrainedNetworks

    def save(self, path: Path) -> None:
        """Write it as a policy file. Raises `A2lError`."""
        networks = {name: value for name, value in vars(self.networks).items() if name != "arrays"}
        about = {**vars(self), "training": training_values(self.training), "networks": networks}
        checkpoint.save(path, self.networks.arrays, {"policy": about})


class Policy:
    """A trained agent that acts: deterministically, as in evaluations.

    trained: where it comes from; observations: how what the environment gives becomes what the networks see.
    """

    def __init__(self, trained: Trained) -> None:
        self.trained = trained
        training = trained.training
        self.observations: Observations = observations_of(
            training.settings, trained.networks.observation, training.pixels
        )
        agent = make_agent(
            training.settings,
            [None],
            [trained.seed],
            self.observations,
            trained.networks.action,
            computation=training.computation,
        )
        for name in agent.ACTING:
            arrays = without_prefix(name, trained.networks.arrays)
            getattr(agent, name).load_state_dict({key: torch.as_tensor(arrays[key]) for key in arrays})
        agent.freeze()
        self.agent, self._rng = agent, CounterRng(torch.tensor([trained.seed]))

    @property
    def discrete(self) -> bool:
        """Whether an action is a number."""
        return algorithm_of(self.trained.training.settings).discrete

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Of what the environment gives: (numbers,) or one frame (channels, size, size)."""
        return self.trained.networks.observation

    @property
    def seen(self) -> tuple[int, ...]:
        """Of what `act` takes: (numbers,) or (stack * channels, crop, crop)."""
        return self.observations.seen

    @property
    def action_size(self) -> int:
        """The length of an action, or how many there are."""
        return self.trained.networks.action

    @property
    def features(self) -> int:
        """The width of what `encode` gives."""
        return int(self.agent.auxiliary.spaces.features)

    @torch.no_grad()
    def act(self, observation: ArrayLike) -> Any:
        """The action for an observation (*seen): float32 (action_size,) in (-1, 1), or the number of one.

        Of a batch (B, *seen) it gives all actions, (B, action_size) or (B,). Raises `A2lError` for other
        shapes.
        """
        batch, single = self._batch(observation)
        with self.agent.arithmetic():
            action = self.agent.greedy(batch[None])[0]
        chosen = (action.argmax(dim=-1) if self.discrete else action).numpy()
        if single:
            return int(chosen[0]) if self.discrete else chosen[0]
        return chosen

    @torch.no_grad()
    def encode(self, observation: ArrayLike) -> NDArray[np.float32]:
        """The encoder's features (features,) of an observation (*seen), or of a batch of them."""
        batch, single = self._batch(observation)
        with self.agent.arithmetic():
            encoder: nn.Module = self.agent.get_submodule("frozen_encoder")
            features: NDArray[np.float32] = encoder(batch[None])[0].numpy()
        return features[0] if single else features

    def episode(self) -> Callable[[ArrayLike], Any]:
        """A function from what the environment gives, step by step of one episode, to actions.

        Of frames it keeps the newest; vectors go to `act` as they are.
        """
        history, begun = History(1, self.observations), False

        def act(observation: ArrayLike) -> Any:
            nonlocal begun
            given, everywhere = np.asarray(observation)[None], np.ones(1, np.bool_)
            if begun:
                history.push(given)
            else:
                history.begin(given, everywhere)
                begun = True
            return self.act(history.seen[0])

        return act

    def evaluation_seed(self, number: int) -> int:
        """The seed of the evaluation episode with this number, counted over all evaluations of the run."""
        return int(self._rng.bits(Purpose.EVALUATION, number, 1)[0, 0]) & 0xFFFFFFFF

    def act_at(self, seen: NDArray[Any], counter: int) -> Action:
        """The action of an evaluation's step `counter`, which in games may be drawn (see the settings)."""
        action = self.agent.act_frozen(torch.as_tensor(seen[None]), torch.tensor([counter]))[0]
        return int(action.argmax()) if self.discrete else action.numpy()

    def _batch(self, observation: ArrayLike) -> tuple[Tensor, bool]:
        """Observations as a batch, and whether it was one alone."""
        given = torch.as_tensor(np.asarray(observation)).to(self.observations.dtype)
        for batch in (given[None], given):
            if batch.shape[1:] == self.seen:
                return batch, batch is not given
        raise A2lError(
            f"an observation of shape {tuple(given.shape)}, and the policy sees {self.seen}",
            "pass one of that shape, or a batch of them; `episode()` stacks and crops single frames",
        )


def load_policy(path: str | Path, curve: str | None = None) -> Policy:
    """The policy of a run's last checkpoint, the best of a study, or that in a file `*.npz` of one.

    curve: which member of a run with several, by its curve's name (`seed-3`, `curl-seed-0`); by default that
    with the highest last score. Raises `A2lError`.
    """
    return Policy(load_trained(Path(path), curve))


def load_trained(path: Path, curve: str | None = None) -> Trained:
    """As `load_policy`, without building networks."""
    if path.is_dir() and (path / "run.json").exists():
        return _of_run(path, curve)
    if curve is not None:
        raise A2lError(f"{path} is not a run with several curves", "leave the curve out")
    if path.is_dir():
        return _of_file(_best_of_hall(path))
    if not path.exists():
        raise A2lError(f"there is no run, study or policy {path}", "check the path")
    return _of_file(path)


def _best_of_hall(study: Path) -> Path:
    """The policy of the best loss of a study."""
    hall = study / HALL
    if not hall.is_dir():
        raise A2lError(
            f"{study} is neither a run nor a study", "name a folder that `a2l train` or `a2l evolve` made"
        )
    files, losses = sorted((study / POLICIES).glob("*.npz")), sorted(hall.glob("*.a2l"))
    if files:
        return files[0]
    again = (
        f"train the best again: a2l train --loss {losses[0]}" if losses else "let it run until one is scored"
    )
    raise A2lError(f"the study {study} keeps no policy", again)


_POLICIES = "name a run, a study, or a file in a study's folder `policies`"


def _of_file(path: Path) -> Trained:
    if path.suffix != ".npz":  # not a file of ours, so not to be deleted
        raise A2lError(f"{path} is not a policy that can act here", _POLICIES)
    arrays, values = checkpoint.load(path)
    try:
        about = dict(values["policy"])
        training = training_of(about.pop("training"))
        networks = dict(about.pop("networks"))
        shape = tuple(networks.pop("observation"))
        made = TrainedNetworks(**networks, observation=shape, arrays=arrays)
        return Trained(**about, training=training, networks=made)
    except (KeyError, TypeError, ValueError):
        raise A2lError(f"{path} is not a policy file", _POLICIES) from None


def _of_run(folder: Path, curve: str | None) -> Trained:
    path = folder / "checkpoint.npz"
    try:
        plan = json.loads((folder / "run.json").read_text())["plan"]
        training, seeds = training_of(plan), list[int](plan["seeds"])
        arms = plan.get("arms")
    except (OSError, ValueError, KeyError, TypeError):
        raise A2lError(f"{folder / 'run.json'} is not the settings of a run", "name another folder") from None
    if not path.exists():
        raise A2lError(
            f"the run {folder} has stored nothing yet", "wait for its first evaluation, or train on"
        )
    names = [f"{arms[i]}-seed-{seed}" if arms else f"seed-{seed}" for i, seed in enumerate(seeds)]
    if curve is not None and curve not in names:
        raise unknown("curve of the run", curve, names)
    wanted = algorithm_of(training.settings).stack.ACTING
    arrays, values = checkpoint.load(
        path, lambda name: name.split("/")[-1] in _COUNTS or _network(name) in wanted
    )
    with checkpoint.fitting(path, "run"):
        last = [float(own[-1]["return"]) if own else None for own in values["rows"]]
        levels = [-np.inf if level is None else level for level in last]
        member = int(np.argmax(levels)) if curve is None else names.index(curve)
        part, slot = stored_place(values["trainer"]["slots"], member)
        prefix, place = (f"stack/{slot}", 0) if plan["deterministic"] else ("stack/0", slot)
        networks = without_prefix(part + prefix, arrays)
        steps, evaluations = (int(arrays[part + name][slot]) for name in _COUNTS)
        return Trained(
            f"{folder.name}/{names[member]}",
            training,
            seeds[member],
            min(training.frames, training.task.steps_to_frames(steps)),
            last[member],
            TrainedNetworks(
                checkpoint.shape(path, f"{part}replay/0/observation")[2:],
                checkpoint.shape(path, f"{part}replay/0/action")[2],
                evaluations,
                {name.replace(".", "/", 1): array[place : place + 1] for name, array in networks.items()},
            ),
        )


_COUNTS = ("step", "evaluations")


def _network(name: str) -> str:
    """Which network of a stack an array of a checkpoint belongs to: `stack/0/actor.trunk...` to `actor`."""
    return name.split("/")[-1].split(".")[0] if "stack/" in name else ""
