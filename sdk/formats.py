"""Tells media types by the first bytes of a file; its name never decides.

media_type_of(data[:64])                # "image/png"; "" when it is none of these
"""

from __future__ import annotations

HEAD_BYTES = 64
"""How much of a file `media_type_of` looks at."""

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xfa", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"BM", "image/bmp"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/avi"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}


def media_type_of(head: bytes) -> str:
    """Return the media type that the first `HEAD_BYTES` of a file show; empty when unknown."""
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _iso(head)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "image/svg+xml" if text.startswith((b"<svg", b"<?xml")) else ""


def _iso(head: bytes) -> str:
    """Look at the major brand, then at the compatible ones (ISO/IEC 14496-12, 4.3)."""
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, HEAD_BYTES, 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    specific = [media_type for media_type in known if media_type != "image/heif"]
    return next(iter([*specific, *known]), "video/mp4")
