"""A search on a local Ray cluster of two stacks, one of which is killed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search.tiny_search import SETTINGS
from study_tables import rows

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.rings import Memory, Rows, Sent
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slot_sets import divided, joined
from a2ls_dsl.search import scale_out
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.events import Event, Placed
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.scale_out import DEATHS, Cluster, RayStacks
from a2ls_dsl.search.stack_actor import StackActor

ray = pytest.importorskip("ray")
Machines = pytest.importorskip("ray.cluster_utils").Cluster

SEARCH = replace(
    SETTINGS,
    env="cartpole-swingup",
    deterministic=False,
    population=4,
    stack=2,
    race=0.25,
    frames=1_200,  # several messages of a stack
    agent=SacSettings(hidden=8, batch_size=4, random_steps=70),
    evaluation=EvaluationSettings(every_frames=600, episodes=1),
)
TRAINING = Training(SEARCH.task, SEARCH.frames, SEARCH.agent, SEARCH.evaluation)
WINNER = load_one("a2_winner_v")[1]
GAME = Training(
    replace(find_task("Pong"), episode_frames=4 * 40),
    4 * 80,
    RainbowSettings(
        random_steps=30, batch_size=4, multi_step=5, convolutions=((4, 8, 8), (6, 4, 3)), hidden=8, atoms=11
    ),
    EvaluationSettings(every_frames=4 * 40, episodes=1),
)
MEMBERS = {0: Member(None, 0), 2: Member(WINNER, 1)}
STACK = Running(workers=1, refill=True)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Ray's processes import this package from where the tests do."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


@pytest.fixture(scope="module")
def machines(quiet: None) -> Iterator[Any]:
    """A cluster of one machine, with room for one stack; it takes seconds to start."""
    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield machines
    machines.shutdown()


@pytest.fixture(autouse=True)
def left() -> Iterator[None]:
    """Whatever a test does, it leaves the cluster."""
    yield
    ray.shutdown()


def test_stacks_that_find_no_room_are_not_waited_for_for_ever(
    machines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale_out, "SILENT_SECONDS", 1.0)
    with pytest.raises(A2lError, match=r"no stack .* answer for 1 s \(0 of 1 stacks had started\)"):
        RayStacks(TRAINING, 1, Cluster(machines.address, gpus=99.0), STACK)
    assert not ray.is_initialized()


def test_a_stack_whose_actors_die_one_after_the_other_ends_the_search(machines: Any) -> None:
    with RayStacks(TRAINING, 1, Cluster(machines.address), STACK) as stacks:
        stacks.fill(0, Member(None, 0))
        with pytest.raises(A2lError, match=rf"died {DEATHS} times before it had a score"):
            deque(iter(lambda: (ray.kill(stacks._stacks[0].actor), stacks.tick()), None), maxlen=0)
        assert len(stacks.replaced) == DEATHS - 1
        assert stacks.lost() == [0]
        assert stacks.free() == []


def test_a_machine_that_is_lost_is_not_waited_for_for_ever(
    machines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other has room for its stack: the search ends, with what it trained reported as lost."""
    machine = machines.add_node(num_gpus=1, num_cpus=1)
    with RayStacks(TRAINING, 1, Cluster(machines.address, gpus=1.0), STACK) as stacks:
        stacks.fill(0, Member(None, 0))
        while not stacks.busy[0]:
            stacks.tick()
        machines.remove_node(machine)
        monkeypatch.setattr(scale_out, "SILENT_SECONDS", 2.0)
        with pytest.raises(A2lError, match="no stack on the cluster gave an answer for 2 s"):
            deque(iter(stacks.tick, None), maxlen=0)
        assert stacks.lost() == [0]
        assert not stacks.busy[0]


def test_what_a_cluster_cannot_do_is_explained(tmp_path: Path) -> None:
    with pytest.raises(A2lError, match="does not repeat bit for bit"):
        evolve(SETTINGS, tmp_path / "one", cluster=Cluster())
    with pytest.raises(A2lError, match=r"Ray cluster `127.0.0.1:1` can't be reached"):
        evolve(SEARCH, tmp_path / "two", cluster=Cluster("127.0.0.1:1"))


def test_a_cluster_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine too busy for it Ray raises a bare Exception, which a test can't bring about at will."""

    def busy(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", busy)
    with pytest.raises(A2lError, match="the Ray cluster `local` can't be used: The current node timed out"):
        RayStacks(TRAINING, 1, Cluster(), STACK)


def test_without_ray_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError(\"No module named 'ray'\")\n")
    command = "from a2ls_dsl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "evolve", "--env", "walker-walk", "--ray", "local"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
    )
    assert done.returncode == 2
    assert "Ray is not installed" in done.stderr
    assert "pip install 'a2ls-dsl[ray]'" in done.stderr


def test_a_search_on_a_cluster_goes_on_with_what_trains(machines: Any, tmp_path: Path) -> None:
    """Stopped in the middle of runs: none begins twice, and no evaluation is missing."""
    placed = Counter[int]()

    def on_event(event: Event) -> None:
        if isinstance(event, Placed):
            placed.update(run.id for run in event.runs)

    def goes_on(stopping: Callable[[], bool] = lambda: False) -> bool:
        cluster = Cluster(machines.address)
        return evolve(SEARCH, tmp_path, on_event, workers=1, stopping=stopping, cluster=cluster)

    halfway = "SELECT id FROM runs WHERE status = 'running' AND frames > 0"
    assert not goes_on(stopping=lambda: bool(rows(tmp_path, halfway)))
    inside = rows(tmp_path, halfway)
    assert goes_on()
    assert inside
    assert len(rows(tmp_path, "SELECT 1 FROM events WHERE kind = 'taken up'")) == 1
    ended = rows(tmp_path, "SELECT id FROM runs WHERE ended IS NOT NULL")
    assert placed == Counter(number for (number,) in ended)
    curves = "SELECT count(*), max(frames) FROM curves GROUP BY run"
    assert all(points == last // SEARCH.evaluation.every_frames for points, last in rows(tmp_path, curves))


def test_a_stack_that_is_stored_and_read_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """An actor as Ray makes it, with pickles between; of its frames those are sent that are new."""

    def made() -> StackActor:
        actor = StackActor()
        actor.start(GAME, 3, replace(STACK, exact=True), [])
        return actor

    def scores(actor: StackActor) -> list[tuple[int, int, tuple[float, ...], float]]:
        scores = list[Score]()
        while len(scores) < len(MEMBERS):
            scores += actor.advance({}, []).scores
        return [(score.member, score.frames, score.returns, score.training_return) for score in scores]

    actor, rings, sent = made(), dict[str, Memory](), list[int]()

    def store(members: dict[int, Member]) -> None:
        sizes = {name: ring.known for name, ring in rings.items()}
        arrays, values = pickle.loads(pickle.dumps(actor.state(members, [], sizes)))  # noqa: S301
        rows = {name: array for name, array in arrays.items() if isinstance(array, Rows)}
        sent.append(sum(row.number for row in rows.values()))
        for name, row in rows.items():
            arrays[name] = Sent(row, rings.setdefault(name, Memory()))
        checkpoint.save(tmp_path / "slots.npz", *joined([None, (arrays, values)]))

    store(MEMBERS)  # filled, and nothing is done yet
    scores(actor)
    store({})
    for _ in range(3):
        actor._slots.tick()
    store({})
    assert sent[2] < 20 < sent[1]
    other = made()
    nothing, part = divided(*checkpoint.load(tmp_path / "slots.npz"))
    assert nothing is None
    assert part is not None
    assert other.restore(*part) == [0, 2]
    assert scores(other) == scores(actor)


def actors() -> list[int]:
    """The processes of the stacks' actors on this machine."""
    listing = subprocess.run(["pgrep", "-f", "ray::StackActor"], capture_output=True, text=True, check=False)
    return [int(process) for process in listing.stdout.split()]


def test_a_killed_stack_is_replaced_and_its_candidates_are_trained_again(
    machines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the slots of both are stored again and again, on a cluster of their own beside another.

    The last of these tests: after such a cluster Ray runs nothing on another that was there before.
    """
    killed: list[int] = []
    addresses: set[str] = set()
    stored: list[Any] = []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda *given: (stored.append(given[2].get("slots")), save(*given))
    )
    placed: Counter[int] = Counter()

    def on_event(event: Event) -> None:
        if isinstance(event, Placed):
            addresses.add(ray.get_runtime_context().gcs_address)
            placed.update(run.id for run in event.runs)
            if not killed and len(actors()) == 2:
                killed.append(actors()[0])
                os.kill(killed[0], signal.SIGKILL)

    two = Cluster("local", stacks=2)
    assert evolve(SEARCH, tmp_path, on_event, workers=1, cluster=two, save_seconds=0.0)
    assert killed
    assert len(addresses) == 1
    assert machines.address not in addresses  # it would end with that one
    assert any(state and all(state["stacks"]) for state in stored)
    assert not (tmp_path / "slots.npz").exists()
    statuses = Counter(status for (status,) in rows(tmp_path, "SELECT status FROM candidates"))
    assert statuses[Status.SCORED] + statuses[Status.CULLED] == SEARCH.searched + 2
    ended = rows(tmp_path, "SELECT count(*) FROM runs WHERE ended IS NOT NULL")
    raced = rows(tmp_path, "SELECT fresh_runs FROM candidates WHERE fresh_runs > 0")
    assert raced == [(1,)] * 4  # two finalists and the references
    assert ended == [(SEARCH.searched + 2 + 4,)]
    again = [run for run, times in placed.items() if times > 1]
    assert 1 <= len(again) <= 2  # those of the stack that was killed, and no others
    curves = "SELECT run, count(*), max(frames) FROM curves GROUP BY run"
    assert all(
        points == frames // SEARCH.evaluation.every_frames for _, points, frames in rows(tmp_path, curves)
    )
