"""Enlarges pictures by a whole factor with Lanczos resampling: more pixels, no new detail.

    policy:  refiners = [{plugin = "resample", settings = {scale = 4, up_to = 512}}]

The starter model draws 128×128; this makes it 512×512, where a watermark has room.  Lanczos
(Pillow, three lobes, 8-bit) keeps edges sharper than bicubic and rings by a few levels at hard
ones.  A network that was trained to enlarge does better; this one needs nothing but Pillow.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from sdk import (
    Picture,
    Pixels,
    PluginError,
    Refiner,
    Request,
    RequestError,
    Settings,
    Watch,
    hookimpl,
)

MAX_SIDE = 8192
"""The longest side that requests may ask for; nothing larger is made here either."""


class Resample:
    """Multiplies width and height by `scale`.

    A picture whose longer side would then be above `up_to` pixels passes unchanged, so that one
    policy serves small and large models; 0 sets no such bound.

    Raises:
        PluginError: `scale` is not 2..16, or `up_to` is negative.
    """

    action = "c2pa.resized"

    def __init__(self, scale: int = 4, up_to: int = 0) -> None:
        _whole("scale", scale, 2, 16)
        _whole("up_to", up_to, 0, MAX_SIDE)
        self._scale = scale
        self._up_to = up_to

    def refine(self, picture: Picture, request: Request, watch: Watch) -> Pixels:
        """Return (scale · H, scale · W, 3) uint8 RGB, or the picture itself above `up_to`.

        Raises:
            RequestError: the result would have a side above 8192.
        """
        width, height = picture.width * self._scale, picture.height * self._scale
        watch.step(0, 1)
        if self._up_to and max(width, height) > self._up_to:
            return picture.pixels
        if max(width, height) > MAX_SIDE:
            raise RequestError(
                f"asked to enlarge {picture.width}x{picture.height} {self._scale} times, found "
                f"{width}x{height}; the limit is {MAX_SIDE}: draw smaller or lower scale"
            )
        image = Image.fromarray(picture.pixels)
        enlarged = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
        watch.step(1, 1)
        return enlarged


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the refiner; settings: `scale` (whole factor), `up_to` (pixels, 0 for no bound)."""
    return Resample(**settings)  # type: ignore[arg-type]


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise PluginError(
            f"resample: asked for {name} = {value!r}; give a whole number {low}..{high}"
        )
