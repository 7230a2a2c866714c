"""Takes from a luma what hides the mark, so that each pixel weighs what it knows.

All planes are (height, width) float32; lumas in levels of 0..255.
"""

from __future__ import annotations

import numpy as np

from .image import SPOT, Plane, box_mean
from .loops import compiled

_LIMIT = np.float32(1.5)
"""Gradients are clipped here, in units of their block's mean: edges must not outvote textures."""
_FLOOR = 1.0
"""Gradients below one level are rounding noise."""


def residual(plane: Plane) -> Plane:
    """Return what the mark is looked for in: the divergence of the clipped, normalised gradient.

    Differences over two pixels flatten a picture's spectrum, so that dividing them by how busy
    their block is and clipping them weighs each pixel by what it knows: the white between letters
    counts, the letters do not.  Against a high-pass divided by local activity the pilot stands out
    8 % more in photos, 13 % more after WebP 80, and 90 % more on pages of text.
    """
    loops = compiled()
    if loops is not None:
        return loops.residual(plane, loops.sensitivity(plane, _FLOOR), float(_LIMIT))
    down, right = _gradient(plane)
    size = _sensitivity(down, right)
    for step in (down, right):
        _scale_blocks(step, size)
        np.clip(step, -_LIMIT, _LIMIT, out=step)
    out = np.zeros_like(plane)
    np.subtract(down[:-2], down[2:], out=out[1:-1])
    out[:, 1:-1] += right[:, :-2]
    out[:, 1:-1] -= right[:, 2:]
    return out


def sensitivity(plane: Plane) -> Plane:
    """Return what the detector multiplies the gradient of each block of SPOT x SPOT pixels by."""
    loops = compiled()
    if loops is not None:
        return loops.sensitivity(plane, _FLOOR)
    return _sensitivity(*_gradient(plane))


def _gradient(plane: Plane) -> tuple[Plane, Plane]:
    """Differences over two pixels, down and right, in levels; 0 at the edges."""
    down, right = np.zeros_like(plane), np.zeros_like(plane)
    np.subtract(plane[2:], plane[:-2], out=down[1:-1])
    np.subtract(plane[:, 2:], plane[:, :-2], out=right[:, 1:-1])
    return down, right


def _sensitivity(down: Plane, right: Plane) -> Plane:
    size = np.abs(down)
    size += np.abs(right)
    out: Plane = np.reciprocal(box_mean(size, SPOT) * np.float32(0.5) + np.float32(_FLOOR))
    return out


def _scale_blocks(plane: Plane, factors: Plane) -> None:
    """Multiply each block in place; the last factors also count beyond the whole blocks."""
    width = plane.shape[1]
    wide = np.repeat(factors, SPOT, axis=1)
    wide = np.pad(wide, ((0, 0), (0, width - wide.shape[1])), mode="edge")
    whole = plane[: len(wide) * SPOT].reshape(len(wide), SPOT, width)
    whole *= wide[:, None]
    plane[len(wide) * SPOT :] *= wide[-1]
