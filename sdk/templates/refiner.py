"""Stretches the levels of a picture over the full range.

policy:  [[refiners]]
         plugin = "NAME"
"""

from __future__ import annotations

import numpy as np

from sdk import Picture, Pixels, Refiner, Request, Settings, Watch, hookimpl


class Stretch:
    """Maps the darkest level of all channels to 0 and the brightest to 255."""

    action = "c2pa.adjustedColor"

    def refine(self, picture: Picture, request: Request, watch: Watch, /) -> Pixels:
        """Return the stretched picture; a flat one comes back as it is."""
        low, high = int(picture.pixels.min()), int(picture.pixels.max())
        watch.step(1, 1)
        if low == high:
            return picture.pixels
        levels = np.clip(np.arange(256) - low, 0, high - low) * 255 / (high - low)
        return np.rint(levels).astype(np.uint8)[picture.pixels]


@hookimpl
def refiner(settings: Settings) -> Refiner:
    """Make the refiner; it takes no settings."""
    return Stretch(**settings)
