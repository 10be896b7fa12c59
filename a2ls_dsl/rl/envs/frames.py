"""Resizing of frames to squares."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def area_weights(pixels: int, wanted: int) -> NDArray[np.float32]:
    """(wanted, pixels) shares of the old pixels in each new pixel, by covered area.

    Like OpenCV's INTER_AREA if `wanted` is smaller.
    """
    scale = pixels / wanted
    weights = np.zeros((wanted, pixels), np.float32)
    for new in range(wanted):
        begin, end = new * scale, (new + 1) * scale
        for old in range(math.floor(begin), min(math.ceil(end), pixels)):
            weights[new, old] = (min(end, old + 1) - max(begin, old)) / scale
    return weights


class Square:
    """Resizes frames (channels, height, width) to (channels, size, size) by area; uint8 throughout."""

    def __init__(self, height: int, width: int, size: int) -> None:
        self._same = height == width == size
        self._rows, self._columns = area_weights(height, size), area_weights(width, size).T

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._same:
            return np.ascontiguousarray(frame)
        resized: NDArray[np.float32] = np.rint(self._rows @ frame.astype(np.float32) @ self._columns)
        return resized.astype(np.uint8)
