"""Frames of a real renderer; without a renderer, the tests that need one are skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.rendering import Rendering, choose_renderer
from a2ls_dsl.rl.envs.tasks import find_task

TASK = find_task("cartpole-swingup")

# Frames that dm_control itself renders at a reset and after two agent steps.
REFERENCE = """
import os, sys
import numpy as np
os.environ["MUJOCO_GL"] = sys.argv[1]
from dm_control import suite
env = suite.load("cartpole", "swingup")
env.task.random.seed(np.random.SeedSequence(7).generate_state(8))
env.reset()
frames = [env.physics.render(100, 100, camera_id=0)]
for _ in range(2):
    for _ in range(8):
        env.step([0.5])
    frames.append(env.physics.render(100, 100, camera_id=0))
np.save(sys.argv[2], np.stack(frames))
"""
# Hides libraries, as on a machine without OpenGL; every Python process imports sitecustomize.
NO_LIBRARIES = "import ctypes.util\nctypes.util.find_library = lambda name: None\n"


@pytest.fixture(scope="module")
def renderer() -> str:
    """The renderer that this machine would use."""
    try:
        pool = EnvPool(TASK, 1, rendering=Rendering(size=8))
    except A2lError as error:
        pytest.skip(f"needs a renderer: {error.message}")
    pool.close()
    environment = {"MUJOCO_GL": os.environ.get("MUJOCO_GL", "")}
    return choose_renderer(environment, lambda name: True, gpu=False)


def test_a_camera_shows_what_dm_control_renders(renderer: str, tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    subprocess.run([sys.executable, "-c", REFERENCE, renderer, str(path)], check=True, timeout=120)
    expected = np.moveaxis(np.load(path), 3, 1)
    with EnvPool(TASK, 2, rendering=Rendering()) as pool:
        assert (pool.observation_shape, pool.action_size) == ((3, 100, 100), 1)
        frames = [pool.reset([7, 8])]
        frames += [pool.step(np.full((2, 1), 0.5)).observation for _ in range(2)]
    for frame, picture in zip(frames, expected, strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame[0], picture)
    assert (frames[0][0] != frames[1][0]).any()  # the cart has moved
    assert (frames[0][0] != frames[0][1]).any()  # episodes of different seeds


def test_a_smaller_shadow_map_changes_hardly_a_pixel(renderer: str) -> None:
    frames = []
    for shadow_size in (None, 512):
        with EnvPool(TASK, 1, rendering=Rendering(shadow_size=shadow_size)) as pool:
            frames.append(pool.reset([3]).astype(float))
    assert np.abs(frames[0] - frames[1]).mean() < 1.0  # of 255


def test_training_on_frames(renderer: str, tmp_path: Path) -> None:
    """A short run of the command on real frames ends with finite figures and reports its memory."""
    done = a2l("train", *SMOKE, "--loss", "none,curl", "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "replay of frames" in done.stdout
    for loss in ("none", "curl"):
        lines = (tmp_path / "run" / f"{loss}-seed-0.csv").read_text().splitlines()
        header, row = (line.split(",") for line in lines)
        values = dict(zip(header, map(float, row), strict=True))
        assert 0 <= values["return"] <= 1000
        assert np.isfinite(values["critic_loss"])
        assert (values["auxiliary_loss"] > 0) == (loss == "curl")


def test_without_a_renderer_vectors_work_and_pixels_say_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_LIBRARIES)
    hidden = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    hidden["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    if Path("/dev/nvidia0").exists():
        pytest.skip("the driver of this GPU brings a renderer")
    pixels = a2l("train", *SMOKE, "--loss", "none", "--out", str(tmp_path / "pixels"), environment=hidden)
    assert pixels.returncode == 2
    assert "neither EGL nor OSMesa is installed" in pixels.stderr
    assert "apt-get install libegl1 libgl1 (or apt-get install libosmesa6)" in pixels.stderr
    assert "Traceback" not in pixels.stderr
    vectors = [*SMOKE, "--obs", "vectors", "--loss", "none", "--out", str(tmp_path / "vectors")]
    assert a2l("train", *vectors, environment=hidden).returncode == 0


@pytest.mark.parametrize(
    ("chosen", "libraries", "gpu", "expected"),
    [
        ("osmesa", ["EGL"], True, "osmesa"),
        ("", ["EGL", "OSMesa"], False, "egl"),
        ("", ["OSMesa"], False, "osmesa"),
        ("", [], True, "egl"),
    ],
)
def test_the_users_choice_then_egl_then_osmesa(
    chosen: str, libraries: list[str], gpu: bool, expected: str
) -> None:
    assert choose_renderer({"MUJOCO_GL": chosen}, lambda name: name in libraries, gpu) == expected


SMOKE = [
    *("--env", "cartpole-swingup", "--obs", "pixels", "--hidden", "16", "--batch-size", "4"),
    *("--random-steps", "115", "--frames", "1000", "--eval-every", "1000", "--eval-episodes", "1"),
]


def a2l(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from a2ls_dsl.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)
