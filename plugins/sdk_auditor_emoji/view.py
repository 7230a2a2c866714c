"""What the estimator looks at: the drawing without its white margin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk import Pixels

SIDE = 64
"""Of the square view, pixels."""
INK = 215
"""A pixel belongs to the drawing when its darkest channel is below this: 0..255."""


def view_of(pixels: Pixels) -> NDArray[np.uint8]:
    """Cut the drawing out of its margin, centred on white: (64, 64, 3) uint8 RGB.

    A blank picture gives a white view.
    """
    ink = pixels.min(axis=2) < INK
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not rows.size:
        return np.full((SIDE, SIDE, 3), 255, np.uint8)
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(cut.shape[:2]) + 2
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    square[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    image = Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image)
