"""Finds pictures that a list of known pictures already holds, by their PDQ hash.

    policy:  [[image_filters]]
             plugin = "pdq"
             [image_filters.settings]
             banks = ["hashes.csv"]

PDQ (Meta, 2019) is the perceptual hash in which platforms share lists of known abuse material; a
list holds only hashes, never pictures.  A match survives re-encoding, resizing and, because all
eight turns and flips are compared, mirroring; it does not survive a crop of 5 % or a turn of 3
degrees.  A generator rarely draws a known picture, but image-to-image and inpainting start from
one: put this filter on the input too by checking what you send.  Needs the package `pdqhash`.
"""

from __future__ import annotations

from sdk import ImageFilter, Settings, hookimpl

from .bank import Bank, read_bank, write_bank
from .part import PdqFilter

__all__ = ["Bank", "PdqFilter", "image_filter", "read_bank", "write_bank"]


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; settings: `banks` (files), `max_distance` (31), `min_quality` (50)."""
    return PdqFilter(**settings)  # type: ignore[arg-type]
