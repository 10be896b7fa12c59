"""What diverges stays with whom it diverged: neither neighbours nor those that take the slot next notice it.

A number that is not finite goes through everything it is multiplied with, also by 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
SICK, MEMBERS = 1, 3
ACTION = 3
VECTORS = Observations((5,)), SacSettings(hidden=8, batch_size=6)
FRAMES = Observations((3, 20, 20), 2, 17), SacSettings(hidden=8, batch_size=4)
GAME = (
    Observations((1, 18, 18), 2, 18, random_crops=False, border=2),
    RainbowSettings(
        batch_size=4,
        hidden=8,
        atoms=5,
        multi_step=3,
        random_steps=4,
        target_period=2,
        convolutions=((4, 4, 3), (5, 3, 2)),
        stack=2,
        projection=6,
    ),
)
CASES = {
    "vectors": (VECTORS, ("a2_winner", "curl_a2ls", None)),
    "vectors, general": (VECTORS, ("vcr", "spr", "vcr")),
    "frames": (FRAMES, ("a2_winner", "curl_a2ls", None)),
    "game": (GAME, ("a2_winner", "a2_winner", None)),
    "game, general": (GAME, ("vcr", "vcr", "curl_a2ls")),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def loss_of(name: str | None) -> Loss | None:
    return None if name is None else load_one(name)[1]


class Run:
    """A learner with experience that depends on the members' places alone."""

    def __init__(
        self,
        case: str,
        refill: bool = True,
        device: str = "cpu",
        exact: bool = False,
        computation: Computation | None = None,
        floats: type[np.floating] = np.float32,
    ) -> None:
        (observations, settings), names = CASES[case]
        losses = [loss_of(name) for name in names]
        self.next = losses[0]
        self.learner = Learner(
            *(losses, range(MEMBERS), observations, ACTION, 30, settings, device),
            refill=refill,
            exact=exact,
            computation=computation,
        )
        self.floats = floats
        if floats is np.float64:
            for part in (*self.learner.stacks, *self.learner.replays):
                part.double()
        self.shape = observations.shape
        self.rng = np.random.default_rng(0)
        self.step = 0
        self.live(25)

    def live(self, steps: int, learn: bool = False) -> None:
        every = np.ones(MEMBERS, np.bool_)
        for _ in range(steps):
            if self.step % 10 == 0:
                self.learner.begin(self._seen(), every)
            if learn:
                self.learner.update()
            action = np.eye(ACTION, dtype=self.floats)[self.rng.integers(ACTION, size=MEMBERS)]
            reward = self.rng.normal(size=MEMBERS).astype(self.floats)
            last = every & (self.step % 10 == 9)
            self.learner.append(action, reward, last & (self.step % 20 == 9), self._seen(), last)
            self.step += 1

    def refill(self) -> None:
        """Another member takes the slot, and learns a little."""
        self.learner.deactivate(SICK)
        self.live(2, learn=True)
        self.learner.reset(SICK, self.next, seed=7)
        self.step += -self.step % 10  # as all of them begin an episode now
        self.live(12, learn=True)
        self.learner.activate(SICK)
        self.live(8, learn=True)

    def poison(self, name: str, value: float) -> None:
        tensor = self.tensors()[name]
        with torch.no_grad():
            tensor[(self.owners()[name] == SICK).to(tensor.device)] = value

    def tensors(self) -> dict[str, Tensor]:
        """All numbers of members, by name; their figures have another axis of members."""
        (stack,), (replay,) = self.learner.stacks, self.learner.replays
        every = {f"stack.{name}": tensor for name, tensor in stack.state_dict().items()}
        every |= {f"replay.{name}": tensor for name, tensor in replay.state_dict().items()}
        every.pop("stack.metrics.sums")
        return {name: tensor for name, tensor in every.items() if len(tensor)}

    def owners(self) -> dict[str, Tensor]:
        """Whose the rows of all these numbers are, by name."""
        (stack,) = self.learner.stacks
        owners = dict.fromkeys(self.tensors(), torch.arange(MEMBERS))
        for number, bucket in enumerate(stack.auxiliary.buckets):
            prefix = f"stack.auxiliary.buckets.{number}."
            owners |= {prefix + name: bucket.owner.cpu() for name in bucket.state_dict()}
        for number, adam in enumerate(stack.adams):
            for place, owner in enumerate(adam.owners):
                if owner is not None:
                    prefix = f"stack.adams.{number}."
                    owners |= {f"{prefix}{moment}_{place}": owner.cpu() for moment in ("first", "second")}
        return owners

    def of(self, members: list[int]) -> dict[str, Tensor]:
        owners, wanted = self.owners(), torch.tensor(members)
        return {
            name: tensor[torch.isin(owners[name], wanted).to(tensor.device)].clone()
            for name, tensor in self.tensors().items()
        }

    def _seen(self) -> np.ndarray:
        shape = (MEMBERS, *self.shape)
        if len(self.shape) == 1:
            return self.rng.normal(size=shape).astype(self.floats)
        return self.rng.integers(0, 256, shape, dtype=np.uint8)


def assert_equal(computed: dict[str, Tensor], expected: dict[str, Tensor], about: str = "") -> None:
    assert computed.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            computed[name],
            value,
            rtol=0,
            atol=0,
            equal_nan=True,
            msg=lambda text, n=name: f"{about}{n}: {text}",
        )


def poisoned(case: str, poison: Callable[[Run], None]) -> Run:
    run = Run(case)
    run.live(2, learn=True)
    poison(run)
    run.live(4, learn=True)
    return run


@pytest.mark.parametrize("case", CASES)
def test_any_number_that_is_not_finite_stays_with_its_member(case: str) -> None:
    """Its actions, as a diverged policy stores them, then all it has: others and the next are as without."""
    sound = poisoned(case, lambda run: None)
    others = [member for member in range(MEMBERS) if member != SICK]
    names = [name for name, tensor in sound.tensors().items() if tensor.is_floating_point()]
    assert len(names) > 60
    before = sound.of(others)
    sound.refill()
    after = sound.of([0, 1, 2])

    def check(about: str, poison: Callable[[Run], None]) -> None:
        run = poisoned(case, poison)
        assert_equal(run.of(others), before, about)
        run.refill()
        assert_equal(run.of([0, 1, 2]), after, about)

    check("actions -> ", lambda run: run.poison("replay.action", float("nan")))
    for value in (float("nan"), float("inf")):
        check(f"all {value} -> ", lambda run, value=value: [run.poison(name, value) for name in names])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("refill", [True, False])
@pytest.mark.parametrize("device", DEVICES)
def test_who_is_not_active_changes_by_no_bit(case: str, refill: bool, device: str) -> None:
    """A member that is taken out has moments, and targets on their way; neighbours learn on as beside it."""
    run, other = Run(case, refill, device), Run(case, refill, device)
    for life in (run, other):
        life.live(3, learn=True)
    run.learner.deactivate(SICK)
    before = {name: value for name, value in run.of([SICK]).items() if name.startswith("stack.")}
    for life in (run, other):
        life.live(5, learn=True)
    after = run.of([SICK])
    assert_equal({name: after[name] for name in before}, before)
    moved = other.of([SICK])
    assert sum(not torch.equal(moved[name], value) for name, value in before.items()) > 20
    if device == "cuda":  # where sums have no order
        return
    neighbours = run.of([0, 2])
    assert_equal(neighbours, {name: other.of([0, 2])[name] for name in neighbours})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("value", [0.0, float("nan")], ids=["behind a sound one", "behind one that diverged"])
def test_who_has_not_begun_to_learn_is_as_it_was_made(case: str, device: str, value: float) -> None:
    run = Run(case, device=device)
    for name in [name for name, tensor in run.tensors().items() if tensor.is_floating_point()]:
        if value:
            run.poison(name, value)
    run.live(3, learn=True)
    run.learner.reset(SICK, run.next, seed=7)
    before = {name: value for name, value in run.of([SICK]).items() if name.startswith("stack.")}
    run.live(6, learn=True)
    after = run.of([SICK])
    assert_equal({name: after[name] for name in before}, before)


def test_the_next_member_of_a_slot_is_sound() -> None:
    """On real physics: a member diverges, and acts until its evaluation says so; its slot is given on."""
    training = Training(
        find_task("cartpole-swingup"),
        frames=8 * 70,
        settings=SacSettings(hidden=16, batch_size=8, random_steps=15),
        evaluation=EvaluationSettings(every_frames=8 * 35, episodes=1),
    )
    members = [Member(loss_of(name), seed) for seed, name in enumerate(("a2_winner", "curl_a2ls"))]
    with Slots(training, members, Running(workers=1, refill=True)) as slots:
        refilled, scores = False, []
        for tick in range(200):
            scores += slots.tick()
            if tick == 25:
                with torch.no_grad():
                    for adam in slots.learner.stacks[0].optimizers.values():
                        for tensor, owner in zip(adam.trained, adam.owners, strict=True):
                            tensor[SICK if owner is None else owner == SICK] = torch.nan
            if not refilled and any(score.diverged for score in scores):
                slots.clear(SICK)
                slots.fill(SICK, Member(loss_of("atc"), 5))
                refilled = True
            if len(slots.free()) == 2:
                break
    curves = {
        slot: [(score.frames, score.diverged) for score in scores if score.member == slot] for slot in (0, 1)
    }
    assert curves[0] == [(280, False), (560, False)]
    assert curves[SICK] == [(280, True), (280, False), (560, False)]
    assert slots.learner.finite().all()
