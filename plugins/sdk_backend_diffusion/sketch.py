"""From a scribble to where image-to-image begins: what its lines enclose becomes a grey shape.

No network was trained on scribbles, so this is SDEdit (arXiv:2108.01073) from a drawing that a
model can begin with.  From bare lines the starter drew outlines of pale things; from grey shapes it
drew things with their colours in the place and form of the scribble, best at strength 0.9.  Lines
inside a shape say little at that strength, and a scribble that is open encloses nothing.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from sdk import Pixels, RequestError

STRENGTH = 0.9
_LINE, _INSIDE, _PAPER = 60, 150, 255
_DARK = 128
"""Luma below which a pixel is of a line."""
_SOFT = 1 / 128
"""Blur, as a share of the longer side."""


def shaded(pixels: Pixels) -> Pixels:
    """(H, W, 3) uint8 scribble, dark on light or light on dark → shapes on white, same size.

    Raises:
        RequestError: there is no line in it.
    """
    luma = Image.fromarray(pixels).convert("L")
    edge = np.concatenate([np.asarray(luma)[[0, -1]].ravel(), np.asarray(luma)[:, [0, -1]].ravel()])
    if np.median(edge) < _DARK:
        luma = ImageOps.invert(luma)
    line = np.asarray(luma) < _DARK
    if not line.any():
        raise RequestError("asked to draw from a sketch, found no line in it; draw dark on light")
    outside = ImageOps.expand(Image.fromarray(line.astype(np.uint8)), border=1, fill=0)
    ImageDraw.floodfill(outside, (0, 0), 2)
    shape = np.asarray(outside)[1:-1, 1:-1]
    grey = np.choose(shape, [_INSIDE, _LINE, _PAPER]).astype(np.uint8)
    soft = Image.fromarray(grey).filter(ImageFilter.GaussianBlur(max(pixels.shape) * _SOFT))
    return np.repeat(np.asarray(soft)[..., None], 3, 2)
