"""Pictures that come from outside: opened once, with limits, or refused with a reason.

    InputImage.open("photo.jpg")

The file's bytes are kept as they were, because they may carry Content Credentials that must
become the parent of whatever is made from them.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sdk.errors import PluginError, RequestError
from sdk.ifds import bloated, overfull
from sdk.pixels import Pixels, admit_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not read."""
MAX_PIXELS = 64 * 1024 * 1024
"""A header that claims more is not decoded (decompression bombs)."""
MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputImage:
    """A picture given by a caller.

    Raises:
        RequestError: `data` is not bytes, or `pixels` is not (H, W, 3) uint8.
    """

    data: bytes = field(repr=False)
    """The file as it was given."""
    media_type: str
    pixels: Pixels = field(repr=False)
    """(H, W, 3) uint8 RGB 0..255, transparent parts laid on white."""

    def __post_init__(self) -> None:
        if type(self.data) is not bytes:
            raise RequestError(
                f"asked for a picture of {type(self.data).__name__}; give the file's bytes"
            )
        frozen = isinstance(self.pixels, np.ndarray) and _owner(self.pixels) is bytes
        try:
            pixels = self.pixels.view() if frozen else admit_pixels(self.pixels)
        except PluginError as exc:
            raise RequestError(f"asked for a picture: {exc}") from exc
        object.__setattr__(self, "pixels", pixels)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[0])

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @classmethod
    def open(cls, path: str | Path) -> InputImage:
        """Read a picture file.

        Raises:
            RequestError: missing, not a regular file, too large, or not an 8-bit still picture.
        """
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else exc
            raise RequestError(f"asked to read {path}, found {why}; check the path") from exc
        try:
            return cls.decode(_read(handle, str(path)), name=str(path))
        finally:
            os.close(handle)

    @classmethod
    def decode(cls, data: bytes, *, name: str = "picture") -> InputImage:
        """Decode a picture in PNG, JPEG, WebP, AVIF or TIFF.

        Raises:
            RequestError: truncated, animated, 16-bit, CMYK or larger than the limits.
        """
        from PIL import Image, UnidentifiedImageError

        if not data:
            raise RequestError(f"asked to open {name}, found an empty file; give a picture")
        if bloated(data):
            raise _crowded(name)
        try:
            with Image.open(io.BytesIO(data), formats=list(MEDIA_TYPES)) as image:
                _check(image, name)
                image.load()
                if overfull(exif_of(image)):
                    raise _crowded(name)
                if data.startswith(b"\x89PNG") and data[24] == 16:
                    raise _too_deep(name, "16-bit PNG")  # Pillow would halve it without a word
                media_type = MEDIA_TYPES[_format(image.format)]
                pixels = admit_pixels(_rgb(image))
        except UnidentifiedImageError as exc:
            known = ", ".join(MEDIA_TYPES)
            raise RequestError(
                f"asked to open {name}, found no picture; give one of {known}"
            ) from exc
        except RequestError:
            raise
        except Exception as exc:  # Pillow raises a dozen kinds for hostile files, struct.error too
            raise RequestError(
                f"asked to open {name}, found a damaged picture ({exc}); export it again"
            ) from exc
        return cls(data=data, media_type=media_type, pixels=pixels)


def _read(handle: int, path: str) -> bytes:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise RequestError(f"asked to read {path}, found no regular file; give a picture file")
    if found.st_size > MAX_BYTES:
        raise RequestError(
            f"asked to read {path}, found {found.st_size:,} bytes; the limit is {MAX_BYTES:,}"
        )
    try:
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES)
    except OSError as exc:
        raise RequestError(f"asked to read {path}, found {exc.strerror}; check the disk") from exc


def _owner(array: Pixels) -> type:
    """The type that holds the array's memory; views of views lead to it."""
    base: object = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return type(base)


def _check(image: object, name: str) -> None:
    from PIL import Image

    assert isinstance(image, Image.Image)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise RequestError(
            f"asked to open {name}, found {width}x{height} pixels; the limit is {MAX_PIXELS:,}"
        )
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise RequestError(
            f"asked to open {name}, found an animation of {image.n_frames} frames; "  # type: ignore[attr-defined]
            "give a still picture"
        )
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        raise _too_deep(name, image.mode)
    if image.mode in ("CMYK", "LAB", "YCCK"):
        raise RequestError(
            f"asked to open {name}, found {image.mode} colours; convert it to sRGB with its profile"
        )


def _format(found: str | None) -> str:
    """A phone's JPEG with a gain map or second view behind it is MPO: its first is the picture."""
    return "JPEG" if found == "MPO" else str(found)


def _too_deep(name: str, found: str) -> RequestError:
    return RequestError(
        f"asked to open {name}, found more than 8 bits a channel ({found}); convert it to 8-bit RGB"
    )


def _crowded(name: str) -> RequestError:
    return RequestError(
        f"asked to open {name}, found tags that claim more bytes than it has; export it again"
    )


def exif_of(image: Image) -> bytes:
    """The EXIF of a loaded picture that is no TIFF, empty when it has none."""
    if isinstance(found := image.info.get("exif"), bytes):
        return found
    text = image.info.get("Raw profile type exif")  # ImageMagick's PNG: hexadecimal after 3 lines
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else b""


def _rgb(image: object) -> Pixels:
    from PIL import Image, ImageOps

    assert isinstance(image, Image.Image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        over = upright.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, over)
    return np.asarray(upright.convert("RGB"))
