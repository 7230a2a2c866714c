"""Re-encodes a luma, to see whether a mark is too weak, and makes marks that rounding keeps."""

from __future__ import annotations

import io
import math

import numpy as np

from sdk import Pixels

from .image import Plane

_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
"""Luminance table of ITU-T T.81, annex K.1: what encoders scale by quality; as is at 50."""
_OVER = np.float32(0.5)
"""How far beyond the rounding boundary a pushed coefficient goes: pixels are rounded as well."""


_QUIET = 0.3
"""Coefficients of the picture itself above this share of a step are left to themselves."""
_REACHED = np.add.outer(np.arange(8), np.arange(8)) <= 5
_REACHED[0, 0] = False
"""Coefficients, by (vertical, horizontal) frequency, where the mark has energy."""
_EMPTY = 3
"""Blocks of which rounding keeps more coefficients than this hide and carry the mark anyway."""


def reencoded(luma: Plane, kind: str, quality: int, method: int = 4) -> Plane:
    """Return what a grey picture of this luma is after Pillow's `kind` ("jpeg", "webp") encoder.

    `method` is WebP's: 0 is two to three times as quick as Pillow's 4, and looks less far.
    """
    from PIL import Image  # here, because only embedding and the question "weak?" need it

    file = io.BytesIO()
    Image.fromarray(np.clip(np.rint(luma), 0, 255).astype(np.uint8)).save(
        file, kind, quality=quality, method=method
    )
    return np.asarray(Image.open(file).convert("L")).astype(np.float32)


def in_colour(pixels: Pixels, kind: str, quality: int) -> Pixels:
    """Return (H, W, 3) uint8 RGB after Pillow's `kind` encoder.

    The luma alone says too little of saturated flat colours: of 48 pieces of clip art at 512 px two
    flags lost their mark to WebP 80 in colour, and kept it in grey with an agreement of 0.86.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def pushed(luma: Plane, mark: Plane, quality: int, reach: float) -> Plane:
    """Return the mark with coefficients raised that JPEG at `quality` would otherwise round away.

    A coefficient that is at most `reach` rounding steps short of the next step, in the mark's
    direction, is pushed just over: smooth areas then keep a few whole waves instead of nothing.
    Dirty-paper coding against the rounding (Costa 1983), at 8 x 8 blocks counted from the corner.
    """
    steps = _steps(quality)
    rows, columns = luma.shape[0] // 8 * 8, luma.shape[1] // 8 * 8
    host = _cosines(luma) / steps
    change = _cosines(mark, 0) / steps
    sum_ = host + change
    way: Plane = np.sign(change).astype(np.float32)
    short = np.rint(host) + way * np.float32(0.5) - sum_
    missing = way * short
    near = (missing > 0) & (missing <= reach)
    near &= (np.abs(host) < _QUIET) & _REACHED
    kept = np.count_nonzero(np.rint(host), axis=(2, 3))
    near &= (kept <= _EMPTY)[:, :, None, None]
    extra = np.where(near, way * (missing + _OVER / steps), 0) * steps
    out: Plane = mark.copy()
    out[:rows, :columns] += _pixels(extra.astype(np.float32), 0)
    return out


def _steps(quality: int) -> Plane:
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    steps: Plane = np.maximum(1, np.floor(_STEPS * np.float32(scale) + np.float32(0.5)))
    return steps


def _cosines(plane: Plane, middle: float = 128) -> Plane:
    """(rows, columns, 8, 8): the cosine coefficients of every whole block."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    whole = plane[: rows * 8, : columns * 8] - np.float32(middle)
    blocks = whole.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    out: Plane = _COSINE @ blocks @ _COSINE.T
    return out


def _pixels(coefficients: Plane, middle: float = 128) -> Plane:
    rows, columns = coefficients.shape[:2]
    back = (_COSINE.T @ coefficients @ _COSINE).transpose(0, 2, 1, 3)
    return (back.reshape(rows * 8, columns * 8) + np.float32(middle)).astype(np.float32)


def _cosine() -> Plane:
    """(8, 8): the orthonormal DCT-II, one basis vector per row."""
    k, x = np.mgrid[0:8, 0:8]
    basis = np.sqrt(2 / 8) * np.cos(math.pi * (2 * x + 1) * k / 16)
    basis[0] /= math.sqrt(2)
    out: Plane = basis.astype(np.float32)
    return out


_COSINE = _cosine()
