"""Workers that fail, die or hang are reported; workers never outlive the pool's process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs import pool as envs_pool
from a2ls_dsl.rl.envs.dmc import how_to_install
from a2ls_dsl.rl.envs.dmc_suite import ControlTask
from a2ls_dsl.rl.envs.pool import EnvPool

TASK = ControlTask("cartpole", "swingup", action_repeat=8)
ZERO = np.zeros((2, 1), np.float32)

OPEN_POOL = """
import numpy as np
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import find_task
pool = EnvPool(find_task("cartpole-swingup"), 2, workers=2)
pool.reset([0, 1])
pool.start(np.zeros((2, 1)))
print("started", flush=True)
"""


@pytest.fixture
def pool() -> EnvPool:
    pool = EnvPool(TASK, 2, workers=2)
    pool.reset([0, 1])
    return pool


def test_repeated_deaths_of_workers_are_reported(pool: EnvPool) -> None:
    for death in range(3):
        worker = pool._workers[1]
        worker.process.kill()
        worker.process.wait()
        assert not pool.step(ZERO).last.any()
        assert len(pool.replaced) == death + 1
    processes = [worker.process for worker in pool._workers]
    processes[1].kill()
    with pytest.raises(A2lError, match="worker of cartpole-swingup died with exit code -9") as caught:
        pool.step(ZERO)
    assert "memory" in caught.value.fix
    assert [process.poll() for process in processes] == [0, -9]
    with pytest.raises(A2lError, match="closed"):
        pool.step(ZERO)


def test_deaths_far_apart_are_not_counted_together(pool: EnvPool) -> None:
    with pool:
        for _ in range(5):
            pool._workers[0].process.kill()
            for step in range(100):
                if step == 60:
                    pool.reset([0, 1])
                pool.step(ZERO)
            pool.reset([0, 1])
        assert len(pool.replaced) == 5


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_replaced_worker_goes_on_from_where_its_environments_were(
    sign: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead or silent: bit for bit, in the middle of episodes or not, in both pools of its process."""
    launch = envs_pool.launch

    def harm(*pools: EnvPool) -> None:
        def set_patience(seconds: float) -> None:
            for lanes in pools:
                lanes._timeout = seconds

        def launched() -> Any:
            set_patience(120)
            return launch()

        set_patience(0.2 if sign is signal.SIGSTOP else 120)
        monkeypatch.setattr(envs_pool, "launch", launched)
        os.kill(pools[0]._workers[1].process.pid, sign)

    def played(harm: Callable[..., None] | None) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        seen: list[np.ndarray] = []
        with EnvPool(TASK, 4, workers=2) as pool, EnvPool(TASK, 4, beside=pool) as other:
            for lanes in (pool, other):
                seen.append(lanes.reset([1, 2, 3, 4]))
            for step in range(40):
                if step == 20:
                    seen.append(pool.reset_where([False, False, True, False], [5, 6, 7, 8]))
                chosen = rng.random(4) < 0.7
                pool.start(rng.uniform(-1, 1, (4, 1)), chosen)
                other.start(rng.uniform(-1, 1, (4, 1)))
                if harm and step in (10, 30):
                    harm(pool, other)
                for lanes in (other, pool) if step == 10 else (pool, other):
                    result = lanes.wait()
                    seen += [result.observation, result.reward, result.last]
            assert len(pool.replaced) == len(other.replaced) == (2 if harm else 0)
        return seen

    for array, expected in zip(played(harm), played(None), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_time_in_which_this_process_stood_still_does_not_count() -> None:
    """All processes are stopped for longer than the patience, as by Ctrl-Z or a suspended machine."""
    script = OPEN_POOL.replace(
        'print("started", flush=True)',
        """
import os, signal
pids = [worker.process.pid for worker in pool._workers]
pool.wait()
pool._timeout = 2
for pid in pids:
    os.kill(pid, signal.SIGSTOP)
pool.start(np.zeros((2, 1)))
print(*pids, flush=True)
pool.wait()
print(len(pool.replaced), flush=True)
""",
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        os.kill(parent.pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(parent.pid, signal.SIGCONT)
        time.sleep(0.3)  # it polls before its workers have answered
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        assert parent.stdout.readline() == "0\n"


def running(process: int) -> bool:
    """Whether a process exists and runs: one that has ended may be a zombie until its parent waits."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.timeout(60)
def test_a_worker_does_not_outlive_its_pool_while_it_works() -> None:
    """Killed while a worker makes environments, which takes minutes: the worker ends soon."""
    script = """
from a2ls_dsl.rl.envs import pool, workers
from a2ls_dsl.rl.envs.tasks import find_task
receive, calls = workers.receive, []
def reported(channel, patience):
    calls.append(channel)
    if len(calls) > pool.MEASURED:  # the first are made one at a time
        print(open(f"/proc/self/task/{__import__('os').getpid()}/children").read(), flush=True)
    return receive(channel, patience)
workers.receive = reported
pool.EnvPool(find_task("humanoid-run"), 2_000, workers=1)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        (worker,) = map(int, parent.stdout.readline().split())
        time.sleep(0.5)  # now it makes the others, which takes long
        parent.kill()
        parent.wait()
        while running(worker):
            time.sleep(0.02)


def test_workers_ignore_an_interrupt(pool: EnvPool) -> None:
    with pool:
        for worker in pool._workers:
            os.kill(worker.process.pid, signal.SIGINT)
        assert not pool.step(ZERO).last.any()


def test_a_pool_outlives_a_pool_beside_it(pool: EnvPool) -> None:
    """Whether the other is closed or fails."""
    with pool:
        EnvPool(TASK, 2, beside=pool).close()
        with pytest.raises(A2lError, match="environment 0 of walker-somersault failed"):
            EnvPool(ControlTask("walker", "somersault", 2), 2, beside=pool)
        assert not pool.step(ZERO).last.any()
        other = EnvPool(TASK, 2, beside=pool)
        other.reset([0, 1])
        assert not other.step(ZERO).last.any()


def test_an_exception_in_a_worker_names_the_environment(pool: EnvPool) -> None:
    pool.close()
    with pytest.raises(A2lError) as caught:
        EnvPool(ControlTask("walker", "somersault", 2), 1)
    assert caught.value.message.startswith("environment 0 of walker-somersault failed: ")
    assert "Level 'somersault' does not exist in domain 'walker'" in caught.value.message


def test_collecting_a_pool_ends_its_workers(pool: EnvPool) -> None:
    processes = [worker.process for worker in pool._workers]
    other = EnvPool(TASK, 1)
    processes += [worker.process for worker in other._workers]
    pool.close()
    del other
    assert [process.poll() for process in processes] == [0, 0, 0]


def test_an_open_pool_leaves_no_trace_at_exit() -> None:
    # Workers inherit stderr: it is read to its end only when the last of them is gone.
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", OPEN_POOL],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""


def test_workers_end_when_their_parent_is_killed() -> None:
    script = OPEN_POOL + "import time\ntime.sleep(600)\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        parent.kill()
        _, errors = parent.communicate(timeout=60)  # As above: times out while a worker lives.
    assert errors == b""


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "dm_control"
    package.mkdir()
    (package / "__init__.py").write_text("raise ModuleNotFoundError('no dm_control', name='dm_control')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(A2lError, match="the package dm_control is not installed") as caught:
        EnvPool(TASK, 1)
    assert caught.value.fix == how_to_install(sys.version_info[:2])


def test_where_a_package_has_no_wheels_the_fix_is_another_python() -> None:
    assert how_to_install((3, 11)) == "pip install 'dm-control==1.0.50' 'mujoco>=3.17,<3.18'"
    assert how_to_install((3, 12)) == how_to_install((3, 11))
    assert how_to_install((3, 14)).startswith("use Python 3.12: ")
