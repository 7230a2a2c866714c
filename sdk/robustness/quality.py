"""How far a marked picture is from the one it was made of.

    quality(pixels, marked).psnr_db

Colour differences are CIEDE2000 under D65.  A mark is seen first where nothing hides it, so smooth
places count by themselves: luma that deviates by less than 2 levels within 7 x 7 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdk.pixels import Pixels
from sdk.types import JSON

Plane = NDArray[np.float64]
_SMOOTH = 2.0
"""Standard deviation of luma, in levels, below which a place is smooth."""
_LUMA = np.array([0.299, 0.587, 0.114])
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
"""Linear sRGB to XYZ, D65 (IEC 61966-2-1)."""
_WHITE = _XYZ.sum(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a mark costs."""

    psnr_db: float
    """Over all channels; 99 for equal pictures."""
    ssim: float
    """Of luma (Wang et al. 2004), 0..1."""
    delta_e_mean: float
    """Mean CIEDE2000 of all pixels."""
    delta_e_smooth: float
    """Largest CIEDE2000 between the means of 5 x 5 pixels in smooth places; 0 without such."""
    delta_e_pixel: float
    """Largest CIEDE2000 of a single pixel in smooth places; 0 without such."""

    def as_json(self) -> dict[str, JSON]:
        """As plain data, rounded to what is known."""
        return {
            "psnr_db": round(self.psnr_db, 2),
            "ssim": round(self.ssim, 5),
            "delta_e_mean": round(self.delta_e_mean, 3),
            "delta_e_smooth": round(self.delta_e_smooth, 2),
            "delta_e_pixel": round(self.delta_e_pixel, 2),
        }


def quality(before: Pixels, after: Pixels) -> Quality:
    """Compare two (H, W, 3) uint8 RGB pictures of one shape, at least 11 pixels each way."""
    luma = before @ _LUMA
    error = float(np.mean((before.astype(np.float64) - after) ** 2))
    smooth = np.sqrt(np.maximum(_mean(luma**2, 7) - _mean(luma, 7) ** 2, 0)) < _SMOOTH
    lab_before, lab_after = lab(before), lab(after)
    pixel = delta_e(lab_before, lab_after)
    blurred = delta_e(_means(lab_before, 5), _means(lab_after, 5))
    return Quality(
        psnr_db=min(99.0, 10 * math.log10(255**2 / max(error, 1e-9))),
        ssim=ssim(luma, after @ _LUMA),
        delta_e_mean=float(pixel.mean()),
        delta_e_smooth=_highest(blurred[1:-1, 1:-1], smooth),
        delta_e_pixel=_highest(pixel[3:-3, 3:-3], smooth),
    )


def ssim(a: Plane, b: Plane) -> float:
    """Structural similarity of two luma planes, 0..255, windows of 7 x 7 (Wang et al. 2004)."""
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _mean(a, 7), _mean(b, 7)
    bessel = 49 / 48
    spread_a = (_mean(a * a, 7) - mean_a**2) * bessel
    spread_b = (_mean(b * b, 7) - mean_b**2) * bessel
    joint = (_mean(a * b, 7) - mean_a * mean_b) * bessel
    top = (2 * mean_a * mean_b + one) * (2 * joint + two)
    return float((top / ((mean_a**2 + mean_b**2 + one) * (spread_a + spread_b + two))).mean())


def lab(pixels: Pixels) -> Plane:
    """CIE L*a*b* of sRGB pixels, (H, W, 3), white point D65."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    share = linear[pixels] @ (_XYZ / _WHITE[:, None]).T
    root = np.where(share > (6 / 29) ** 3, np.cbrt(share), share * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e(one: Plane, two: Plane) -> Plane:
    """CIEDE2000 of L*a*b* colours, (..., 3) each (Sharma, Wu, Dalal 2005, equations 2-22)."""
    chroma = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(two[..., 1], two[..., 2])) / 2
    grey = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    c1, h1 = _polar(one, grey)
    c2, h2 = _polar(two, grey)
    coloured = c1 * c2 != 0
    far = np.abs(h1 - h2) > math.pi
    turn = np.where(far, h2 - h1 - 2 * math.pi * np.sign(h2 - h1), h2 - h1) * coloured
    lightness = (one[..., 0] + two[..., 0]) / 2
    c = (c1 + c2) / 2
    h = np.where(far, (h1 + h2) / 2 + math.pi, (h1 + h2) / 2) % (2 * math.pi)
    h = np.where(coloured, h, h1 + h2)
    d_l = (two[..., 0] - one[..., 0]) / _lightness_weight(lightness)
    d_c = (c2 - c1) / (1 + 0.045 * c)
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * c * _hue_weight(h))
    bend = np.exp(-(((np.degrees(h) - 275) / 25) ** 2))
    turned = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60) * bend)
    squared: Plane = d_l**2 + d_c**2 + d_h**2 + turned * d_c * d_h
    return np.sqrt(np.maximum(squared, 0))


def _polar(colours: Plane, grey: Plane) -> tuple[Plane, Plane]:
    """Chroma and hue, 0..2 pi, with a* stretched near grey."""
    a, b = (1 + grey) * colours[..., 1], colours[..., 2]
    return np.hypot(a, b), np.arctan2(b, a) % (2 * math.pi)


def _lightness_weight(lightness: Plane) -> Plane:
    away = (lightness - 50) ** 2
    weight: Plane = 1 + 0.015 * away / np.sqrt(20 + away)
    return weight


def _hue_weight(h: Plane) -> Plane:
    weight: Plane = (
        1
        - 0.17 * np.cos(h - math.radians(30))
        + 0.24 * np.cos(2 * h)
        + 0.32 * np.cos(3 * h + math.radians(6))
        - 0.20 * np.cos(4 * h - math.radians(63))
    )
    return weight


def _highest(values: Plane, where: NDArray[np.bool_]) -> float:
    return float(values[where].max()) if where.any() else 0.0


def _means(colours: Plane, side: int) -> Plane:
    return np.stack([_mean(colours[..., i], side) for i in range(3)], axis=-1)


def _mean(plane: Plane, side: int) -> Plane:
    """Means of side x side windows that lie inside, (H - side + 1, W - side + 1)."""
    sums = np.pad(plane.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    out: Plane = total / side**2
    return out
