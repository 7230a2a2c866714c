"""What a data set yields: one picture with the right to use it, or the reason it is left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from sdk.pixels import Pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One training picture."""

    id: str
    """Stable within the data set."""
    pixels: Pixels | None
    """(H, W, 3) uint8 RGB; None when excluded before it was opened."""
    caption: str
    concept: str = ""
    """What is drawn, apart from style and variants; splits keep concepts together."""
    labels: dict[str, str] = field(default_factory=dict)
    """Attribute → value, such as style, group, perceived_gender, skin_tone."""
    licence: str
    """SPDX expression."""
    attribution: str = ""
    source: str = ""
    """Package, dataset or URL it came from."""
    consent: str = ""
    """How the right to train was given, where it is not the licence."""
    excluded: str = ""
    """Why it must not be used; empty when it may."""
