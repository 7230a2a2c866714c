"""Pictures become files: once, with all metadata, before the signature.

    packet = xmp_packet(digital_source_type=GENERATED, ai_system="sdxl-turbo")
    data = encode(pixels, "image/png", xmp=packet)
    decode(data)                            # the pixels again, for the read-back

Nothing may be written into a file after it is signed, so what the metadata shall say is given
here.  PNG has a writer of its own, because the usual ones spend 90 to 480 ms on a picture of
1024 × 1024 (benchmarks/bench_encode.py); the other formats are Pillow's.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Protocol, cast

import numpy as np

from sdk.errors import OutputError, RequestError, SDKError
from sdk.inputs import MAX_PIXELS, MEDIA_TYPES, InputImage
from sdk.pixels import Pixels, admit_pixels

QUALITY = {"image/jpeg": 95, "image/webp": 90, "image/avif": 80}
"""Default quality of the lossy formats, 1..100."""
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/tiff": ".tif",
}
"""Media type → usual file suffix."""
_CHROMA = ("4:4:4", "4:2:0")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = b"\x08\x02\x00\x00\x00"  # IHDR: 8 bit, RGB, deflate, adaptive filters, not interlaced
_UP = 2
_OWN_CHUNKS = frozenset({b"IHDR", b"sRGB", b"iTXt", b"caBX", b"IDAT", b"IEND"})


def encode(
    pixels: Pixels,
    media_type: str,
    *,
    xmp: bytes | None = None,
    quality: int | None = None,
    chroma: str = "4:4:4",
    lossless: bool = False,
) -> bytes:
    """Return the file of a picture, (H, W, 3) uint8 RGB, with its XMP packet in it.

    PNG and TIFF are always lossless, WebP when asked.  `quality` is 1..100 (JPEG 95, WebP 90,
    AVIF 80 by default), `chroma` 4:4:4 or 4:2:0 (JPEG and AVIF; WebP knows only 4:2:0).

    Raises:
        OutputError: an unknown format or setting, or the encoder failed.
    """
    if media_type not in SUFFIXES:
        raise OutputError(
            f"asked to encode {media_type!r}, which is not known; give one of {', '.join(SUFFIXES)}"
        )
    if chroma not in _CHROMA:
        raise OutputError(f"asked for chroma {chroma!r}; give {' or '.join(_CHROMA)}")
    if quality is None:
        quality = QUALITY.get(media_type, 100)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise OutputError(f"asked for quality {quality!r}; give a whole number 1..100")
    try:
        pixels = _checked(pixels)
        if media_type == "image/png":
            return _png(pixels, xmp)
        return _pillow(pixels, media_type, xmp, quality, chroma, lossless)
    except OutputError:
        raise
    except Exception as exc:
        raise OutputError(
            f"asked to encode {media_type}, found {exc}; try another format or size"
        ) from exc


def decode(data: bytes) -> Pixels:
    """Return the picture in a file, (H, W, 3) uint8 RGB, upright.

    A PNG by `encode` takes a short way that gives exactly what Pillow gives; everything else
    is opened like an input picture, with its limits.

    Raises:
        OutputError: not a picture, damaged, animated, 16-bit, CMYK or too large.
    """
    pixels = _unpng(data)
    if pixels is not None:
        return pixels
    try:
        return InputImage.decode(data).pixels
    except RequestError as exc:
        raise OutputError(str(exc)) from exc


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Deflate(Protocol):
    """What isal_zlib and zlib have in common."""

    def compress(self, data: object, level: int = ..., /) -> bytes: ...
    def crc32(self, data: object, value: int = ..., /) -> int: ...
    def decompressobj(self) -> _Unpacker: ...


def _checked(pixels: Pixels) -> Pixels:
    try:
        return pixels if pixels.flags.c_contiguous and _fits(pixels) else admit_pixels(pixels)
    except (AttributeError, SDKError) as exc:
        raise OutputError(f"asked to encode a picture: {exc}") from exc


def _fits(pixels: Pixels) -> bool:
    return (
        pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size > 0
    )


def _png(pixels: Pixels, xmp: bytes | None) -> bytes:
    """Write PNG (ISO/IEC 15948): filter Up on every row, one IDAT chunk, deflate level 1.

    At 1024² with isal 12 ms and 1736 KB, Pillow's level 1 takes 89 ms for 1724 KB; one chunk
    instead of hundreds also halves the time to sign.
    """
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, 3 * width)
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    deflate = _deflate()
    chunks = [
        (b"IHDR", struct.pack(">II", width, height) + _RGB8),
        (b"sRGB", b"\x00"),
        *([(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp)] if xmp else []),
        (b"IDAT", deflate.compress(rows, 1)),
        (b"IEND", b""),
    ]
    parts = [_SIGNATURE]
    for name, body in chunks:
        crc = deflate.crc32(body, zlib.crc32(name))
        parts += [struct.pack(">I", len(body)), name, body, struct.pack(">I", crc)]
    return b"".join(parts)


def _deflate() -> _Deflate:
    """Return isal where it is installed (x86-64 and arm64 wheels), zlib elsewhere."""
    try:
        from isal import isal_zlib
    except ImportError:
        return cast("_Deflate", zlib)
    return cast("_Deflate", isal_zlib)


def _unpng(data: bytes) -> Pixels | None:
    """Decode a PNG that `_png` wrote; None when it was written by another."""
    own = _own_chunks(data)
    if own is None:
        return None
    header, packed = own
    width, height = struct.unpack(">II", header[:8])
    if header[8:] != _RGB8 or not 0 < width * height <= MAX_PIXELS:
        return None
    size = height * (1 + 3 * width)
    unpacker = _deflate().decompressobj()
    try:
        raw = unpacker.decompress(packed, size + 1)
    except Exception as exc:  # isal and zlib have an error class each
        raise _damaged(f"{exc}") from exc
    if len(raw) != size or not unpacker.eof:
        raise _damaged(f"{len(raw):,} bytes of pixels for {width}x{height}")
    rows = np.frombuffer(raw, np.uint8).reshape(height, 1 + 3 * width)
    if (rows[:, 0] != _UP).any():
        return None
    flat = np.empty((height, 3 * width), np.uint8)
    flat[0] = rows[0, 1:]
    for row in range(1, height):  # 0.8 ms at 1024², np.add.accumulate along this axis 10.6 ms
        np.add(flat[row - 1], rows[row, 1:], out=flat[row])
    return admit_pixels(flat.reshape(height, width, 3))


def _own_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Return the bodies of IHDR and IDAT; None unless every chunk is of our own kinds."""
    if not data.startswith(_SIGNATURE):
        return None
    crc32 = _deflate().crc32
    found: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while b"IEND" not in found:
        length = int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        crc = data[at + 8 + length : at + 12 + length]
        if len(crc) < 4:
            raise _damaged("it ends before its last chunk")
        if crc != crc32(body, zlib.crc32(name)).to_bytes(4):
            raise _damaged(f"a wrong checksum at byte {at}")
        if name not in _OWN_CHUNKS or (name in found and name != b"iTXt"):
            return None
        found[name] = body
        at += 12 + length
    if len(found.get(b"IHDR", b"")) != 13 or b"IDAT" not in found:
        raise _damaged("no header or no pixels")
    return found[b"IHDR"], found[b"IDAT"]


def _damaged(found: str) -> OutputError:
    return OutputError(f"asked to decode a PNG, found a damaged one ({found}); write it again")


def _pillow(
    pixels: Pixels, media_type: str, xmp: bytes | None, quality: int, chroma: str, lossless: bool
) -> bytes:
    from PIL import Image

    options: dict[str, object] = {"xmp": xmp} if xmp else {}
    if media_type == "image/jpeg":
        options |= {"quality": quality, "subsampling": chroma}
    elif media_type == "image/webp":
        options |= {"quality": quality, "lossless": lossless, "method": 0 if lossless else 4}
    elif media_type == "image/avif":
        options |= {"quality": quality, "subsampling": chroma, "speed": 9, "max_threads": 1}
    else:
        options = {"compression": "tiff_lzw"} | ({"tiffinfo": {_TIFF_XMP: xmp}} if xmp else {})
    kind = next(name for name, known in MEDIA_TYPES.items() if known == media_type)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


_TIFF_XMP = 700
"""Tag of the XMP packet (XMP specification part 3, section 3.3)."""
