"""Says whether a picture's tags would unpack to more than the file holds, before anything does.

A tag of TIFF or EXIF names a place and a length.  Thousands of tags may name the same megabytes,
and who reads the directory copies them for each: 6 MB became 1.8 GB in Pillow 12.3.  No honest
writer shares values between tags, so their sizes together may not be above that of the data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
"""Bytes of a value by its type (TIFF 6.0, section 2; BigTIFF 16 to 18)."""
_INNER = frozenset({0x014A, 0x8769, 0x8825, 0xA005})
"""Tags that name further directories: SubIFDs, EXIF, GPS, interoperability."""
_MOST = 1000
"""Directories looked at; with more, the file is refused as well."""
_FEW = 16
"""Beginnings of a directory in AVIF; honest files have one or two, chance none."""
_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def bloated(file: bytes) -> bool:
    """Say whether tags of a picture file claim more bytes than it has.

    TIFF; EXIF in JPEG, whose segments are joined first; in AVIF wherever a directory may begin.
    PNG and WebP are asked for their EXIF by who opened them, with `overfull`.
    """
    if file.startswith(_HEADS):
        return overfull(file)
    if file.startswith(b"\xff\xd8"):
        return overfull(b"".join(_segments(file)))
    if file[4:8] == b"ftyp":
        places = list(islice(_places(file), _FEW + 1))
        return len(places) > _FEW or any(overfull(file[at:]) for at in places)
    return False


def overfull(data: bytes) -> bool:
    """Say whether the directories of TIFF or EXIF data claim more bytes than there are."""
    data = data.removeprefix(b"Exif\0\0")
    if not data.startswith(_HEADS):
        return False
    order = "<" if data[:1] == b"I" else ">"
    large = data[2:4] in (b"+\0", b"\0+")
    try:
        (first,) = struct.unpack_from(order + ("8xQ" if large else "4xI"), data)
        return _overfull(data, order, large, first)
    except struct.error:
        return False  # cut short: whoever opens it says so


def _overfull(data: bytes, order: str, large: bool, first: int) -> bool:
    head, entry, link = ("Q", "HHQ8s", "Q") if large else ("H", "HHI4s", "I")
    left, waiting, seen = len(data), [first], set[int]()
    while waiting and left >= 0:
        at = waiting.pop()
        if not at or at in seen:
            continue
        seen.add(at)
        if len(seen) > _MOST:
            return True
        (count,) = struct.unpack_from(order + head, data, at)
        at += struct.calcsize(order + head)
        step = struct.calcsize(order + entry)
        for place in range(at, min(at + step * count, len(data) - step + 1), step):
            tag, kind, number, value = struct.unpack_from(order + entry, data, place)
            left -= (_SIZES[kind] if kind < len(_SIZES) else 0) * number
            if tag in _INNER:
                waiting += _inner(data, order, link, number, value)
        end = at + step * count
        if end + struct.calcsize(order + link) <= len(data):
            waiting += struct.unpack_from(order + link, data, end)
    return left < 0


def _inner(data: bytes, order: str, link: str, number: int, value: bytes) -> list[int]:
    """Where the directories lie that a tag names: in place, or in a list elsewhere."""
    (place,) = struct.unpack(order + link, value)
    if number <= 1:
        return [place]
    number = min(number, _MOST + 1, max(0, len(data) - place) // len(value))
    return list(struct.unpack_from(f"{order}{number}{link}", data, place)) if number else []


def _segments(jpeg: bytes) -> Iterator[bytes]:
    """EXIF of the APP1 segments before the first scan, as readers join it."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        body = jpeg[at + 4 : at + 2 + length]
        if jpeg[at + 1] == 0xE1 and body.startswith(b"Exif\0\0"):
            yield body[6:]
        at += 2 + max(2, length)


def _places(file: bytes) -> Iterator[int]:
    for head in _HEADS:
        at = file.find(head)
        while at >= 0:
            yield at
            at = file.find(head, at + 1)
