"""Draws a visible label into a picture: "AI" for Europe, AI生成 for China.

    burnt = burn(pixels, labels_for(("ai", "cn"), 0.06, edited=False, width=512, height=512))

The label is drawn after the watermark and before the one encode, so that the file that leaves shows
it.  A badge of its own colour with a ring in the opposite one: what is behind it does not matter
for reading it.  The letters AI are capital and of equal height, as the Code of Practice (Section 2,
Measure 1.1) asks; this is a label of ours, not the EU's icon, whose drawing is published elsewhere.
China's text holds an element for AI and one for "generated", and its characters are at least
`share` of the shortest side high (GB 45438-2025: 5 %).

Glyphs come from two small fonts beside this room, subsets of Roboto Bold and Droid Sans Fallback
(both Apache-2.0, docs/third-party.md).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from sdk.errors import MarkError
from sdk.pixels import Pixels, admit_pixels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

TEXTS = {
    "ai": ("AI", "AI"),
    "ai-kind": ("AI GENERATED", "AI MODIFIED"),
    "cn": ("AI生成", "AI生成"),
    "cn-long": ("人工智能生成", "人工智能生成"),
}
"""Kind → its text on a generated picture, and on one made from an input picture."""
CHINESE = ("cn", "cn-long")
"""Kinds that China asks for, and that a person may agree to go without."""
PLACES = {"ai": "top-right", "ai-kind": "top-right", "cn": "bottom-right", "cn-long": "bottom-left"}
"""Kind → corner; two labels of one picture do not meet."""
LEAST_TEXT = 12
"""Pixels: the least height of capitals that is drawn, however small the picture.  Below, AI and 41
look alike."""
_INK = {"black": ((0, 0, 0), (255, 255, 255)), "white": ((255, 255, 255), (0, 0, 0))}
"""Theme → badge and ring, text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label on one picture."""

    kind: str
    text: str
    place: str
    text_height: int
    """Pixels from the foot to the top of its characters, at least."""

    def share(self, width: int, height: int) -> float:
        """Height of its characters as a share of the shortest side."""
        return self.text_height / min(width, height)


def labels_for(
    kinds: Sequence[str], share: float, *, edited: bool, width: int, height: int
) -> tuple[Label, ...]:
    """Return the labels that a picture of this size gets; `share` is of the shortest side."""
    text_height = max(LEAST_TEXT, math.ceil(share * min(width, height)))
    return tuple(
        Label(kind=kind, text=TEXTS[kind][edited], place=PLACES[kind], text_height=text_height)
        for kind in kinds
    )


def burn(pixels: Pixels, labels: Sequence[Label]) -> Pixels:
    """Return the picture, (H, W, 3) uint8 RGB, with its labels in it.

    Raises:
        MarkError: a label does not fit; a picture without its label may not leave.
    """
    if not labels:
        return pixels
    height, width = pixels.shape[:2]
    drawn = pixels.copy()
    taken: list[tuple[int, int, int, int]] = []
    for label in labels:
        badges = {theme: np.asarray(_badge(label.text, label.text_height, theme)) for theme in _INK}
        tall, wide = badges["black"].shape[:2]
        margin = max(1, label.text_height // 3)
        top = margin if label.place.startswith("top") else height - margin - tall
        left = margin if label.place.endswith("left") else width - margin - wide
        box = (top, left, top + tall, left + wide)
        outside = top < 0 or left < 0 or box[2] > height or box[3] > width
        if outside or any(_meet(box, other) for other in taken):
            raise MarkError(
                f"asked to label a picture of {width}x{height} with {label.text!r}, found that the "
                f"label needs {wide + 2 * margin}x{tall + 2 * margin} of its own; draw larger"
            )
        taken.append(box)
        behind = drawn[top : top + tall, left : left + wide]
        badge = badges["white" if _luma(behind) < 128 else "black"]
        cover = badge[:, :, 3:].astype(np.uint16)
        mixed = badge[:, :, :3] * cover + behind * (255 - cover)
        behind[:] = ((mixed + 127) // 255).astype(np.uint8)
    return admit_pixels(drawn)


def _luma(pixels: Pixels) -> float:
    """Mean brightness, 0..255, by the weights of ITU-R BT.601."""
    return float((pixels.reshape(-1, 3).mean(0) * (0.299, 0.587, 0.114)).sum())


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@lru_cache(maxsize=64)
def _badge(text: str, text_height: int, theme: str) -> Image:
    """Draw one badge, RGBA: a rounded plate with a ring around it, and the text in its middle."""
    from PIL import Image, ImageDraw

    runs = _runs(text, text_height)
    wide = round(sum(font.getlength(run) for run, font in runs))
    pad, ring = max(2, round(text_height * 0.45)), max(1, round(text_height / 10))
    boxes = [font.getbbox(run) for run, font in runs]
    tall = round(max(box[3] - box[1] for box in boxes))
    size = (wide + 2 * (pad + ring), tall + 2 * (pad + ring))
    plate, ink = _INK[theme]
    image = Image.new("RGBA", size, (*ink, 0))
    draw = ImageDraw.Draw(image)
    radius = max(2, size[1] // 5)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius, fill=(*ink, 255))
    inner = (ring, ring, size[0] - 1 - ring, size[1] - 1 - ring)
    draw.rounded_rectangle(inner, max(1, radius - ring), fill=(*plate, 255))
    left = float(pad + ring)
    for (run, font), box in zip(runs, boxes, strict=True):
        top = pad + ring + (tall - (box[3] - box[1])) / 2 - box[1]
        draw.text((left, round(top)), run, font=font, fill=(*ink, 255))
        left += font.getlength(run)
    return image


def _runs(text: str, text_height: int) -> list[tuple[str, FreeTypeFont]]:
    """Split a text by script; each part gets the font in which it is `text_height` high."""
    runs: list[str] = []
    for char in text:
        if runs and runs[-1][-1].isascii() == char.isascii():
            runs[-1] += char
        else:
            runs.append(char)
    return [(run, _font("latin" if run.isascii() else "han", run, text_height)) for run in runs]


@lru_cache(maxsize=64)
def _font(name: str, text: str, text_height: int) -> FreeTypeFont:
    """Return a font in which every character of `text` is at least `text_height` pixels high."""
    from PIL import ImageFont

    size = text_height
    glyphs = io.BytesIO((files("sdk") / "fonts" / f"{name}.ttf").read_bytes())
    font = ImageFont.truetype(glyphs, size)
    while min(_ink(font, char) for char in text if char != " ") < text_height:
        size += 1
        font = font.font_variant(size=size)
    return font


def _ink(font: FreeTypeFont, char: str) -> int:
    _, top, _, foot = font.getbbox(char)
    return round(foot - top)
