"""Adds the mark to the pixels, in whole numbers: quick, and the same on every machine and device.

Tiles count eighths, gains sixty-fourths of a level, the mark so many five hundred and twelfths of a
level as their product says: what is lost by that is a thousandth of the mark's energy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .image import Plane
from .loops import compiled

Fixed = NDArray[np.int16]

TILE_UNIT, GAIN_UNIT = 8, 64
MARK_UNIT = TILE_UNIT * GAIN_UNIT
_PLACES = 16
"""Gains change in so many steps from block to block."""
_MOST = 63.0
"""Levels that fit into the mark's int16."""
_PEAK, _LARGEST = 3.0, 8.0
"""What a tile and a gain are held to.  Waves that meet in a point would be seen as a dot: what 3
deviations cut off is 0.1 % of the energy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One band of the mark: a tile and how strong it is where."""

    tile: Plane
    """(side, side): one period."""
    gain: Plane
    """(rows, columns) of blocks: factor for the tile."""


def strips(
    layers: Sequence[Layer], pitch: float, tile_blocks: int, size: tuple[int, int]
) -> Iterator[Fixed]:
    """Yield the sum of the layers over (height, width) `size`, from top to bottom, in MARK_UNIT.

    `pitch` is the tile's period in pixels, `tile_blocks` the blocks of gain along one tile.
    """
    height, width = size
    block, blocks = pitch / tile_blocks, len(layers[0].gain)
    layered = [(_Tiles(a.tile, pitch, width), _gains(a.gain, block, width)) for a in layers]
    first, rest = _block_places(np.arange(height), blocks, block)
    places = np.rint(rest * _PLACES).astype(np.int16)
    for top, end in _runs(first, pitch):
        mark = np.full((end - top, width), MARK_UNIT // 2, np.int16)
        start = int(first[top])
        for tile, gains in layered:
            between = gains[start], gains[min(start + 1, blocks - 1)]
            _accumulate(mark, tile.read(top, end), between, places[top:end])
        yield mark


def _accumulate(mark: Fixed, tile: Fixed, gains: tuple[Fixed, Fixed], places: Fixed) -> None:
    """Add the tile's rows times gains between two rows of blocks, `places` from the first on."""
    loops = compiled()
    if loops is not None:
        loops.accumulate(mark, tile, gains, places)
        return
    start, after = gains
    mixed: Fixed = (after - start) * places[:, None]
    mixed += start * np.int16(_PLACES) + np.int16(_PLACES // 2)
    mixed >>= np.int16(_PLACES.bit_length() - 1)
    mixed *= tile
    mark += mixed


def add(pixels: NDArray[np.uint8], marks: Iterable[Fixed], grain: int = 1) -> NDArray[np.uint8]:
    """Add strips to all channels alike, saturating at 0 and 255.

    `marks` hold half a level more than the mark, in MARK_UNIT, so that cutting off rounds.  Each
    value counts for a square of grain x grain pixels.
    """
    out = np.empty(pixels.shape, np.uint8)
    for _ in added(pixels, marks, grain, out):
        pass
    return out


def added(
    pixels: NDArray[np.uint8], marks: Iterable[Fixed], grain: int, out: NDArray[np.uint8]
) -> Iterator[int]:
    """Do what `add` does strip by strip, and yield how many rows of `out` are written."""
    height, width = pixels.shape[:2]
    rows, written = pixels.reshape(height, 3 * width), out.reshape(height, 3 * width)
    loops = compiled()
    write = _add if loops is None else loops.add
    top = 0
    for mark in marks:
        here = slice(top, top + grain * len(mark))
        write(rows[here], mark, grain, written[here])
        top += grain * len(mark)
        yield min(top, height)


def _add(rows: NDArray[np.uint8], mark: Fixed, grain: int, out: NDArray[np.uint8]) -> None:
    wide = _widened((mark >> MARK_UNIT.bit_length() - 1).astype(np.int8), grain)
    wide = wide[:, : rows.shape[1]]
    none = np.zeros_like(wide)  # not 0: numpy is 15 times slower with a number of one byte
    most = ~np.maximum(wide, none).view(np.uint8)
    least = np.negative(np.minimum(wide, none)).view(np.uint8)
    change = wide.view(np.uint8)  # adding 256 - n takes n away
    for start in range(grain):
        seen = rows[start::grain]
        moved = np.minimum(seen, most[: len(seen)])
        np.maximum(moved, least[: len(seen)], out=moved)
        np.add(moved, change[: len(seen)], out=out[start::grain])


def _widened(levels: NDArray[np.int8], grain: int) -> NDArray[np.int8]:
    """Repeat each value along x, for three channels of `grain` pixels.

    As words of up to 8 bytes, one write for each place: half as long as `np.repeat`.
    """
    size = math.gcd(grain, 8)
    word = np.dtype(f"u{size}")
    same = levels.view(np.uint8).astype(word) * word.type(int.from_bytes(bytes([1] * size)))
    wide = np.empty((*levels.shape, 3 * grain // size), word)
    for place in range(wide.shape[2]):
        wide[:, :, place] = same
    return wide.view(np.int8).reshape(len(levels), -1)


def fixed(mark: Plane) -> Fixed:
    """Return a mark in levels as `add` takes it."""
    limited = np.clip(mark, -_MOST, _MOST) * np.float32(MARK_UNIT)
    out: Fixed = np.rint(limited).astype(np.int16) + np.int16(MARK_UNIT // 2)
    return out


def levels(mark: Fixed) -> Plane:
    """Return what `fixed` was given."""
    out: Plane = (mark - np.int16(MARK_UNIT // 2)).astype(np.float32) * np.float32(1 / MARK_UNIT)
    return out


class _Tiles:
    """Rows of a tile that is repeated with a period that need not be whole, in TILE_UNIT."""

    def __init__(self, tile: Plane, pitch: float, width: int) -> None:
        self._pitch, self._side = pitch, len(tile)
        limited = np.clip(tile, -_PEAK, _PEAK) * np.float32(TILE_UNIT)
        if pitch == self._side:
            whole = np.rint(limited).astype(np.int16)
            self._whole = np.take(whole, np.arange(width), axis=1, mode="wrap")
        else:
            self._wide = np.ascontiguousarray(_repeated(limited, pitch, width))

    def read(self, top: int, end: int) -> Fixed:
        if self._pitch == self._side:
            start = top % self._side
            return self._whole[start : start + end - top]
        first, rest = _periodic_places(np.arange(top, end), self._side, self._pitch)
        mixed = self._wide[first]
        mixed *= 1 - rest[:, None]
        after = self._wide[(first + 1) % self._side]
        after *= rest[:, None]
        mixed += after
        return np.rint(mixed, out=mixed).astype(np.int16)


def _gains(blocks: Plane, block: float, width: int) -> Fixed:
    """Interpolate rows of gains linearly from blocks along x, in GAIN_UNIT."""
    first, rest = _block_places(np.arange(width), blocks.shape[1], block)
    after = np.minimum(first + 1, blocks.shape[1] - 1)
    wide = blocks[:, first] * (1 - rest) + blocks[:, after] * rest
    wide = np.minimum(wide, np.float32(_LARGEST)) * np.float32(GAIN_UNIT)
    out: Fixed = np.rint(wide).astype(np.int16, order="C")
    return out


def _runs(first: NDArray[np.intp], pitch: float) -> Iterator[tuple[int, int]]:
    """Cut the rows where another row of blocks or, of a whole pitch, another tile begins."""
    rows = np.arange(len(first))
    tile = rows // int(pitch) if pitch == int(pitch) else np.zeros_like(rows)
    cuts = np.flatnonzero(np.diff(first) | np.diff(tile)) + 1
    yield from pairwise([0, *cuts.tolist(), len(first)])


def _repeated(tile: Plane, pitch: float, width: int) -> Plane:
    """(side, width): the tile's rows repeated along x."""
    side = tile.shape[1]
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
