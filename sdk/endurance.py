"""Asks whether a mark that was found would last.

Finding a mark takes milliseconds; wearing the picture out to see whether the mark would still be
found takes ten times as long.  So a watermark may answer the two questions apart: `detect` reads,
`is_weak` wears out.  Where it matters (the final bytes before release, `sdk verify`, the facts that
the law asks for) both are asked, through `examined`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from sdk.types import Detection, Presence


@runtime_checkable
class Endurance(Protocol):
    """What a watermark offers beside `detect` where that does not wear the picture out itself."""

    def is_weak(self, pixels: Any, found: Detection, /) -> bool:
        """Say whether ordinary re-encoding will probably erase the mark that `detect` found."""


def examined(detector: Any, pixels: Any) -> Detection:
    """Detect, and say of a mark that is there whether it is weak; raises what the detector does."""
    found: Detection = detector.detect(pixels)
    asked = isinstance(found, Detection) and found.presence is Presence.PRESENT
    if asked and isinstance(detector, Endurance) and found.weak is False:
        return replace(found, weak=detector.is_weak(pixels, found))
    return found
