"""Whether a picture is a drawing of the kind that was measured: emoji art on white."""

from __future__ import annotations

import numpy as np

from sdk import Pixels

from .view import INK

LEAST_WHITE_FRAME = 0.5
"""Share of a frame of 2 in 128 pixels that is nearly white.  19 in 20 drawings of the sets have .62
or more; of 240 photographs and parts of photographs none that was not itself a drawing had .5."""
LEAST_FLAT = 0.38
"""Share of neighbours in the drawn part that differ by at most 6 levels over three channels.  All
of 300 drawings have .55 or more, all of 48 pictures by the starter model .41; photographs cut out
and set on white have .35 in the median."""
_WHITE = 235
_NEAR = 6


def refusal(pixels: Pixels) -> str:
    """Say why (128, 128, 3) uint8 RGB is outside the domain; empty when it is inside."""
    edge = np.ones(pixels.shape[:2], bool)
    edge[2:-2, 2:-2] = False
    frame = float((pixels[edge].min(1) >= _WHITE).mean())
    if frame < LEAST_WHITE_FRAME:
        return f"not a drawing on white: {frame:.0%} of the frame is white"
    drawn = pixels.min(2) < INK
    if drawn.mean() < 0.01:
        return "nothing is drawn"
    apart = np.abs(np.diff(pixels.astype(np.int16), axis=1)).sum(2)
    flat = float((apart[drawn[:, 1:]] <= _NEAR).mean()) if drawn[:, 1:].any() else 1.0
    if flat < LEAST_FLAT:
        return f"not flat like emoji art: {flat:.0%} of neighbouring pixels are alike"
    return ""
