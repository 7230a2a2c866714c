"""Decides how strong the mark may be at each place."""

from __future__ import annotations

import math

import numpy as np

from .image import Plane, block_mean, lowest, smooth

_SMOOTH = (0.50, 0.20)
"""Standard deviation of the low and the high band where nothing hides them, in levels."""
_TEXTURE = (0.25, 0.35)
"""What each level per pixel of texture adds to that."""
_CAP = 6.0


def visibility(luma: Plane, strength: float, most: float) -> tuple[Plane, Plane]:
    """Return the standard deviation of the low and the high band that stays unseen, per block.

    `strength` raises it where nothing hides the mark; `most` is the root mean square over the
    picture that busy pictures are held to: they could hide more, but do not need it.
    """
    near = lowest(texture(luma))  # flat places near busy ones show what those hide
    mixed = np.minimum(smooth(near), _CAP)
    low, high = (
        strength * floor + slope * mixed for floor, slope in zip(_SMOOTH, _TEXTURE, strict=True)
    )
    power = float(np.mean(low * low + high * high))
    scale = np.float32(min(1.0, most / math.sqrt(power)))
    return (low * scale).astype(np.float32), (high * scale).astype(np.float32)


def headroom(luma: Plane, room: Plane) -> Plane:
    """Return the shift per block that makes room for the mark at white and at black.

    Half of a mark on pure white is lost to saturation, `room` levels below it nearly nothing is;
    a shift of so few levels over a whole area is not seen.
    """
    mean = block_mean(luma)
    down = np.clip(room - (255 - mean), 0, room)
    up = np.clip(room - mean, 0, room)
    shift: Plane = (up - down).astype(np.float32)
    return shift


def texture(luma: Plane) -> Plane:
    """Return how much the luma varies in its calmest direction, per block, levels per pixel.

    The square root of the structure tensor's smaller eigenvalue: 0 on gradients, edges and
    stripes, however strong, because along them a pattern shows; large only where every
    direction is busy.
    """
    down = np.zeros_like(luma)
    right = np.zeros_like(luma)
    np.subtract(luma[2:], luma[:-2], out=down[1:-1])
    np.subtract(luma[:, 2:], luma[:, :-2], out=right[:, 1:-1])
    yy, xx, xy = (block_mean(p) for p in (down * down, right * right, down * right))
    own = 0.25 * (yy + xx)  # a flat block between edges has none of their texture
    yy, xx, xy = smooth(yy), smooth(xx), smooth(xy)
    half = 0.5 * (yy - xx)
    smaller = 0.5 * (yy + xx) - np.sqrt(half * half + xy * xy)
    out: Plane = 0.5 * np.sqrt(np.minimum(np.maximum(smaller, 0), own))
    return out
