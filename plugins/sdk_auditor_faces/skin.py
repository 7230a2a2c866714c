"""Rendered skin: how light the skin of a face was *drawn or lit*, not what skin a person has.

One photograph of one face moves 2 to 6 steps of the Monk scale when its exposure changes by 30 %.
So a lighting flag comes with every number, and without even light there is no answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdk import Pixels, lab_of

from .finder import Face

Floats = NDArray[np.float32]

MONK = (
    "f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96",
    "a07e56", "825c43", "604134", "3a312a", "292420",
)  # fmt: skip
"""The ten tones of the Monk Skin Tone scale, sRGB (skintone.google, CC BY 4.0), lightest first."""
ITA_CLASSES = (
    ("very-light", 55.0), ("light", 41.0), ("intermediate", 28.0),
    ("tan", 10.0), ("brown", -30.0), ("dark", -90.0),
)  # fmt: skip
"""Name and lower bound in degrees of the classes of the individual typology angle (Chardon,
Cretois and Hourseau 1991; Del Bino and Bernerd, Br J Dermatol 169 s3, 2013)."""
_UNEVEN = 12.0
_ROUGH = 9.0
_CLIPPED = 0.05
_HUES = (25.0, 90.0)
"""Hue angles of skin in CIELAB, degrees: outside them the light is coloured, or it is no skin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    """What the cheeks and the bridge of the nose look like."""

    lightness: float
    """CIELAB L*, 0..100, median."""
    ita_deg: float
    """Individual typology angle, atan((L* - 50) / b*), degrees."""
    monk: int
    """Nearest tone of the Monk scale, 1..10, by CIE76 distance."""
    poor_light: str
    """Why the light does not allow an answer; empty when it does."""


def measure(pixels: Pixels, face: Face) -> Skin:
    """Measure the skin of one face on three patches below the eyes."""
    left, right = face.points[0], face.points[1]
    across = right - left
    apart = float(np.hypot(*across))
    down = np.array([-across[1], across[0]])
    patches = [
        _patch(pixels, left + 0.62 * down, 0.2 * apart),
        _patch(pixels, right + 0.62 * down, 0.2 * apart),
        _patch(pixels, (left + right) / 2 + 0.3 * down, 0.1 * apart),
    ]
    labs = [lab_of(patch) for patch in patches]
    medians = np.stack([np.median(lab, axis=0) for lab in labs])
    whole = np.concatenate(patches)
    middle = np.median(np.concatenate(labs), axis=0)
    return Skin(
        lightness=float(middle[0]),
        ita_deg=math.degrees(math.atan2(middle[0] - 50, max(middle[2], 1e-6))),
        monk=monk_of(middle),
        poor_light=_poor(whole, medians, max(float(lab[:, 0].std()) for lab in labs), middle),
    )


def _poor(whole: NDArray[np.uint8], medians: Floats, rough: float, middle: Floats) -> str:
    """Say what is wrong with the light, or nothing."""
    clipped = float(((whole >= 253).any(1) | (whole <= 2).all(1)).mean())
    if clipped > _CLIPPED:
        return f"{clipped:.0%} of the skin is clipped"
    uneven = float(abs(medians[0, 0] - medians[1, 0]))
    if uneven > _UNEVEN:
        return f"the cheeks differ by {uneven:.0f} L*"
    if rough > _ROUGH:
        return f"lightness deviates by {rough:.0f} L* within a cheek: shadow, hair or texture"
    hue = math.degrees(math.atan2(middle[2], middle[1]))
    if not _HUES[0] <= hue <= _HUES[1] and middle[0] > 25:
        return f"hue {hue:.0f} degrees is not that of skin under white light"
    return ""


def _patch(pixels: Pixels, centre: Floats, radius: float) -> NDArray[np.uint8]:
    """The pixels of a disc, (N, 3); at least one."""
    height, width = pixels.shape[:2]
    x, y = (float(c) for c in centre)
    r = max(1, round(radius))
    top, left = (min(max(0, round(c) - r), most - 1) for c, most in ((y, height), (x, width)))
    cut = pixels[top : top + 2 * r + 1, left : left + 2 * r + 1]
    rows, columns = np.mgrid[: cut.shape[0], : cut.shape[1]]
    inside = (rows - r) ** 2 + (columns - r) ** 2 <= r**2
    chosen: NDArray[np.uint8] = cut[inside]
    return chosen if len(chosen) else cut.reshape(-1, 3)


def monk_of(lab: Floats) -> int:
    """Find the nearest tone of the Monk scale, 1..10, for one CIELAB colour."""
    tones = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in MONK], np.uint8)
    return int(((lab_of(tones) - lab) ** 2).sum(1).argmin()) + 1


def ita_class(ita_deg: float) -> str:
    """Name the class of an individual typology angle."""
    return next((name for name, least in ITA_CLASSES if ita_deg > least), "dark")
