"""Pictures without a mark that detectors find hardest: repeated, regular, flat, or full of letters.

kind, pixels = pattern(7, 512)      # the same number, the same picture
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sdk.pixels import Pixels

Plane = NDArray[np.float64]
_WORDS = ("the", "mark", "is", "not", "here", "light", "paper", "river", "stone", "evening")


def pattern(number: int, side: int) -> tuple[str, Pixels]:
    """Return the name of its kind and the picture, (side, side, 3) uint8 RGB.

    Kinds take turns, so that any run of numbers holds about as many of each.
    """
    kind = tuple(PATTERNS)[number % len(PATTERNS)]
    rng = np.random.default_rng([number, side])
    return kind, np.ascontiguousarray(PATTERNS[kind](side, rng))


def text_page(side: int, rng: np.random.Generator) -> Pixels:
    """Dark words on light paper, in rows."""
    paper, ink = int(rng.integers(225, 256)), int(rng.integers(0, 70))
    page = Image.new("RGB", (side, side), (paper, paper, paper))
    draw, size = ImageDraw.Draw(page), int(rng.integers(10, 34))
    font, margin = ImageFont.load_default(size), int(rng.integers(0, 40))
    for top in range(margin, side, int(size * rng.uniform(1.2, 1.8))):
        line = " ".join(rng.choice(_WORDS, 1 + 2 * side // (5 * size)))
        draw.text((margin, top), line, (ink, ink, ink), font=font)
    return np.asarray(page)


def flat_art(side: int, rng: np.random.Generator) -> Pixels:
    """Discs, boxes and triangles of one colour each, with hard edges."""
    picture = Image.new("RGB", (side, side), _colour(rng))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 24))):
        x, y, *size = (int(v) for v in rng.integers(0, side, 4))
        box = (x, y, x + size[0] // 2, y + size[1] // 2)
        shape = int(rng.integers(3))
        if shape == 2:
            corners = [tuple(int(v) for v in rng.integers(0, side, 2)) for _ in range(3)]
            draw.polygon(corners, fill=_colour(rng))
        else:
            (draw.ellipse, draw.rectangle)[shape](box, fill=_colour(rng))
    return np.asarray(picture)


def grating(side: int, rng: np.random.Generator) -> Pixels:
    """One to four waves of any direction, 2 to 64 pixels long, soft or hard."""
    y, x = np.mgrid[0:side, 0:side]
    plane = np.zeros((side, side))
    for _ in range(int(rng.integers(1, 5))):
        angle, length = rng.uniform(0, math.pi), 2 ** rng.uniform(1, 6)
        wave = (y * math.sin(angle) + x * math.cos(angle)) / length + rng.random()
        plane += np.sin(2 * math.pi * wave)
    return _toned(np.sign(plane) if rng.random() < 0.5 else plane, rng)


def checkerboard(side: int, rng: np.random.Generator) -> Pixels:
    """Two levels in squares of 2 to 64 pixels."""
    cell = int(rng.integers(2, 65))
    y, x = np.mgrid[0:side, 0:side] // cell
    return _toned(((x + y) % 2).astype(float), rng)


def periodic(side: int, rng: np.random.Generator) -> Pixels:
    """One random tile again and again; a third of them side / 4 wide, as repeating marks are."""
    period = side // 4 if rng.random() < 1 / 3 else int(rng.integers(8, side // 2))
    spectrum = np.fft.fft2(rng.normal(size=(period, period)))
    low, high = sorted(rng.uniform(0, 0.5, 2))
    reach = np.hypot(np.fft.fftfreq(period)[:, None], np.fft.fftfreq(period))
    kept = (reach >= min(low, 0.45)) & (reach <= max(high, low + 0.1))
    tile = np.fft.ifft2(spectrum * kept).real
    count = -(-side // period)
    return _toned(np.tile(tile, (count, count))[:side, :side], rng)


def noise(side: int, rng: np.random.Generator) -> Pixels:
    """Noise of any colour: its power falls with frequency to the power of 0 to 2."""
    reach = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    reach[0, 0] = 1
    spectrum = np.fft.fft2(rng.normal(size=(side, side))) / reach ** rng.uniform(0, 2)
    return _toned(np.fft.ifft2(spectrum).real, rng)


def flat(side: int, rng: np.random.Generator) -> Pixels:
    """One colour, or two that run into each other."""
    start, end = np.array(_colour(rng)), np.array(_colour(rng))
    share = np.linspace(0, float(rng.integers(2)), side)[:, None, None]
    return np.rint(start * (1 - share) + end * share + np.zeros((1, side, 1))).astype(np.uint8)


PATTERNS: Mapping[str, Callable[[int, np.random.Generator], Pixels]] = {
    "text page": text_page,
    "flat art": flat_art,
    "grating": grating,
    "checkerboard": checkerboard,
    "periodic texture": periodic,
    "noise": noise,
    "flat colour": flat,
}
"""Kind → what draws one."""


def _toned(plane: Plane, rng: np.random.Generator) -> Pixels:
    """Give a plane of any range a random contrast and middle, the same in all channels."""
    spread = float(plane.std()) or 1.0
    levels = rng.uniform(64, 192) + (plane - plane.mean()) / spread * rng.uniform(4, 60)
    grey = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue
