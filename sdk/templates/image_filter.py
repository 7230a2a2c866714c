"""Measures how much of a picture is burnt out to pure white.

policy:  [[image_filters]]
         plugin = "NAME"
"""

from __future__ import annotations

from collections.abc import Sequence

from sdk import Finding, ImageFilter, Picture, Request, Settings, hookimpl


class Overexposed:
    """The share of pixels whose every channel is at or above a level."""

    def __init__(self, *, level: int = 255) -> None:
        self.categories: Sequence[str] = ("overexposed",)
        self._level = level

    def inspect(self, picture: Picture, request: Request, /) -> Sequence[Finding]:
        """Return one finding; its score is a share of the picture, 0..1."""
        share = float((picture.pixels >= self._level).all(axis=2).mean())
        return [Finding(category="overexposed", score=share, detector="NAME 1")]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; setting: `level` (0..255)."""
    return Overexposed(**settings)  # type: ignore[arg-type]
