"""Pictures whose style is copied: drawn here by formula, so that nobody's work is in them.

Each is (side, side, 3) uint8 RGB, the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sdk import Pixels

Plane = NDArray[np.float64]


def mosaic(side: int) -> Pixels:
    """Cells of warm and cold stone with dark joints (Voronoi)."""
    rng = np.random.default_rng(1)
    count = 180
    points = rng.random((count, 2)) * side
    palette = np.array(
        [
            [196, 64, 48],
            [226, 150, 54],
            [44, 96, 140],
            [32, 52, 84],
            [232, 218, 180],
            [84, 140, 110],
        ]
    )
    paint = palette[rng.integers(len(palette), size=count)] + rng.normal(0, 10, (count, 3))
    y, x = np.mgrid[0:side, 0:side]
    first = np.full((side, side), np.inf)
    second = first.copy()
    owner = np.zeros((side, side), int)
    for index, (py, px) in enumerate(points):
        far = np.hypot(y - py, x - px)
        nearer = far < first
        second = np.where(nearer, first, np.minimum(second, far))
        owner, first = np.where(nearer, index, owner), np.where(nearer, far, first)
    joint = np.clip((second - first) / (side / 80), 0, 1)[..., None]
    return _pixels(paint[owner] * joint + np.array([38, 32, 30]) * (1 - joint))


def waves(side: int) -> Pixels:
    """Bands of blue and gold that swirl."""
    y, x = np.mgrid[0:side, 0:side] / side
    bend = _noise(side, 4, 2) * 1.6 + 0.8 * np.sin(5 * x + 2 * _noise(side, 3, 3))
    phase = 14 * (y + 0.35 * bend)
    band = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    deep, light, gold = (np.array(c) for c in ([16, 36, 96], [108, 168, 214], [238, 196, 70]))
    mixed = deep + (light - deep) * band[..., None]
    crest = np.clip((band - 0.86) * 8, 0, 1)[..., None] * (_noise(side, 5, 4) > 0.45)[..., None]
    return _pixels(mixed + (gold - mixed) * crest)


def hatching(side: int) -> Pixels:
    """Crossed strokes of dark ink on paper."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:side, 0:side]
    tone = _noise(side, 4, 6)
    ink = np.zeros((side, side))
    for index, angle in enumerate((0.6, 2.2, 1.4)):
        across = x * np.cos(angle) + y * np.sin(angle) + 3 * _noise(side, 12, 7 + index)
        stroke = np.clip(np.sin(across * 2 * np.pi / (side / 42)) * 3 - 1.2, 0, 1)
        ink = np.maximum(ink, stroke * (tone > 0.25 + 0.2 * index))
    paper = np.array([242, 234, 214]) + rng.normal(0, 4, (side, side, 1))
    return _pixels(paper * (1 - ink[..., None]) + np.array([34, 28, 40]) * ink[..., None])


def dots(side: int) -> Pixels:
    """Small touching dabs of pure colour."""
    rng = np.random.default_rng(9)
    picture = np.full((side, side, 3), 244.0)
    palette = np.array(
        [
            [236, 92, 60],
            [250, 190, 64],
            [70, 140, 92],
            [58, 100, 178],
            [148, 84, 160],
            [246, 236, 200],
        ]
    )
    tone = _noise(side, 3, 10)
    y, x = np.mgrid[0:side, 0:side]
    radius = side / 64
    for _ in range(2600):
        cy, cx = rng.random(2) * side
        near = int(tone[int(cy), int(cx)] * 5.99)
        colour = palette[(near + rng.integers(0, 2)) % len(palette)] + rng.normal(0, 8, 3)
        box = np.s_[
            max(0, int(cy - radius)) : int(cy + radius) + 2,
            max(0, int(cx - radius)) : int(cx + radius) + 2,
        ]
        inside = (y[box] - cy) ** 2 + (x[box] - cx) ** 2 <= radius**2
        picture[box][inside] = colour
    return _pixels(picture)


PICTURES: Mapping[str, Callable[[int], Pixels]] = {
    "mosaic": mosaic,
    "waves": waves,
    "hatching": hatching,
    "dots": dots,
}
"""Name of a bundled style → its picture."""


def _noise(side: int, cells: int, seed: int) -> Plane:
    """Smooth noise 0..1, (side, side): random values on a grid, cosine-interpolated."""
    grid = np.random.default_rng(seed).random((cells + 1, cells + 1))
    at = np.linspace(0, cells, side, endpoint=False)
    low = at.astype(int)
    share = 0.5 - 0.5 * np.cos(np.pi * (at - low))
    rows = grid[low] + (grid[low + 1] - grid[low]) * share[:, None]
    found: Plane = rows[:, low] + (rows[:, low + 1] - rows[:, low]) * share[None, :]
    return found


def _pixels(colours: Plane) -> Pixels:
    return np.clip(colours, 0, 255).round().astype(np.uint8)
