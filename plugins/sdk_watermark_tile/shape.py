"""Decides how strong the mark may be at each place, and adds it to the pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .image import Plane, block_mean, lowest, smooth

_SMOOTH = (0.50, 0.20)
"""Standard deviation of the low and the high band where nothing hides them, in levels."""
_TEXTURE = (0.25, 0.35)
"""What each level per pixel of texture adds to that."""
_CAP = 6.0
_STRIP = 1 << 14
"""Pixels added at once."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One band of the mark: a tile and how strong it is where."""

    tile: Plane
    """(side, side): one period."""
    gain: Plane
    """(rows, columns) of blocks: factor for the tile."""


def strips(
    layers: Sequence[Layer], pitch: float, tile_blocks: int, size: tuple[int, int]
) -> Iterator[Plane]:
    """Yield the sum of the layers over (height, width) `size`, from top to bottom.

    `pitch` is the tile's period in pixels, `tile_blocks` the blocks of gain along one tile.
    """
    height, width = size
    rows = [
        (_Rows(_wide_tile(a.tile, pitch, width), pitch), _Gains(a.gain, pitch / tile_blocks, width))
        for a in layers
    ]
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        end = min(top + step, height)
        mark = np.zeros((end - top, width), np.float32)
        for tile, gain in rows:
            mark += tile.read(top, end) * gain.read(top, end)
        yield mark


def add(pixels: NDArray[np.uint8], marks: Iterable[Plane], grain: int = 1) -> NDArray[np.uint8]:
    """Add strips to all channels alike, rounded, saturating at 0 and 255.

    Each value of the strips counts for a square of grain x grain pixels.
    """
    out = np.empty(pixels.shape, np.uint8)
    top = 0
    for mark in marks:
        end = min(top + len(mark) * grain, len(pixels))
        whole = np.rint(mark).astype(np.int16)
        if grain > 1:
            whole = whole.repeat(grain, axis=1)[:, : pixels.shape[1]]
            whole = whole.repeat(grain, axis=0)[: end - top]
        change = np.empty((*whole.shape, 3), np.int16)
        for channel in range(3):
            change[:, :, channel] = whole
        change += pixels[top:end]
        np.maximum(change, 0, out=change)
        np.minimum(change, 255, out=out[top:end], casting="unsafe")
        top = end
    return out


class _Rows:
    """Rows of a tile that is repeated with a period that need not be whole."""

    def __init__(self, wide: Plane, pitch: float) -> None:
        self._wide, self._pitch = wide, pitch

    def read(self, top: int, end: int) -> Plane:
        side = len(self._wide)
        if self._pitch == side:
            whole: Plane = self._wide[np.arange(top, end) % side]
            return whole
        first, rest = _periodic_places(np.arange(top, end), side, self._pitch)
        mixed: Plane = self._wide[first] * (1 - rest[:, None])
        mixed += self._wide[(first + 1) % side] * rest[:, None]
        return mixed


class _Gains:
    """Rows of a gain plane, interpolated linearly from blocks."""

    def __init__(self, blocks: Plane, block: float, width: int) -> None:
        self._block = block
        first, rest = _block_places(np.arange(width), blocks.shape[1], block)
        after = np.minimum(first + 1, blocks.shape[1] - 1)
        self._wide = blocks[:, first] * (1 - rest) + blocks[:, after] * rest

    def read(self, top: int, end: int) -> Plane:
        count = len(self._wide)
        first, rest = _block_places(np.arange(top, end), count, self._block)
        mixed: Plane = self._wide[first] * (1 - rest[:, None])
        mixed += self._wide[np.minimum(first + 1, count - 1)] * rest[:, None]
        return mixed


def _wide_tile(tile: Plane, pitch: float, width: int) -> Plane:
    """(side, width): the tile's rows repeated along x."""
    side = tile.shape[1]
    if pitch == side:
        whole: Plane = tile[:, np.arange(width) % side]
        return whole
    first, rest = _periodic_places(np.arange(width), side, pitch)
    mixed: Plane = tile[:, first] * (1 - rest) + tile[:, (first + 1) % side] * rest
    return mixed


def _periodic_places(
    pixels: NDArray[np.intp], side: int, pitch: float
) -> tuple[NDArray[np.intp], Plane]:
    """Where pixel centres fall in a period of `side` samples: whole part, rest."""
    at = ((pixels + 0.5) * (side / pitch) - 0.5) % side
    first = np.minimum(at.astype(np.intp), side - 1)
    return first, (at - first).astype(np.float32)


def _block_places(
    pixels: NDArray[np.intp], count: int, block: float
) -> tuple[NDArray[np.intp], Plane]:
    """Where pixel centres fall between block centres, clamped at the edges."""
    at = np.clip((pixels + 0.5) / block - 0.5, 0, count - 1)
    first = at.astype(np.intp)
    return first, (at - first).astype(np.float32)
