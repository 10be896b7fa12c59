"""Workers that fail, die or hang are reported; workers never outlive the pool's process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.dmc import how_to_install
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import Task

TASK = Task("cartpole", "swingup", action_repeat=8)
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


def test_a_killed_worker_is_reported(pool: EnvPool) -> None:
    processes = [worker.process for worker in pool._workers]
    processes[1].kill()
    processes[1].wait()
    with pytest.raises(A2lError, match="worker of cartpole-swingup died with exit code -9") as caught:
        pool.step(ZERO)
    assert "memory" in caught.value.fix
    assert [process.poll() for process in processes] == [0, -9]
    with pytest.raises(A2lError, match="closed"):
        pool.step(ZERO)


def test_a_worker_killed_while_it_works_is_reported(pool: EnvPool) -> None:
    os.kill(pool._workers[0].process.pid, signal.SIGSTOP)
    pool.start(ZERO)
    os.kill(pool._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(A2lError, match="exit code -9"):
        pool.wait()


def test_a_silent_worker_is_reported(pool: EnvPool) -> None:
    processes = [worker.process for worker in pool._workers]
    pool._workers[1].channel.settimeout(0.2)
    os.kill(processes[1].pid, signal.SIGSTOP)
    with pytest.raises(A2lError, match="gave no answer in 120 s"):
        pool.step(ZERO)
    assert [process.poll() for process in processes] == [0, -9]


def test_workers_ignore_an_interrupt(pool: EnvPool) -> None:
    with pool:
        for worker in pool._workers:
            os.kill(worker.process.pid, signal.SIGINT)
        assert not pool.step(ZERO).last.any()


def test_a_pool_outlives_one_beside_it(pool: EnvPool) -> None:
    """Whether that one is closed or fails."""
    with pool:
        EnvPool(TASK, 2, beside=pool).close()
        with pytest.raises(A2lError, match="environment 0 of walker-somersault failed"):
            EnvPool(Task("walker", "somersault", 2), 2, beside=pool)
        assert not pool.step(ZERO).last.any()
        other = EnvPool(TASK, 2, beside=pool)
        other.reset([0, 1])
        pool._workers[1].process.kill()
        with pytest.raises(A2lError, match="exit code -9"):
            other.step(ZERO)
        with pytest.raises(A2lError, match="exit code -9"):
            pool.step(ZERO)


def test_an_exception_in_a_worker_names_the_environment(pool: EnvPool) -> None:
    pool.close()
    with pytest.raises(A2lError) as caught:
        EnvPool(Task("walker", "somersault", 2), 1)
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
