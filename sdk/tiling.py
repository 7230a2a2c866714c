"""Sends a picture through a network piece by piece, so that memory does not grow with the picture.

    enlarged = in_tiles(network, picture.pixels, watch, scale=4, border=18)

Seamless as long as the network looks at most `border` pixels around the place it draws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sdk.errors import RequestError
from sdk.pixels import Pixels
from sdk.types import Watch

MAX_SIDE = 8192
"""The longest side that requests may ask for; refiners make nothing larger either."""
TILE = 256


def in_tiles(
    network: Callable[[Pixels], Pixels],
    pixels: Pixels,
    watch: Watch,
    *,
    scale: int = 1,
    border: int = 0,
) -> Pixels:
    """Return what `network` makes of the (H, W, 3) uint8 picture: (scale · H, scale · W, 3) uint8.

    `network` gets (h, w, 3) uint8 RGB of at most 256 + 2 · border pixels a side and returns
    (scale · h, scale · w, 3) uint8.  One `watch.step` for each tile.

    Raises:
        RequestError: the result would have a side above 8192.
    """
    height, width = pixels.shape[:2]
    if max(width, height) * scale > MAX_SIDE:
        raise RequestError(
            f"asked to enlarge {width}x{height} {scale} times, found "
            f"{width * scale}x{height * scale}; the limit is {MAX_SIDE}: draw smaller"
        )
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    corners = [(x, y) for y in range(0, height, TILE) for x in range(0, width, TILE)]
    watch.step(0, len(corners))
    for done, (x, y) in enumerate(corners, 1):
        left, top = max(0, x - border), max(0, y - border)
        piece = pixels[top : y + TILE + border, left : x + TILE + border]
        drawn = network(piece)[(y - top) * scale :, (x - left) * scale :]
        place = result[y * scale : (y + TILE) * scale, x * scale : (x + TILE) * scale]
        place[:] = drawn[: place.shape[0], : place.shape[1]]
        watch.step(done, len(corners))
    return result
