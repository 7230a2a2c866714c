"""Finds pictures that show nothing: one flat colour, black, or a decoder's noise-free failure.

    policy:  [[image_filters]]
             plugin = "blank"

A model that overflowed in half precision returns black, and some pipelines return black in place
of what they refused; neither is the picture that was asked for.  Needs only numpy.  It judges no
content: a policy whose only image filter is `blank` has no image safety.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk import Finding, ImageFilter, Picture, PluginError, Request, Settings, hookimpl

FLAT_STD = 1.0
"""Levels (of 255).  A picture of one flat colour with JPEG's or a decoder's ringing stays below;
of 1,500 drawn emoji and 1,000 photographs the flattest has 3.3."""


class BlankFilter:
    """Measures how likely a picture is to be empty.

    Args:
        flat_std: pictures whose levels spread less than this (standard deviation of the largest
            channel, 0..255) score above 0.5.

    Raises:
        PluginError: flat_std is not a number above 0, up to 128.
    """

    def __init__(self, *, flat_std: float = FLAT_STD) -> None:
        if isinstance(flat_std, bool) or not isinstance(flat_std, (int, float)):
            raise PluginError(f"asked for flat_std {flat_std!r}; give a number of levels")
        if not 0 < flat_std <= 128:
            raise PluginError(f"asked for flat_std {flat_std}; give levels above 0, up to 128")
        self.categories: Sequence[str] = ("blank",)
        self._flat_std = float(flat_std)

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return one finding; 1 for one flat colour, 0.5 at flat_std, towards 0 for pictures."""
        spread = float(picture.pixels.reshape(-1, 3).std(axis=0, dtype=np.float64).max())
        score = 1.0 / (1.0 + (spread / self._flat_std) ** 2)
        return [
            Finding(
                category="blank",
                score=score,
                detector="blank 1",
                note=f"levels spread {spread:.1f} of 255",
            )
        ]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the blank filter; setting: `flat_std` (levels)."""
    return BlankFilter(**settings)  # type: ignore[arg-type]
