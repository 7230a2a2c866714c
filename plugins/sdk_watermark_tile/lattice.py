"""Finds the period of a mark in a picture that was cropped, turned, stretched or sheared.

The mark repeats, the picture does not: peaks of the whitened autocorrelation form the mark's
lattice (Kutter 1998; Alattar & Meyer 2003).  A `Basis` holds two lattice vectors as columns,
[[uy, vy], [ux, vx]] in canonical pixels: u is one tile down, v one tile right.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .image import Plane, block_mean, smooth, spread
from .keys import DENSITIES, TILE

Basis = NDArray[np.float64]

_SPAN = 1024
"""Longest side that is correlated: the middle of longer pictures stands for the rest."""
_BAND = (2.6, 38.0)
"""Cycles per tile of a whole picture where a mark can be."""
_LINE = 5.0
"""A spectral line counts no more than this times its surroundings: periodic textures have huge
ones (1 to 2 of 36 more pictures found after crops and aspect changes than without)."""
_CEILING = 30.0
"""A single peak counts no more than this many sigmas: text has a few huge ones."""
_NEAR = ((1, 0, 1.0), (0, 1, 1.0), (1, 1, 0.7), (1, -1, 0.7), (2, 0, 0.4), (0, 2, 0.4))
"""Lattice points (down, right) and their weight when a lattice is scored."""


class Autocorrelation:
    """Whitened autocorrelation of a residual, in units of its own standard deviation."""

    def __init__(self, residual: Plane, tiles: int) -> None:
        """Correlate; a whole picture of this size has `tiles` along its short side."""
        self.pitch = TILE * DENSITIES[0] / tiles
        plane = _middle(residual)
        self.height, self.width = plane.shape
        # Half as much padding, not twice: lags beyond half a side alias with nearly empty ones.
        rows, columns = _fast_length(1.5 * self.height), _fast_length(1.5 * self.width)
        x = np.fft.rfft2(plane, (rows, columns))
        power = (x.real**2 + x.imag**2).astype(np.float32)
        around = spread(smooth(block_mean(power)), power.shape)
        power = np.minimum(power / (around + np.float32(1e-6)), np.float32(_LINE))
        power *= _band(rows, columns, self.pitch)
        lags = np.fft.irfft2(power, (rows, columns)).astype(np.float32)
        self.plane: Plane = lags * np.float32(1 / (lags.std() + 1e-12))
        """(rows, columns), lag (dy, dx) at [dy % rows, dx % columns]."""

    def at(self, dy: Plane, dx: Plane) -> Plane:
        """Value at the nearest whole lag; 0 where less than a tenth of the picture overlaps."""
        rows, columns = self.plane.shape
        inside = (np.abs(dy) < 0.9 * self.height) & (np.abs(dx) < 0.9 * self.width)
        y, x = np.rint(dy).astype(np.int32) % rows, np.rint(dx).astype(np.int32) % columns
        found = self.plane.reshape(-1)[y * columns + x]
        values: Plane = np.where(inside, np.minimum(found, np.float32(_CEILING)), np.float32(0))
        return values

    def score(self, u: Plane, v: Plane) -> Plane:
        """Sum of the near lattice points' values for lattices u, v, both (2, ...)."""
        total = np.zeros(u.shape[1:], np.float32)
        for i, j, weight in _NEAR:
            total += np.float32(weight) * self.at(i * u[0] + j * v[0], i * u[1] + j * v[1])
        return total

    def squares(self, count: int) -> list[Basis]:
        """Best lattices of turned and scaled squares: angle within 45 degrees, scale 0.4 to 2.4."""
        angles = np.deg2rad(np.arange(-45, 45, 0.45)).astype(np.float32)
        sides = self._sides()[:, None]
        c, s = sides * np.cos(angles), sides * np.sin(angles)
        score = self.score(np.stack([c, -s]), np.stack([s, c]))
        tops = _tops(score, count)
        return [self.refined(np.array([[c[t], s[t]], [-s[t], c[t]]], float)) for t in tops]

    def upright(self, count: int) -> list[Basis]:
        """Best lattices of rectangles that stand upright: stretched pictures and their crops."""
        sides = self._sides()
        none = np.zeros_like(sides)
        down = self.at(sides, none) + np.float32(0.4) * self.at(2 * sides, none)
        right = self.at(none, sides) + np.float32(0.4) * self.at(none, 2 * sides)
        tall, wide = np.broadcast_arrays(sides[:, None], sides[None])
        score = down[:, None] + right[None]
        score += np.float32(0.7) * (self.at(tall, wide) + self.at(tall, -wide))
        tops = _tops(score, count)
        return [self.refined(np.diag([float(tall[t]), float(wide[t])])) for t in tops]

    def oblique(self, count: int) -> list[Basis]:
        """Best lattices spanned by any two peaks: aspect changes, shears, mild perspective."""
        lags = self._peaks(40)
        one, two = np.triu_indices(lags.shape[1], 1)
        u, v = lags[:, one].astype(np.float32), lags[:, two].astype(np.float32)
        lengths = np.hypot(*u), np.hypot(*v)
        slant = np.abs((u * v).sum(0)) / (lengths[0] * lengths[1])
        ratio = lengths[0] / lengths[1]
        fit = (slant < 0.5) & (ratio < 1.8) & (ratio > 1 / 1.8)
        u, v = u[:, fit], v[:, fit]
        order = np.argsort(-self.score(u, v))[:count]
        return [self.refined(_ordered(u[:, i], v[:, i])) for i in order]

    def refined(self, basis: Basis) -> Basis:
        """Fit the lattice to the peaks near its points, nearest points first."""
        for reach in (1, 2, 3):
            points, lags, weights = self._matches(basis, reach)
            if len(points) < 2:
                continue
            normal = (points.T * weights) @ points
            if abs(np.linalg.det(normal)) < 1e-6:
                continue
            basis = np.linalg.solve(normal, (points.T * weights) @ lags).T.astype(np.float64)
        return basis

    def _sides(self) -> Plane:
        """Tile sides that are tried, canonical pixels, 0.8 % apart."""
        most = min(2.4, 0.85 * min(self.height, self.width) / self.pitch)
        steps = np.arange(math.log(0.4), math.log(most), 0.008)
        sides: Plane = (self.pitch * np.exp(steps)).astype(np.float32)
        return sides

    def _matches(self, basis: Basis, reach: int) -> tuple[Basis, Basis, NDArray[np.float64]]:
        """Lattice points up to `reach` away with a peak nearby: (n, 2), lags (n, 2), weights."""
        points, lags, weights = [], [], []
        for i in range(reach + 1):
            for j in range(-reach, reach + 1):
                if i == 0 and j <= 0:
                    continue
                dy, dx = basis @ (i, j)
                if abs(dy) > 0.85 * self.height or abs(dx) > 0.85 * self.width:
                    continue
                value, py, px = self._summit(round(dy), round(dx))
                if value > 3.5:
                    points.append((i, j))
                    lags.append((py, px))
                    weights.append(min(value, _CEILING))
        return np.array(points, float), np.array(lags, float), np.array(weights)

    def _summit(self, dy: int, dx: int) -> tuple[float, float, float]:
        """Highest value within 2 lags, with its place to a fraction of a lag."""
        rows, columns = self.plane.shape
        y, x = np.arange(dy - 3, dy + 4) % rows, np.arange(dx - 3, dx + 4) % columns
        near = self.plane[np.ix_(y, x)]
        i, j = divmod(int(near[1:6, 1:6].argmax()), 5)
        top = float(near[i + 1, j + 1])
        oy = _vertex(float(near[i, j + 1]), top, float(near[i + 2, j + 1]))
        ox = _vertex(float(near[i + 1, j]), top, float(near[i + 1, j + 2]))
        return top, dy - 2 + i + oy, dx - 2 + j + ox

    def _peaks(self, count: int) -> NDArray[np.float64]:
        """(2, n): lags (dy, dx) of the highest peaks of the half plane, at least 50 away."""
        rows, columns = self.plane.shape
        half = self.plane[: rows // 2 // 4 * 4, : columns // 4 * 4]
        blocks = half.reshape(half.shape[0] // 4, 4, -1).max(1).reshape(half.shape[0] // 4, -1, 4)
        tops = blocks.max(2)
        order = np.argpartition(-tops.reshape(-1), min(6 * count, tops.size - 1))[: 6 * count]
        found: dict[tuple[int, int], float] = {}
        for flat in order.tolist():
            y, x = divmod(flat, tops.shape[1])
            dx = 4 * x + 1 - (columns if 4 * x > columns // 2 else 0)
            value, py, px = self._summit(4 * y + 1, dx)
            far = 0.4 < math.hypot(py, px) / self.pitch < 2.65
            if far and abs(py) < 0.85 * self.height and abs(px) < 0.85 * self.width:
                found[round(py), round(px)] = value
        best = sorted(found, key=lambda lag: -found[lag])[:count]
        return np.array(best, float).reshape(-1, 2).T


def _ordered(a: Plane, b: Plane) -> Basis:
    """Order two lattice vectors so that u points down and v right, as far as they do."""
    u, v = (a, b) if abs(a[0]) >= abs(b[0]) else (b, a)
    u = u if u[0] >= 0 else -u
    v = v if v[1] >= 0 else -v
    return np.stack([u, v], axis=1).astype(np.float64)


def _vertex(before: float, top: float, after: float) -> float:
    bend = before - 2 * top + after
    return max(-0.5, min(0.5, 0.5 * (before - after) / bend)) if bend < 0 else 0.0


def _middle(plane: Plane) -> Plane:
    y, x = (max(0, (n - _SPAN) // 2) for n in plane.shape)
    return plane[y : y + _SPAN, x : x + _SPAN]


@lru_cache(maxsize=8)
def _band(rows: int, columns: int, pitch: float) -> Plane:
    radius = pitch * np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns))
    inside: Plane = np.asarray((radius > _BAND[0]) & (radius < _BAND[1]), np.float32)
    return inside


def _tops(score: Plane, count: int) -> list[tuple[int, int]]:
    """Places of the highest scores, none within 3 steps of a higher one."""
    left = score.copy()
    found = []
    for _ in range(count):
        i, j = divmod(int(left.argmax()), left.shape[1])
        found.append((i, j))
        left[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4] = -1e9
    return found


def _fast_length(least: float) -> int:
    """Smallest even 2^a 3^b 5^c at or above `least`: what the FFT is quick at."""
    length = math.ceil(least)
    best = 1 << (length - 1).bit_length()
    for a in (1, 3, 5, 9, 15, 25, 27, 45):
        best = min(best, a << max(1, math.ceil(math.log2(length / a))))
    return best
