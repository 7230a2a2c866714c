"""A watermark in the pixels that survives re-encoding, resizing, cropping and turning.

    watermark = { plugin = "tile", settings = { key = "~/keys/tile.hex" } }

A keyed pattern of about 1,800 weak waves, repeated four times along the short side, carries a
random id of 64 bits (32 or 128 by setting) with a CRC.  No weights, no downloads.
docs/watermark/tile.md specifies it bit by bit and lists what it survives.

What it is not: proof.  Who has the key can forge and remove the mark, and everybody has the
demonstration key that is used when the settings name none.  A mark points to a signed manifest;
presence alone proves nothing.  Regeneration by a diffusion model or an autoencoder erases it.
"""

from __future__ import annotations

from sdk import Settings, Watermark, hookimpl

from .arrays import mark_array
from .part import TileWatermark
from .tensors import detect_batch, embed_batch

__all__ = ["TileWatermark", "detect_batch", "embed_batch", "mark_array", "watermark"]


@hookimpl
def watermark(settings: Settings) -> Watermark:
    """Make the tile watermark; settings: see `TileWatermark`."""
    return TileWatermark(**settings)  # type: ignore[arg-type]
