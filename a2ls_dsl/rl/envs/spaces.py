"""Converts Gymnasium's spaces to what agents handle: vectors, frames, actions in [-1, 1] or numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.frames import Square

SMALLEST = 32
"""The least side of a frame, in pixels; smaller pictures are vectors, as convolutions are no use there."""
_BOUNDED = 1e6  # larger bounds are not ranges of values
_MOST_CHANNELS = 16

See = Callable[[Any], NDArray[Any]]
"""From an observation of the environment to a float32 vector, or a uint8 frame (channels, size, size)."""
Do = Callable[[Any], Any]
"""From an agent's action to one of the environment."""


def read_observations(env: str, space: spaces.Space[Any], size: int) -> tuple[See, tuple[int, ...]]:
    """A function that converts observations of a space, and their shape; size: a frame's side in pixels.

    Raises `A2lError` for a space that is neither numbers nor a picture.
    """
    picture = _channels_first(space)
    if picture is not None:
        return _picture(space, picture, size)
    inner = _pictures_inside(space)
    if inner:
        raise A2lError(
            f"{env} returns {inner} in a {type(space).__name__} space, which no agent takes with other parts",
            "wrap it so that its observation is one picture, or only numbers: "
            "`a2l train --env-arg wrapper=MODULE:NAME`",
        )
    flat = spaces.flatten_space(space) if _is_numbers(space) else None
    if not isinstance(flat, spaces.Box):
        raise A2lError(
            f"{env} returns observations of {_short(space)}, which no agent takes",
            "wrap it so that they are of a Box, Discrete or Multi... space, or a Dict or Tuple of these",
        )
    middle, half = _range(flat)

    def see(observation: Any) -> NDArray[np.float32]:
        numbers = np.asarray(spaces.flatten(space, observation), np.float64)
        if numbers.shape != flat.shape:
            raise A2lError(
                f"{env} returned an observation of shape {np.shape(observation)}, not {space.shape}"
            )
        return ((numbers - middle) / half).astype(np.float32)

    return see, (math.prod(flat.shape),)


def read_actions(env: str, space: spaces.Space[Any]) -> tuple[Do, int, bool]:
    """A function that converts an agent's actions to a space, their size, and whether they are numbers.

    Vectors in [-1, 1] are stretched to the space's bounds. Raises `A2lError` if no agent can act.
    """
    if isinstance(space, spaces.Discrete):
        start = int(space.start)
        return (lambda action: start + int(action)), int(space.n), True
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise A2lError(
            f"{env} takes actions of {_short(space)}, which no agent can choose",
            "wrap it so that they are of a Discrete space, or a Box of floats",
        )
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise A2lError(
            f"{env} takes actions without bounds: {_short(space)}",
            "wrap it so that the Box has finite bounds, as gymnasium.wrappers.RescaleAction does",
        )
    middle, half = _range(space)

    def do(action: Any) -> NDArray[Any]:
        # A policy that is no longer finite acts in the middle.
        inside = np.clip(np.nan_to_num(np.asarray(action, np.float64), posinf=1.0, neginf=-1.0), -1.0, 1.0)
        return (middle + half * inside).reshape(space.shape).astype(space.dtype)

    return do, math.prod(space.shape), False


def see_rendered(env: str, render: Callable[[], Any], size: int) -> See:
    """A function that gives rendered frames in place of an environment's observations."""
    made: dict[tuple[int, int], Square] = {}

    def see(_: Any) -> NDArray[np.uint8]:
        frame = rendered(env, render)
        sides = frame.shape[0], frame.shape[1]
        if sides not in made:
            made[sides] = Square(*sides, size)
        return made[sides](np.moveaxis(frame, 2, 0))

    return see


def rendered(env: str, render: Callable[[], Any]) -> NDArray[np.uint8]:
    """The picture (height, width, 3) of `render`. Raises `A2lError` if it is none."""
    fix = "make it with render_mode='rgb_array' and return a picture (height, width, 3) from render()"
    try:
        frame = render()
    except NotImplementedError:
        raise A2lError(f"{env} has no render()", fix) from None
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3:
        raise A2lError(
            f"{env} renders {type(frame).__name__ if not isinstance(frame, np.ndarray) else frame.shape}, "
            "not a picture",
            fix,
        )
    return frame.astype(np.uint8, copy=False)


def _channels_first(space: spaces.Space[Any]) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """A function that makes pictures (channels, height, width); None for a space without pictures."""
    if not isinstance(space, spaces.Box) or not np.isfinite([space.low.min(), space.high.max()]).all():
        return None
    shape = space.shape
    if len(shape) == 2 and min(shape) >= SMALLEST:
        return lambda picture: picture[None]
    if len(shape) == 3 and shape[2] <= _MOST_CHANNELS and min(shape[:2]) >= SMALLEST:
        return lambda picture: np.moveaxis(picture, 2, 0)
    if len(shape) == 3 and shape[0] <= _MOST_CHANNELS and min(shape[1:]) >= SMALLEST:
        return lambda picture: picture
    return None


def _picture(
    space: spaces.Space[Any], first: Callable[[NDArray[Any]], NDArray[Any]], size: int
) -> tuple[See, tuple[int, ...]]:
    assert isinstance(space, spaces.Box)
    low, high = float(space.low.min()), float(space.high.max())
    plain = space.dtype == np.uint8
    channels, height, width = first(np.empty(space.shape, np.uint8)).shape
    square = Square(height, width, size)

    def see(observation: Any) -> NDArray[np.uint8]:
        picture = np.asarray(observation)
        if not plain:
            picture = np.rint((picture - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        return square(first(picture))

    return see, (channels, size, size)


def _is_numbers(space: spaces.Space[Any]) -> bool:
    """Whether a space holds a fixed number of numbers, and nothing else."""
    if isinstance(space, spaces.Dict):
        return all(map(_is_numbers, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return all(map(_is_numbers, space.spaces))
    return isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete)


def _pictures_inside(space: spaces.Space[Any]) -> str:
    """The pictures in a composite space, in words."""
    if isinstance(space, spaces.Dict):
        pictures = [f"a picture `{name}`" for name, part in space.spaces.items() if _channels_first(part)]
    elif isinstance(space, spaces.Tuple):
        pictures = ["a picture" for part in space.spaces if _channels_first(part)]
    else:
        return ""
    return " and ".join(pictures)


def _range(space: spaces.Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(numbers,) middles and half widths that map bounded numbers to [-1, 1] and leave others unchanged."""
    low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
    bounded = (np.abs(low) < _BOUNDED) & (np.abs(high) < _BOUNDED) & (high > low)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    return (low + high) / 2, (high - low) / 2


def _short(space: object) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
