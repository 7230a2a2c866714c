"""What ordinary software does to pictures, for measuring what the mark survives.

Ordinary transforms only: nothing here is made to remove a mark.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Transform = Callable[[Image.Image, np.random.Generator], Image.Image]

_BICUBIC = Image.Resampling.BICUBIC


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


def _jpeg(quality: int) -> Transform:
    return lambda p, r: encoded(p, "jpeg", quality)


def _scale(across: float, down: float) -> Transform:
    return lambda p, r: resized(p, across, down)


def _crop(area: float) -> Transform:
    return lambda p, r: cropped(p, area, r)


def _turn(degrees: float) -> Transform:
    return lambda p, r: p.rotate(degrees, _BICUBIC)


def _flip(method: Image.Transpose) -> Transform:
    return lambda p, r: p.transpose(method)


def _bright(factor: float) -> Transform:
    return lambda p, r: ImageEnhance.Brightness(p).enhance(factor)


def _contrast(factor: float) -> Transform:
    return lambda p, r: ImageEnhance.Contrast(p).enhance(factor)


TRANSFORMS: Mapping[str, Transform] = {
    "none": lambda p, r: p,
    "JPEG 75": _jpeg(75),
    "JPEG 50": _jpeg(50),
    "JPEG 30": _jpeg(30),
    "WebP 80": lambda p, r: encoded(p, "webp", 80),
    "AVIF 60": lambda p, r: encoded(p, "avif", 60),
    "0.5x": _scale(0.5, 0.5),
    "0.25x": _scale(0.25, 0.25),
    "2x": _scale(2, 2),
    "0.5x, JPEG 50": lambda p, r: encoded(resized(p, 0.5, 0.5), "jpeg", 50),
    "crop 50 %": _crop(0.5),
    "crop 25 %": _crop(0.25),
    "crop 10 %": _crop(0.1),
    "crop 50 %, JPEG 75": lambda p, r: encoded(cropped(p, 0.5, r), "jpeg", 75),
    "rotation 5": _turn(5),
    "rotation 30": _turn(30),
    "rotation 90": _flip(Image.Transpose.ROTATE_90),
    "mirror": _flip(Image.Transpose.FLIP_LEFT_RIGHT),
    "aspect 1.3": _scale(1.3, 1),
    "aspect 0.7": _scale(0.7, 1),
    "shear 5": lambda p, r: sheared(p, 5),
    "screenshot": lambda p, r: screenshot(p),
    "social": lambda p, r: social(p),
    "JPEG 40, crop 71 %, brightness 0.5": lambda p, r: ImageEnhance.Brightness(
        cropped(encoded(p, "jpeg", 40), 0.71, r)
    ).enhance(0.5),
    "rotation 5, crop 75 %, JPEG 75": lambda p, r: encoded(
        cropped(p.rotate(5, _BICUBIC), 0.75, r), "jpeg", 75
    ),
    "brightness 0.5": _bright(0.5),
    "brightness 1.5": _bright(1.5),
    "contrast 0.6": _contrast(0.6),
    "contrast 1.5": _contrast(1.5),
    "grey": lambda p, r: ImageEnhance.Color(p).enhance(0),
    "gamma 0.6": lambda p, r: toned(p, 0.6),
    "noise 10": lambda p, r: noisy(p, 10, r),
    "blur 2": lambda p, r: p.filter(ImageFilter.GaussianBlur(2)),
    "median 5": lambda p, r: p.filter(ImageFilter.MedianFilter(5)),
    "text over it": written_on,
    "padding 25 %": lambda p, r: padded(p, 0.25),
    "into a page at 60 %": pasted,
}
"""Name → transform."""
