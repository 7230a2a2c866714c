"""What a viewer shows of a file: for looking at pictures that the door for pixels refuses.

A detector may look at what must not be drawn from: 16 bits, CMYK, several frames.  Colours are
only as right as Pillow makes them without a profile, which is enough to look for a mark.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from sdk.encode import decode
from sdk.errors import OutputError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.ifds import bloated, overfull
from sdk.inputs import MAX_PIXELS, MEDIA_TYPES, exif_of
from sdk.mp4 import read_track, write_sequence
from sdk.pixels import Pixels, admit_pixels

FRAMES = 8
"""Frames of an animation that are looked at, spread evenly."""
_MOST_PIXELS = 4 * MAX_PIXELS
"""Of the first frames together: to show a late one, all before it are decoded."""
_FORMATS = (*MEDIA_TYPES, "GIF")


def views(data: bytes) -> Sequence[Pixels]:
    """Return what there is to look at, at least one (H, W, 3) uint8 RGB picture.

    What `decode` opens is returned as it is.  Of animations up to FRAMES frames are returned, of
    films the same among the first 240, of more than 8 bits the upper ones, of CMYK Pillow's RGB.

    Raises:
        OutputError: not a picture, damaged, or too large.
    """
    try:
        return (decode(data),)
    except OutputError as refused:
        try:
            return _frames(data)
        except OutputError:
            raise
        except Exception as exc:  # Pillow raises a dozen kinds for hostile files
            raise refused from exc


def _frames(data: bytes) -> Sequence[Pixels]:
    from PIL import Image

    if _is_film(data):
        data = write_sequence(read_track(data))  # which looks at the sizes of its frames
    if bloated(data):
        raise OutputError("asked to look at a picture whose tags claim more bytes than it has")
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise OutputError(
                f"asked to look at {image.width}x{image.height} pixels; the limit is {MAX_PIXELS:,}"
            )
        count = getattr(image, "n_frames", 1)
        if image.format == "AVIF" and count > 1 and not _is_film(data):
            raise OutputError("asked to look at an AVIF sequence, found that its brand is not avis")
        count = min(count, _MOST_PIXELS // (image.width * image.height))
        found = []
        for frame in sorted({count * i // FRAMES for i in range(FRAMES)}):
            image.seek(frame)
            image.load()
            if overfull(exif_of(image)):
                raise OutputError("asked to look at a picture whose tags claim more than it has")
            found.append(admit_pixels(_shown(image)))
        return tuple(found)


def _is_film(data: bytes) -> bool:
    """Whether there are frames of AV1; an AVIF file of this brand holds a film (1.1.0, 6.3)."""
    return data[4:12] == b"ftypavis" or media_type_of(data[:HEAD_BYTES]) in (
        "video/mp4", "video/quicktime",
    )  # fmt: skip


def _shown(image: object) -> Pixels:
    """8-bit RGB on white, upright."""
    from PIL import Image, ImageOps

    assert isinstance(image, Image.Image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
        values = np.asarray(upright).astype(np.float64)
        white = 65535.0 if upright.mode != "F" else 1.0 if values.max() <= 1 else 255.0
        levels = np.clip(values * (255 / white), 0, 255).astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, axis=2)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        over = upright.convert("RGBA")
        page = Image.new("RGBA", over.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(page, over)
    return np.asarray(upright.convert("RGB"))
