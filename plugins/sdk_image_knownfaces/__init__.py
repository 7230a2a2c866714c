"""Finds faces of people in a bank of yours: public figures, or whoever asked not to be drawn.

    policy:  [[image_filters]]
             plugin = "known-faces"
             timeout_s = 10.0
             [image_filters.settings]
             bank = "faces.json"
             weights = "face_recognition_sface_2021dec.onnx"
             sha256 = "…"
             layout = "sface"
             threshold = 0.5

Nobody's face and no network ship with it: you give both.  A bank holds templates of faces, which
are biometric data; docs/safety/faces.md says what to ask your lawyer first.

    from sdk_image_knownfaces import enrol
    enrol(Path("people"), Path("faces.json"), weights=…, sha256=…, layout="sface")

Categories: `known_face` (0.5 at the threshold) and `unclear_face` (1 where a face was found that
is too small to be compared).  Needs the extra `safety`.
"""

from __future__ import annotations

from sdk import ImageFilter, Settings, hookimpl

from .bank import Bank, Entry, read_bank, remove, write_bank
from .enrolment import Spread, enrol, spread
from .part import KnownFaces

__all__ = [
    "Bank", "Entry", "KnownFaces", "Spread", "enrol", "image_filter", "read_bank", "remove",
    "spread", "write_bank",
]  # fmt: skip


@hookimpl
def image_filter(settings: Settings) -> ImageFilter:
    """Make the filter; the settings are the constructor's arguments."""
    return KnownFaces(**settings)  # type: ignore[arg-type]
