"""Decides how strong the mark may be at each place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .image import BLOCK, Plane, block_mean, box_mean, lowest
from .image import smooth as _blurred

_CAP = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What is just not noticeable, for the low and the high band, in levels."""

    smooth: tuple[float, float]
    """Standard deviation where nothing hides the mark."""
    texture: tuple[float, float]
    """What each level per pixel of texture adds to that."""
    most: float
    """Root mean square of both that busy pictures are held to: they could hide more, but do not
    need it."""
    quarters: bool
    """Whether a block counts as calm where a quarter of it is.  Below 1024 px that would leave
    pages of text too little."""
    favour: bool
    """Whether carriers that little of the picture is in the way of get more.  Below 1024 px that
    costs the lowest ones, which are what half size and JPEG 50 leave: 4 more of 26 photos lost."""
    lock: float
    """The pilot's z that the marked picture must have: what is left for crops and turns."""


SMALL = Threshold(
    smooth=(0.55, 0.25), texture=(0.35, 0.35), most=1.5, quarters=False, favour=False, lock=16.0
)
LARGE = Threshold(
    smooth=(0.55, 0.30), texture=(0.22, 0.34), most=1.2, quarters=True, favour=True, lock=14.5
)
"""Below and from 1024 pixels.  A small picture's low band is what shrinking and JPEG leave."""


def visibility(luma: Plane, least: Threshold, smooth: float, busy: float) -> tuple[Plane, Plane]:
    """Return the standard deviation of the low and the high band that stays unseen, per block.

    `smooth` raises it where nothing hides the mark, `busy` the limit of busy pictures.
    """
    near = lowest(texture(luma, least.quarters))  # flat places near busy ones show what those hide
    mixed = np.minimum(_blurred(near), _CAP)
    low, high = (
        smooth * floor + slope * mixed
        for floor, slope in zip(least.smooth, least.texture, strict=True)
    )
    power = float(np.mean(low * low + high * high, dtype=np.float64))
    scale = np.float32(min(1.0, least.most * busy / math.sqrt(power)))
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


def texture(luma: Plane, quarters: bool) -> Plane:
    """Return how much the luma varies in its calmest direction, per block, levels per pixel.

    The square root of the structure tensor's smaller eigenvalue: 0 on gradients, edges and
    stripes, however strong, because along them a pattern shows; large only where every
    direction is busy.  With `quarters` a block is as calm as its calmest quarter.
    """
    down = np.zeros_like(luma)
    right = np.zeros_like(luma)
    np.subtract(luma[2:], luma[:-2], out=down[1:-1])
    np.subtract(luma[:, 2:], luma[:, :-2], out=right[:, 1:-1])
    xy = block_mean(down * right)
    down *= down
    right *= right
    yy, xx = block_mean(down), block_mean(right)
    down += right
    if quarters:
        own = np.float32(0.25) * _calmest(box_mean(down, BLOCK // 2), yy.shape)
    else:
        own = np.float32(0.25) * (yy + xx)  # a flat block between edges has none of their texture
    yy, xx, xy = _blurred(yy), _blurred(xx), _blurred(xy)
    half = 0.5 * (yy - xx)
    smaller = 0.5 * (yy + xx) - np.sqrt(half * half + xy * xy)
    out: Plane = 0.5 * np.sqrt(np.minimum(np.maximum(smaller, 0), own))
    return out


def _calmest(quarters: Plane, shape: tuple[int, ...]) -> Plane:
    """Return the smallest of each block's four quarters: a flat one shows what the others hide."""
    rows, columns = 2 * shape[0], 2 * shape[1]
    two = np.minimum(quarters[0:rows:2, :columns], quarters[1:rows:2, :columns])
    four: Plane = np.minimum(two[:, 0::2], two[:, 1::2])
    return four
