"""One size for all pictures, and labels that can be measured.

shaped = fit(pixels, Shape(side=128, crop="centre"))       # (128, 128, 3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from sdk.errors import DataError
from sdk.pixels import Pixels, admit_pixels

Crop = Literal["centre", "detail", "pad", "stretch"]
_COLOURS = {
    "black": (20, 20, 20), "white": (245, 245, 245), "grey": (128, 128, 128), "red": (215, 40, 40),
    "orange": (240, 140, 30), "yellow": (250, 215, 60), "green": (70, 160, 70),
    "blue": (50, 110, 210), "purple": (140, 70, 180), "pink": (240, 140, 180),
    "brown": (120, 75, 45),
}  # fmt: skip
_GREY_SPREAD = 12
"""Most difference between a pixel's channels that still counts as grey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How pictures are brought to one size.

    Raises:
        DataError: a side or a crop that is not known.
    """

    side: int = 128
    """Pixels; the result is square."""
    crop: Crop = "centre"
    """`centre`; `detail`, where edges are; `pad`, with white; `stretch`."""
    min_side: int = 0
    """Pictures with a shorter side are left out; 0 is `side` / 2."""

    def __post_init__(self) -> None:
        if not 16 <= self.side <= 2048:
            raise DataError(f"asked for pictures of {self.side} pixels; give a side of 16..2048")
        if self.crop not in get_args(Crop):
            raise DataError(f"asked to crop {self.crop!r}; known: {', '.join(get_args(Crop))}")


def too_small(pixels: Pixels, shape: Shape) -> str:
    """Say that a picture is too small to be used; empty when it is not."""
    least = shape.min_side or shape.side // 2
    height, width = pixels.shape[:2]
    return f"smaller than {least} pixels" if min(height, width) < least else ""


def fit(pixels: Pixels, shape: Shape) -> Pixels:
    """(H, W, 3) uint8 → (side, side, 3) uint8; Lanczos, over whole pixels."""
    height, width = pixels.shape[:2]
    if (height, width) == (shape.side, shape.side):
        return pixels
    image = Image.fromarray(pixels)
    if shape.crop == "pad":
        longest = max(height, width)
        square = Image.new("RGB", (longest, longest), "white")
        square.paste(image, ((longest - width) // 2, (longest - height) // 2))
        image = square
    elif shape.crop != "stretch":
        least = min(height, width)
        share = 0.5 if shape.crop == "centre" else _detail(pixels)
        left, top = round((width - least) * share), round((height - least) * share)
        image = image.crop((left, top, left + least, top + least))
    resized = image.resize((shape.side, shape.side), Image.Resampling.LANCZOS)
    return admit_pixels(np.asarray(resized))


def _detail(pixels: Pixels) -> float:
    """Where along the longer side the square with most edges begins, 0..1."""
    grey = pixels.astype(np.float32).mean(2)
    across = grey.shape[1] >= grey.shape[0]
    edges = np.abs(np.diff(grey, axis=0)).sum(0) if across else np.abs(np.diff(grey)).sum(1)
    least = min(grey.shape)
    room = len(edges) - least
    if room <= 0:
        return 0.5
    sums = np.convolve(edges, np.ones(least, np.float32), "valid")
    return float(int(np.argmax(sums)) / room)


def measured(pixels: Pixels, shape: tuple[int, int]) -> dict[str, str]:
    """Labels that need no model: `colour`, `is_grey`, `format`; `shape` is (H, W) as it came."""
    few = pixels[::4, ::4].reshape(-1, 3).astype(np.int16)
    ink = few[(few.min(1) < 235)]  # what is not white paper
    grey = int(np.ptp(ink, axis=1).max(initial=0)) <= _GREY_SPREAD
    format_ = "square" if shape[0] == shape[1] else "portrait" if shape[0] > shape[1] else "wide"
    return {
        "colour": _main_colour(ink if len(ink) else few),
        "is_grey": "yes" if grey else "",
        "format": format_,
    }


def _main_colour(pixels: np.ndarray[tuple[int, int], np.dtype[np.int16]]) -> str:
    """The name nearest to most pixels, by distance in RGB."""
    named = np.array(list(_COLOURS.values()), np.int32)
    nearest = np.square(pixels[:, None, :] - named[None]).sum(2).argmin(1)
    return list(_COLOURS)[int(np.bincount(nearest, minlength=len(named)).argmax())]
