"""What ordinary software does to pictures, for measuring what a mark survives.

    changed = GRID["JPEG 75"].apply(picture, rng)

Ordinary transforms only: nothing here is made to remove a mark.  Where chance decides, a place or
an angle, it is the caller's generator that decides.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Apply = Callable[[Image.Image, np.random.Generator], Image.Image]

_BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class Change:
    """One transform of the grid."""

    name: str
    family: str
    """`re-encoding`, `size`, `place`, `shape`, `tone`, `detail` or `chain`."""
    apply: Apply
    quick: bool = False
    """Whether it belongs to the subset that takes less than a minute."""


def encoded(picture: Image.Image, kind: str, quality: int) -> Image.Image:
    """Encode and decode; JPEG with 4:2:0 chroma."""
    file = io.BytesIO()
    options = {"subsampling": 2} if kind == "jpeg" else {}
    picture.save(file, kind, quality=quality, **options)
    return Image.open(file).convert("RGB")


def resized(picture: Image.Image, across: float, down: float) -> Image.Image:
    """Scale the two axes."""
    size = max(1, round(picture.width * across)), max(1, round(picture.height * down))
    return picture.resize(size, _BICUBIC)


def cropped(picture: Image.Image, area: float, rng: np.random.Generator) -> Image.Image:
    """Keep a share of the area, same aspect ratio, anywhere."""
    width, height = (int(n * math.sqrt(area)) for n in picture.size)
    x = int(rng.integers(picture.width - width + 1))
    y = int(rng.integers(picture.height - height + 1))
    return picture.crop((x, y, x + width, y + height))


def sheared(picture: Image.Image, degrees: float) -> Image.Image:
    """Shift rows sideways; what comes in is black."""
    t = math.tan(math.radians(degrees))
    data = (1, t, -t * picture.height / 2, 0, 1, 0)
    return picture.transform(picture.size, Image.Transform.AFFINE, data, _BICUBIC)


def padded(picture: Image.Image, share: float) -> Image.Image:
    """Put a white border around."""
    edge = round(picture.height * share)
    out = Image.new("RGB", (picture.width + 2 * edge, picture.height + 2 * edge), "white")
    out.paste(picture, (edge, edge))
    return out


def written_on(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Write six lines of text over it."""
    out = picture.copy()
    draw = ImageDraw.Draw(out)
    for line in range(6):
        at = (int(rng.integers(out.width // 2)), out.height * line // 6)
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        draw.text(at, "sample text 0123", fill=colour, font_size=max(12, out.height // 14))
    return out


def pasted(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put it at 60 % into a page with text around."""
    small = resized(picture, 0.6, 0.6)
    page = Image.new("RGB", (int(picture.width * 1.3), int(picture.height * 1.3)), (245, 245, 245))
    page = written_on(page, rng)
    x, y = (int(rng.integers(a - b)) for a, b in zip(page.size, small.size, strict=True))
    page.paste(small, (x, y))
    return page


def noisy(picture: Image.Image, sigma: float, rng: np.random.Generator) -> Image.Image:
    """Add Gaussian noise to each channel."""
    pixels: NDArray[np.float64] = np.asarray(picture) + rng.normal(
        0, sigma, (*picture.size[::-1], 3)
    )
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def toned(picture: Image.Image, gamma: float) -> Image.Image:
    """Raise levels to a power."""
    table = [round(255 * (v / 255) ** gamma) for v in range(256)]
    return picture.point(table * 3)


def social(picture: Image.Image) -> Image.Image:
    """Shrink to at most 1080 px, or to 75 %, then JPEG 71."""
    factor = min(0.75, 1080 / max(picture.size))
    return encoded(resized(picture, factor, factor), "jpeg", 71)


def screenshot(picture: Image.Image) -> Image.Image:
    """Scale to 83 % and to 110 %, frame in white, JPEG 85."""
    shown = resized(resized(picture, 0.83, 0.83), 1.1, 1.1)
    return encoded(padded(shown, 0.04), "jpeg", 85)


def _jpeg(quality: int) -> Apply:
    return lambda p, r: encoded(p, "jpeg", quality)


def _scale(across: float, down: float) -> Apply:
    return lambda p, r: resized(p, across, down)


def _crop(area: float) -> Apply:
    return lambda p, r: cropped(p, area, r)


def _turn(degrees: float) -> Apply:
    return lambda p, r: p.rotate(degrees, _BICUBIC)


def _flip(method: Image.Transpose) -> Apply:
    return lambda p, r: p.transpose(method)


def _bright(factor: float) -> Apply:
    return lambda p, r: ImageEnhance.Brightness(p).enhance(factor)


def _contrast(factor: float) -> Apply:
    return lambda p, r: ImageEnhance.Contrast(p).enhance(factor)


def _colour(factor: float) -> Apply:
    return lambda p, r: ImageEnhance.Color(p).enhance(factor)


def _dimmed_crop(p: Image.Image, r: np.random.Generator) -> Image.Image:
    return _bright(0.5)(cropped(encoded(p, "jpeg", 40), 0.71, r), r)


def _turned_crop(p: Image.Image, r: np.random.Generator) -> Image.Image:
    return encoded(cropped(p.rotate(5, _BICUBIC), 0.75, r), "jpeg", 75)


_ALL = (
    Change("none", "re-encoding", lambda p, r: p, quick=True),
    Change("JPEG 90", "re-encoding", _jpeg(90)),
    Change("JPEG 75", "re-encoding", _jpeg(75), quick=True),
    Change("JPEG 50", "re-encoding", _jpeg(50), quick=True),
    Change("JPEG 30", "re-encoding", _jpeg(30)),
    Change("WebP 80", "re-encoding", lambda p, r: encoded(p, "webp", 80), quick=True),
    Change("AVIF 60", "re-encoding", lambda p, r: encoded(p, "avif", 60)),
    Change("0.5x", "size", _scale(0.5, 0.5), quick=True),
    Change("0.25x", "size", _scale(0.25, 0.25)),
    Change("2x", "size", _scale(2, 2)),
    Change("crop 50 %", "place", _crop(0.5), quick=True),
    Change("crop 25 %", "place", _crop(0.25)),
    Change("crop 10 %", "place", _crop(0.1)),
    Change("padding 25 %", "place", lambda p, r: padded(p, 0.25)),
    Change("into a page at 60 %", "place", pasted),
    Change("rotation 5", "shape", _turn(5), quick=True),
    Change("rotation 30", "shape", _turn(30)),
    Change("rotation 90", "shape", _flip(Image.Transpose.ROTATE_90)),
    Change("rotation, any", "shape", lambda p, r: p.rotate(float(r.uniform(0, 360)), _BICUBIC)),
    Change("mirror", "shape", _flip(Image.Transpose.FLIP_LEFT_RIGHT), quick=True),
    Change("upside down", "shape", _flip(Image.Transpose.FLIP_TOP_BOTTOM)),
    Change("aspect 1.3", "shape", _scale(1.3, 1), quick=True),
    Change("aspect 0.7", "shape", _scale(0.7, 1)),
    Change("shear 5", "shape", lambda p, r: sheared(p, 5)),
    Change("brightness 0.5", "tone", _bright(0.5), quick=True),
    Change("brightness 1.5", "tone", _bright(1.5)),
    Change("contrast 0.6", "tone", _contrast(0.6)),
    Change("contrast 1.5", "tone", _contrast(1.5)),
    Change("saturation 1.5", "tone", _colour(1.5)),
    Change("grey", "tone", _colour(0)),
    Change("gamma 0.6", "tone", lambda p, r: toned(p, 0.6)),
    Change("noise 10", "detail", lambda p, r: noisy(p, 10, r)),
    Change("blur 2", "detail", lambda p, r: p.filter(ImageFilter.GaussianBlur(2))),
    Change("median 5", "detail", lambda p, r: p.filter(ImageFilter.MedianFilter(5))),
    Change("text over it", "detail", written_on),
    Change("screenshot", "chain", lambda p, r: screenshot(p), quick=True),
    Change("social", "chain", lambda p, r: social(p), quick=True),
    Change("0.5x, JPEG 50", "chain", lambda p, r: encoded(resized(p, 0.5, 0.5), "jpeg", 50)),
    Change("crop 50 %, JPEG 75", "chain", lambda p, r: encoded(cropped(p, 0.5, r), "jpeg", 75)),
    Change("JPEG 40, crop 71 %, brightness 0.5", "chain", _dimmed_crop),
    Change("rotation 5, crop 75 %, JPEG 75", "chain", _turned_crop),
)
GRID: Mapping[str, Change] = {change.name: change for change in _ALL}
"""Name → transform, family by family."""
QUICK = tuple(change.name for change in _ALL if change.quick)
