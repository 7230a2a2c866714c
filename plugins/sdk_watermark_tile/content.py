"""Finds the picture that a page or a frame of one colour surrounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .image import Plane, box_mean

Mask = NDArray[np.bool_]

_BLOCKS = 64
"""Blocks along the short side that are told apart."""
_AREAS = 6
"""Areas that are followed at most, from the top: letters leave none."""
_AWAY = 5
"""Levels from the ground's colour; JPEG's ringing is mostly below."""


def content(pixels: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of the largest picture on a corner's colour.

    Everything where nothing is found.  The commonest of the four is the ground.  Blocks that are
    mostly of another colour are filled; what is less than three blocks thick, as letters are, does
    not count; the largest area that hangs together is the picture, its box fitted to the pixel.
    """
    side = max(4, min(pixels.shape[:2]) // _BLOCKS)
    green = np.ascontiguousarray(pixels[:, :, 1])
    corners = green[[0, 0, -1, -1], [0, -1, 0, -1]]
    ground = corners[np.bincount(green[::4, ::4].reshape(-1), minlength=256)[corners].argmax()]
    away = np.maximum(green, ground) - np.minimum(green, ground) > np.uint8(_AWAY)
    share = box_mean(away.astype(np.float32), side)
    area = _largest(_thick(share > 0.5))
    if not area.any():
        return slice(None), slice(None)
    down, right = _box(area, side), _box(area.T, side)
    fitted = _fitted(away[:, right].mean(1, dtype=np.float32), down, side)
    return fitted, _fitted(away[fitted].mean(0, dtype=np.float32), right, side)


def _thick(full: Mask) -> Mask:
    """Keep blocks whose eight neighbours are filled too."""
    p = np.pad(full, 1)
    rows = p[:-2] & p[1:-1] & p[2:]
    out: Mask = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    return out


def _largest(left: Mask) -> Mask:
    """Keep the largest area of blocks that touch."""
    largest = np.zeros_like(left)
    left = left.copy()
    for _ in range(_AREAS):
        if np.count_nonzero(left) <= np.count_nonzero(largest):
            break
        area = np.zeros_like(left)
        area.reshape(-1)[left.argmax()] = True
        size = 0
        while np.count_nonzero(area) > size:
            size = int(np.count_nonzero(area))
            area = _grown(area) & left
        left &= ~area
        largest = max(largest, area, key=np.count_nonzero)
    return largest


def _grown(area: Mask) -> Mask:
    p = np.pad(area, 1)
    rows = p[:-2] | p[1:-1] | p[2:]
    out: Mask = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return out


def _box(area: Mask, side: int) -> slice:
    """From the first to the last filled line of blocks, in pixels, with the block that _thick took
    away at either end."""
    inside = np.flatnonzero(np.count_nonzero(area, axis=1))
    return slice(max(0, int(inside[0]) - 1) * side, (int(inside[-1]) + 2) * side)


def _fitted(share: Plane, box: slice, side: int) -> slice:
    """Move both ends to where the share of pixels away from the ground drops to half."""
    outside = np.flatnonzero(share <= 0.5 * float(np.median(share[box])))
    middle = (box.start + box.stop) // 2
    before = outside[outside < min(middle, box.start + 2 * side)]
    after = outside[outside >= max(middle, box.stop - 2 * side)]
    start = int(before[-1]) + 1 if len(before) else 0
    return slice(start, int(after[0]) if len(after) else len(share))
