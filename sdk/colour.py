"""Converts colours of pictures for who measures them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WHITE_POINT = np.array([0.95047, 1.0, 1.08883], np.float32)
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
)


def lab_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert sRGB (…, 3) uint8 to CIELAB, D65: L* 0..100, a* and b* about -100..100.

    IEC 61966-2-1 for the transfer curve and the matrix, CIE 15:2004 section 8.2.1 for L*a*b*.
    """
    unit = rgb.astype(np.float32) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE_POINT
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lab: NDArray[np.float32] = np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    ).astype(np.float32)
    return lab
