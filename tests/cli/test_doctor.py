"""`a2l doctor` as a user runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

RUN = "import sys; from a2ls_dsl.cli import main; sys.argv = ['a2l', 'doctor']; main()"


def doctor(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_machine_that_can_train() -> None:
    done = doctor()
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout
    status = dict(re.findall(r"^(?:ok|warning) +(\w+) +(.+)$", done.stdout, re.M))
    for subject in (
        "python",
        "numpy",
        "torch",
        "device",
        "environments",
        "egl",
        "osmesa",
        "glfw",
        "cores",
        "memory",
        "compiler",
    ):
        assert subject in status
    assert re.fullmatch(
        r"dm_control 1\.0\.50 with mujoco 3\.17\.\d+: walker-walk, [\d,]+ frames/s a core",
        status["environments"],
    )
    kinds = ["vector observations"] + ["pixels"] * ("renderer" not in status)
    if find_spec("ale_py"):
        assert re.fullmatch(r"ale-py 0\.12\.\d+: 26 games; Pong, [\d,]+ frames/s a core", status["atari"])
        kinds.append("Atari games")
    if find_spec("gymnasium"):
        kinds.append("Gymnasium environments")
    assert done.stdout.endswith(f"ready to train on {', '.join(kinds)}\n")


def test_neither_a_missing_compiler_nor_a_broken_emulator_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "ale_py.py").write_text("raise ImportError('libstdc++.so.6: no such file')\n")
    done = doctor(PYTHONPATH=str(tmp_path), CXX="/nowhere/g++")
    assert done.returncode == 0
    assert re.search(
        r"^ok +compiler +.*there is no `/nowhere/g\+\+`; only torch.compile needs it", done.stdout, re.M
    )
    warning = r"^warning +atari +the emulator of Atari games can't be imported \(libstdc"
    assert re.search(warning, done.stdout, re.M)
    assert "fix: pip install --force-reinstall --no-deps 'ale-py>=0.12,<0.13'" in done.stdout
    assert "Atari games\n" not in done.stdout[-80:]


def test_mujoco_4_is_recognised(tmp_path: Path) -> None:
    package, info = tmp_path / "mujoco", tmp_path / "mujoco-4.0.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("__version__ = '4.0.0'\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mujoco\nVersion: 4.0.0\n")
    done = doctor(PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^FAIL +environments dm_control does not work with mujoco 4\.0\.0", done.stdout, re.M)
    assert (
        "fix: pip uninstall -y mujoco mujoco-core mujoco-studio "
        "&& pip install 'dm-control==1.0.50' 'mujoco>=3.17,<3.18'\n"
    ) in done.stdout
    assert done.stdout.endswith("something required is broken\n")


def test_physics_that_are_not_installed_are_no_failure() -> None:
    """They are an extra, not needed for writing losses or for other environments."""
    hidden = "import sys; sys.modules['dm_control'] = None; sys.modules['ale_py'] = None; "
    done = subprocess.run(
        [sys.executable, "-c", hidden + RUN], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0
    assert re.search(r"^warning +environments +DeepMind Control is not installed\n +fix: ", done.stdout, re.M)
    ready = "Gymnasium environments" if find_spec("gymnasium") else ""
    assert done.stdout.endswith(f"ready to train on {ready}\n" if ready else "is installed\n")


def test_a_broken_torch_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: cannot open shared object file')\n")
    done = doctor(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert re.search(r"^FAIL +torch +OSError: libcudart", done.stdout, re.M)
    assert "fix: pip install 'torch>=2.6'" in done.stdout


def test_an_install_without_requirements_is_a_failure() -> None:
    hidden = "import sys; sys.modules['numpy'] = sys.modules['torch'] = None; "
    done = subprocess.run([sys.executable, "-c", hidden + RUN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search("^FAIL +numpy .*\n +fix: .*\nFAIL +torch .*\n +fix: ", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("something required is broken\n")


def test_an_old_numpy_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("__version__ = '1.24.3'\n")
    done = doctor(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert re.search(r"^FAIL +numpy +1\.24\.3 is too old", done.stdout, re.M)


def test_time_in_which_the_doctor_stands_still_does_not_count() -> None:
    """Stopped for longer than its patience, as by Ctrl-Z; its probe answers only afterwards."""
    script = """
import subprocess
from a2ls_dsl.cli.machine import _outputs
probe = subprocess.Popen(["sh", "-c", "kill -STOP $$; echo ready"], stdout=-1, stderr=-1, text=True)
print(probe.pid, flush=True)
print(_outputs(probe, 2), flush=True)
print(_outputs(subprocess.Popen(["sleep", "60"], stdout=-1, text=True), 1))
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        probe = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGSTOP)
        time.sleep(2.2)
        os.kill(parent.pid, signal.SIGCONT)
        time.sleep(0.2)  # it polls before its probe has answered
        os.kill(probe, signal.SIGCONT)
        assert parent.stdout.read() == "('ready\\n', '')\nNone\n"
