"""The loops over pixels, compiled by numba: the same bits as numpy's, in a third of the time.

Imported where `compiled = true` asks for it and nowhere else, because importing numba takes half a
second.  Compiled when this module is imported, once for a machine: numba keeps the result beside
this file, or in the folder that NUMBA_CACHE_DIR names.  All sums are of whole numbers, or in the
order in which numpy adds; nothing is allowed to be contracted or reordered (`fastmath` is off).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from .adding import MARK_UNIT, Fixed
from .image import SPOT, Plane

F = TypeVar("F", bound=Callable[..., object])
_SHIFT = MARK_UNIT.bit_length() - 1
_BYTES = types.Array(types.uint8, 2, "C", readonly=True)
_OUT = types.Array(types.uint8, 2, "C")
_FLOATS = types.Array(types.float32, 2, "C")
_SHORTS = types.Array(types.int16, 2, "C")
_LINE = types.Array(types.int16, 1, "C")
_INTS = types.Array(types.int64, 1, "C")


def luma(pixels: NDArray[np.uint8], box: int, lines: tuple[int, ...], out: Plane) -> None:
    """Write LUMA summed over the given lines of each whole box x box square to `out`."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    _luma(rows, box, np.array(lines, np.int64), out)


def accumulate(
    mark: Fixed,
    tile: Fixed,
    gains: tuple[Fixed, Fixed],
    places: Fixed,
) -> None:
    """Add to each row of `mark` the tile's, times gains that go from the one row to the other."""
    _accumulate(mark, tile, *gains, places)


def add(rows: NDArray[np.uint8], mark: Fixed, grain: int, out: NDArray[np.uint8]) -> None:
    """Write rows of R G B R G B … plus the mark to `out`, as `adding.add` does."""
    _add(rows, mark, grain, out)


def residual(plane: Plane, factors: Plane, limit: float) -> Plane:
    """Return what `residual.residual` does, from the factors of its blocks of SPOT x SPOT."""
    out = np.empty_like(plane)
    _residual(np.ascontiguousarray(plane), factors, np.float32(limit), out)
    return out


def sensitivity(plane: Plane, floor: float) -> Plane:
    """Return what `residual.sensitivity` does."""
    out = np.empty((plane.shape[0] // SPOT, plane.shape[1] // SPOT), np.float32)
    _sensitivity(np.ascontiguousarray(plane), np.float32(floor), out)
    return out


def _compiled(*given: types.Type) -> Callable[[F], F]:
    compile_: Callable[[F], F] = njit(types.void(*given), cache=True, nogil=True)
    return compile_


_inlined: Callable[[F], F] = njit(inline="always")


@_inlined
def _boxes(line: NDArray[np.uint16], box: int, out: Plane) -> None:
    """One row of boxes; written out for a constant `box`, which is twice as fast."""
    for x in range(out.size):
        red, green, blue = np.int32(0), np.int32(0), np.int32(0)
        for i in range(box):
            at = 3 * (box * x + i)
            red += np.int32(line[at])
            green += np.int32(line[at + 1])
            blue += np.int32(line[at + 2])
        out[x] = np.float32(299 * red + 587 * green + 114 * blue)


@_compiled(_BYTES, types.int64, _INTS, _FLOATS)
def _luma(rows: NDArray[np.uint8], box: int, lines: NDArray[np.int64], out: Plane) -> None:
    line = np.empty(3 * box * out.shape[1], np.uint16)
    for y in range(out.shape[0]):
        first, last = rows[y * box + lines[0]], rows[y * box + lines[-1]]
        if lines.size == 1:
            for x in range(line.size):
                line[x] = first[x]
        else:
            for x in range(line.size):
                line[x] = np.uint16(first[x]) + np.uint16(last[x])
        for k in range(1, lines.size - 1):
            row = rows[y * box + lines[k]]
            for x in range(line.size):
                line[x] += row[x]
        if box == 1:
            _boxes(line, 1, out[y])
        elif box == 2:
            _boxes(line, 2, out[y])
        elif box == 4:
            _boxes(line, 4, out[y])
        else:
            _boxes(line, box, out[y])


@_compiled(_SHORTS, _SHORTS, _LINE, _LINE, _LINE)
def _accumulate(mark: Fixed, tile: Fixed, start: Fixed, after: Fixed, places: Fixed) -> None:
    for y in range(mark.shape[0]):
        place, row, wave = np.int32(places[y]), mark[y], tile[y]
        for x in range(row.size):
            one = np.int32(start[x])
            gain = ((np.int32(after[x]) - one) * place + one * 16 + 8) >> 4
            row[x] += np.int16(gain * wave[x])


@_inlined
def _widen(levels: Fixed, times: int, wide: Fixed) -> None:
    for x in range(levels.size):
        level = levels[x] >> _SHIFT
        for i in range(times):
            wide[times * x + i] = level


@_compiled(_BYTES, _SHORTS, types.int64, _OUT)
def _add(rows: NDArray[np.uint8], mark: Fixed, grain: int, out: NDArray[np.uint8]) -> None:
    height, width = rows.shape
    wide = np.empty(3 * grain * mark.shape[1], np.int16)
    for y in range(mark.shape[0]):
        if grain == 1:
            _widen(mark[y], 3, wide)
        elif grain == 2:
            _widen(mark[y], 6, wide)
        elif grain == 4:
            _widen(mark[y], 12, wide)
        else:
            _widen(mark[y], 3 * grain, wide)
        for at in range(y * grain, min(height, (y + 1) * grain)):
            seen, written = rows[at], out[at]
            for x in range(width):
                level = np.int32(seen[x]) + np.int32(wide[x])
                written[x] = np.uint8(min(max(level, np.int32(0)), np.int32(255)))


@_compiled(_FLOATS, types.float32, _FLOATS)
def _sensitivity(plane: Plane, floor: np.float32, out: Plane) -> None:
    height, width = plane.shape
    line = np.empty(width, np.float32)
    share, half = np.float32(1 / (SPOT * SPOT)), np.float32(0.5)
    for block in range(out.shape[0]):
        for k in range(SPOT):
            y = block * SPOT + k
            here, above, below = plane[y], plane[max(y - 1, 0)], plane[min(y + 1, height - 1)]
            edge = y == 0 or y == height - 1
            for x in range(width):
                down = np.float32(0) if edge else below[x] - above[x]
                inside = 0 < x < width - 1
                right = here[x + 1] - here[x - 1] if inside else np.float32(0)
                size = abs(down) + abs(right)
                line[x] = size if k == 0 else line[x] + size
        for x in range(out.shape[1]):
            total = line[x * SPOT]
            for i in range(1, SPOT):
                total += line[x * SPOT + i]
            out[block, x] = np.float32(1) / (total * share * half + floor)


@_compiled(_FLOATS, _FLOATS, types.float32, _FLOATS)
def _residual(plane: Plane, factors: Plane, limit: np.float32, out: Plane) -> None:
    height, width = plane.shape
    down, right = np.zeros_like(plane), np.zeros_like(plane)
    factor = np.empty(width, np.float32)
    for y in range(height):
        line = factors[min(y // SPOT, factors.shape[0] - 1)]
        for x in range(width):
            factor[x] = line[min(x // SPOT, line.size - 1)]
        if 0 < y < height - 1:
            below, above, to = plane[y + 1], plane[y - 1], down[y]
            for x in range(width):
                to[x] = min(max((below[x] - above[x]) * factor[x], -limit), limit)
        here, to = plane[y], right[y]
        for x in range(1, width - 1):
            to[x] = min(max((here[x + 1] - here[x - 1]) * factor[x], -limit), limit)
    for y in range(height):
        to, along = out[y], right[y]
        above, below = down[max(y - 1, 0)], down[min(y + 1, height - 1)]
        edge = y == 0 or y == height - 1
        for x in range(width):
            to[x] = np.float32(0) if edge else above[x] - below[x]
        for x in range(1, width - 1):
            to[x] = to[x] + along[x - 1] - along[x + 1]
