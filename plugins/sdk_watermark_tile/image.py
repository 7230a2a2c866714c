"""Brings any picture to the canonical size and takes from it what hides the mark.

Canonical means: luma, short side TILE * tiles pixels, tiles = 4, 2 or 1.  All arrays here are
(height, width) float32 in levels of 0..255 unless said otherwise; only numpy.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .loops import compiled

Plane = NDArray[np.float32]

LUMA: Plane = np.array([299, 587, 114], np.float32)
"""ITU-R BT.601, the Y of JFIF, what JPEG keeps best; in LUMA_UNIT, because sums of whole numbers
below 2**24 are the same in any order."""
LUMA_UNIT = 1000
_STRIP = 1 << 16
"""Pixels worked on at once: what stays in the cache (2048 x 2048 luma in 6 instead of 15 ms)."""
_EXACT = 32
"""Largest box whose two rows' luma, in LUMA_UNIT, is below 2**24."""
_PAIRS = 1 << 15
"""The same where two rows are added first (2.0 instead of 2.8 ms; 6 instead of 18 ms at 8192)."""
SPOT = 4
"""Side of the blocks whose gradients the detector compares, canonical pixels."""
BLOCK = 8
"""Side of the blocks that the mark's strength is set on, canonical pixels."""


def canonical(pixels: NDArray[np.uint8], short: int) -> Plane:
    """Return the luma at short side `short`; the long side keeps the aspect ratio.

    Box average by a whole factor, then triangle (shrinking) or Catmull-Rom (growing) taps.
    """
    return fitted(box_luma(pixels, short), pixels.shape[:2], short)


def fitted(luma: Plane, source: tuple[int, ...], short: int) -> Plane:
    """Resample the box-averaged luma of a (height, width) `source` to short side `short`."""
    height, width = source[:2]
    factor = short / min(height, width)
    size = (max(short, round(height * factor)), max(short, round(width * factor)))
    return resample(luma, size, 1 / (factor * boxes(source, short)))


def boxes(source: tuple[int, ...], short: int) -> int:
    """Return the whole factor that brings a picture closest to, not below, `short`."""
    return max(1, min(source[:2]) // short)


def glimpse(pixels: NDArray[np.uint8], short: int) -> Plane:
    """Return about what the first square of `canonical` is: the pixel nearest to each of its own.

    0.8 ms for 512 x 512, whatever the size of the picture.
    """
    height, width = pixels.shape[:2]
    at = nearest(min(height, width), short)
    near = np.take(pixels.reshape(-1, 3), at[:, None] * width + at, axis=0)
    luma: Plane = near.astype(np.float32) @ LUMA
    return luma * np.float32(1 / LUMA_UNIT)


def nearest(side: int, short: int) -> NDArray[np.intp]:
    """Return which of `side` pixels is nearest to each of `short` canonical ones."""
    return ((np.arange(short) + 0.5) * (side / short)).astype(np.intp)


def box_luma(pixels: NDArray[np.uint8], short: int) -> Plane:
    """Return the luma averaged over whole squares of `boxes(...)` pixels."""
    box = boxes(pixels.shape, short)
    rows, columns = pixels.shape[0] // box, pixels.shape[1] // box
    out = np.empty((rows, columns), np.float32)
    strip = max(1, _STRIP // (columns * box * box))
    for top in range(0, rows, strip):
        part = pixels[top * box : (top + strip) * box, : columns * box]
        luma = part.astype(np.float32) @ LUMA
        out[top : top + strip] = box_mean(luma, box)
    out *= np.float32(1 / LUMA_UNIT)
    return out


def row_luma(pixels: NDArray[np.uint8], short: int) -> Plane:
    """Return about what `box_luma` does; of a box's rows at most two are looked at."""
    box = boxes(pixels.shape, short)
    if box < 4 and compiled() is None:
        return box_luma(pixels, short)
    return RowLuma(pixels, short).plane()


class RowLuma:
    """What `row_luma` returns, of pixels that appear from top to bottom."""

    def __init__(self, pixels: NDArray[np.uint8], short: int) -> None:
        self._pixels = pixels
        self._box = box = boxes(pixels.shape, short)
        self._lines = tuple(range(box)) if box < 4 else (box // 4, 3 * box // 4)
        self._total = np.empty([n // box for n in pixels.shape[:2]], np.float32)
        self._done = 0

    def upto(self, bottom: int) -> None:
        """Look at all boxes that end above row `bottom`, while they are in the cache."""
        rows, columns = self._total.shape
        end, loops = min(rows, bottom // self._box), compiled()
        strip = max(1, _PAIRS // (columns * self._box))
        for top in range(self._done, end, strip):
            total = self._total[top : min(end, top + strip)]
            part = self._pixels[top * self._box : (top + len(total)) * self._box]
            if loops is not None and self._box <= _EXACT:
                loops.luma(part, self._box, self._lines, total)
            else:
                self._sum(part[:, : columns * self._box], total)
        self._done = max(self._done, end)

    def plane(self) -> Plane:
        """Return the luma, of all rows."""
        self.upto(len(self._pixels))
        share = np.float32(1 / (self._box * len(self._lines)))
        out: Plane = self._total * share * np.float32(1 / LUMA_UNIT)
        return out

    def _sum(self, part: NDArray[np.uint8], total: Plane) -> None:
        upper, *more = (part[line :: self._box] for line in self._lines)
        sums = upper.astype(np.uint16)
        for row in more:
            sums += row
        boxed = sums.reshape(-1, 3 * self._box).astype(np.float32)
        np.matmul(boxed, np.tile(LUMA, self._box), out=total.reshape(-1))


def box_mean(plane: Plane, box: int) -> Plane:
    """Return the mean of each whole box x box square, (height // box, width // box)."""
    if box == 1:
        return plane
    rows, columns = plane.shape[0] // box, plane.shape[1] // box
    whole = plane[: rows * box, : columns * box].reshape(rows, box, columns * box)
    strips = np.add.reduce(whole, axis=1)
    total = strips[:, 0::box].copy()
    for i in range(1, box):
        total += strips[:, i::box]
    mean: Plane = total * np.float32(box**-2.0)
    return mean


def resample(plane: Plane, size: tuple[int, int], step: float) -> Plane:
    """Read `plane` at every `step`-th pixel along both axes; sample centres, edges repeated."""
    if step == 1 and plane.shape == size:
        return plane
    rows = _interpolate(plane, size[0], step)
    return np.ascontiguousarray(_interpolate(np.ascontiguousarray(rows.T), size[1], step).T)


def block_mean(plane: Plane) -> Plane:
    """Mean of each whole BLOCK x BLOCK block, (height // BLOCK, width // BLOCK)."""
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    whole = plane[: rows * BLOCK, : columns * BLOCK]
    strips = np.add.reduce(whole.reshape(rows, BLOCK, columns * BLOCK), axis=1)
    mean: Plane = strips.reshape(rows, columns, BLOCK) @ np.full(BLOCK, BLOCK**-2.0, np.float32)
    return mean


def smooth(plane: Plane) -> Plane:
    """Filter with 1 2 1 along both axes, edges repeated."""
    p = np.pad(plane, 1, mode="edge")
    rows = p[:-2] + 2 * p[1:-1] + p[2:]
    out: Plane = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 16)
    return out


def lowest(plane: Plane) -> Plane:
    """Replace each value by the smallest of its 3 x 3 neighbourhood."""
    p = np.pad(plane, 1, mode="edge")
    rows = np.minimum(np.minimum(p[:-2], p[1:-1]), p[2:])
    out: Plane = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return out


def spread(blocks: Plane, shape: tuple[int, ...]) -> Plane:
    """Interpolate block values linearly to (height, width) `shape`.

    Not as a matrix product: BLAS would start threads for it that cost more than they give.
    """
    first, rest = _places(shape[1], blocks.shape[1])
    wide = (
        blocks[:, first] * (1 - rest) + blocks[:, np.minimum(first + 1, blocks.shape[1] - 1)] * rest
    )
    first, rest = _places(shape[0], blocks.shape[0])
    out: Plane = wide[first] * (1 - rest[:, None])
    out += wide[np.minimum(first + 1, blocks.shape[0] - 1)] * rest[:, None]
    return out


@lru_cache(maxsize=64)
def _places(length: int, blocks: int) -> tuple[NDArray[np.intp], Plane]:
    """Block before each pixel and the share of the next one; clamped at the outer centres."""
    at = np.clip((np.arange(length) + 0.5) / BLOCK - 0.5, 0, blocks - 1)
    first = at.astype(np.intp)
    return first, (at - first).astype(np.float32)


def _interpolate(plane: Plane, length: int, step: float) -> Plane:
    """Resample axis 0 to `length` samples, `step` source pixels apart."""
    index, weights = _taps(plane.shape[0], length, step)
    out: Plane = plane[index[0]] * weights[0]
    for i, w in zip(index[1:], weights[1:], strict=True):
        out += plane[i] * w
    return out


@lru_cache(maxsize=64)
def _taps(source: int, length: int, step: float) -> tuple[NDArray[np.intp], Plane]:
    """(4, length) source rows and (4, length, 1) weights that sum to 1."""
    centre = (np.arange(length) + 0.5) * step - 0.5
    first = np.floor(centre).astype(np.intp) - 1
    index = first + np.arange(4)[:, None]
    away = np.abs(index - centre)
    weights = _catmull_rom(away) if step <= 1 else np.maximum(0, 1 - away / step)
    weights /= weights.sum(0)
    clipped = np.clip(index, 0, source - 1)
    return clipped, weights.astype(np.float32)[:, :, None]


def _catmull_rom(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2 (IEEE ASSP 29, 1981)."""
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
