"""Frames of a simulation: how they look, and which renderer draws them on this machine.

MuJoCo and dm_control read the renderer from the variable MUJOCO_GL when they are imported. So it is set here,
in the process that renders, before the first import.
"""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError

PACKAGES = {"egl": "apt-get install libegl1 libgl1", "osmesa": "apt-get install libosmesa6"}
NEEDED = f"{PACKAGES['egl']} (or {PACKAGES['osmesa']}); `a2l doctor` tries them; vectors need no renderer"


@dataclass(frozen=True)
class Rendering:
    """How frames look.

    size: pixels of the square frame's side; camera: dm_control's number of the camera (CURL has 0);
    shadow_size: pixels of the shadow map's side. None keeps the task's own, and so dm_control's picture; a
    smaller size renders faster in software and changes the edges of shadows.
    """

    size: int = 100
    camera: int = 0
    shadow_size: int | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or self.camera < -1 or (self.shadow_size is not None and self.shadow_size < 1):
            raise A2lError(
                f"frames of {self.size} pixels by camera {self.camera} with shadows of {self.shadow_size} "
                "can't be rendered",
                "use 1 pixel or more, and a camera from 0 (-1 is the free camera)",
            )


SCREEN = (360, 480)
"""Height and width of pictures for people."""


class Camera:
    """A camera that lives as long as the simulation: the picture of `physics.render`, several times faster.

    Raises A2lError if nothing can be rendered.
    """

    def __init__(self, physics: Any, rendering: Rendering) -> None:
        from dm_control.mujoco.engine import Camera as EngineCamera

        if rendering.shadow_size is not None:
            physics.model.vis.quality.shadowsize = rendering.shadow_size  # read at the first render
        size = rendering.size
        try:
            self._camera: Any = EngineCamera(physics, height=size, width=size, camera_id=rendering.camera)
            self.frame()
        except Exception as error:  # every renderer fails in its own way
            raise _broken(error) from error

    def frame(self) -> NDArray[np.uint8]:
        """The current frame: (3, size, size)."""
        return np.ascontiguousarray(np.moveaxis(self._camera.render(), 2, 0))


def render_screen(physics: Any) -> NDArray[np.uint8]:
    """A picture for people: (360, 480, 3). Raises A2lError if nothing can be rendered."""
    try:
        return np.ascontiguousarray(physics.render(*SCREEN, camera_id=0))
    except Exception as error:  # every renderer fails in its own way
        raise _broken(error) from error


def use_renderer() -> None:
    """Choose the renderer of this process, before mujoco or dm_control is imported.

    Raises A2lError if there is none.
    """
    os.environ["MUJOCO_GL"] = choose_renderer(os.environ, _is_library, Path("/dev/nvidia0").exists())


def choose_renderer(environment: Mapping[str, str], is_library: Callable[[str], bool], gpu: bool) -> str:
    """The value of MUJOCO_GL: the user's own, else EGL if it is available, else OSMesa.

    is_library: whether a library of that name can be loaded; gpu: whether there is an NVIDIA GPU, whose
    driver brings an EGL of its own.
    """
    chosen = environment.get("MUJOCO_GL", "")
    if chosen:
        return chosen
    if gpu or is_library("EGL"):
        return "egl"
    if is_library("OSMesa"):
        return "osmesa"
    raise A2lError("frames can't be rendered here: neither EGL nor OSMesa is installed", NEEDED)


def _is_library(name: str) -> bool:
    return ctypes.util.find_library(name) is not None


def _broken(error: Exception) -> A2lError:
    cause = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    chosen = os.environ.get("MUJOCO_GL", "")
    return A2lError(f"frames can't be rendered with MUJOCO_GL={chosen} ({cause})", NEEDED)
