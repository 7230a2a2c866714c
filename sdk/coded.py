"""Tells the coded picture in a file from all that stands around it.

    shell = Shell.of(signed, "image/webp")      # the file without its coded picture
    shell.filled(stripped)                      # the signed file again, byte for byte; or None

Who strips metadata leaves the compressed picture as it is, and moves what follows it.  With the
shell kept, the file can be put together again whichever of its metadata were taken.  It is done
only where nothing stands in the stripped file that is not in the signed one: what was added or
changed is no stripping.  Containers: ISO/IEC 15948 (PNG), ITU-T T.81 annex B (JPEG), RFC 9649
(WebP), ISO/IEC 14496-12 (AVIF), TIFF 6.0.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

MAX_PIECES = 4096
"""Chunks, segments, boxes or tags of a file that are looked at."""
_C2PA_BOX = b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81"
"""User type of the box that holds a manifest store (C2PA 2.2, A.5)."""
_OFFSETS, _COUNTS, _MANIFEST = 273, 279, 52545
"""TIFF tags: StripOffsets, StripByteCounts, and C2PA's (C2PA 2.2, A.3.8)."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""TIFF type → bytes of a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Halves:
    """A file, taken apart."""

    coded: bytes
    at: int
    """Where the coded picture begins; it may go on elsewhere."""
    around: Counter[bytes]
    """Everything else but manifests and what says where things stand; order plays no part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A file without its coded picture."""

    media_type: str
    offset: int
    """Where the coded picture belongs."""
    data: bytes

    @classmethod
    def of(cls, file: bytes, media_type: str) -> Shell | None:
        """Return the shell of a file; None where its coded picture is not one piece."""
        halves = _halves(file, media_type)
        if halves is None or not halves.coded:
            return None
        end = halves.at + len(halves.coded)
        if file[halves.at : end] != halves.coded:
            return None
        return cls(media_type=media_type, offset=halves.at, data=file[: halves.at] + file[end:])

    def filled(self, stripped: bytes) -> bytes | None:
        """Return the whole file; None where `stripped` has anything that it has not."""
        inner = _halves(stripped, self.media_type)
        if inner is None:
            return None
        whole = self.data[: self.offset] + inner.coded + self.data[self.offset :]
        outer = _halves(whole, self.media_type)
        return whole if outer is not None and inner.around <= outer.around else None


def _halves(file: bytes, media_type: str) -> _Halves | None:
    """Take a file apart; None for one that is damaged, or of a kind that is not known here."""
    pieces = _KINDS.get(media_type)
    if pieces is None:
        return None
    coded: list[bytes] = []
    around: Counter[bytes] = Counter()
    first = 0
    try:
        for count, (at, body, is_coded) in enumerate(pieces(file)):
            if count > MAX_PIECES:
                return None
            if is_coded:
                first = first if coded else at
                coded.append(body)
            else:
                around[body] += 1
    except (struct.error, KeyError, ValueError):
        return None
    return _Halves(coded=b"".join(coded), at=first, around=around)


_Piece = tuple[int, bytes, bool]
"""Where it stands, its bytes, and whether they are coded picture."""


def _png(file: bytes) -> Iterator[_Piece]:
    at = 8
    while at < len(file):
        length, name = struct.unpack_from(">I4s", file, at)
        end = at + 12 + length
        if end > len(file):
            raise ValueError("a chunk goes over the end")
        if name == b"IDAT":
            yield at + 8, file[at + 8 : end - 4], True
        elif name != b"caBX":
            yield at, file[at:end], False
        at = end


def _jpeg(file: bytes) -> Iterator[_Piece]:
    """Everything from the first scan to the last end marker is coded picture."""
    at = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", file, at)
        end = at + 2 + length
        if mark != 0xFF or kind in (0x00, 0xFF) or end > len(file):
            raise ValueError("no segment")
        if kind == 0xDA:
            break
        if not (kind == 0xEB and file[at + 4 : at + 6] == b"JP"):
            yield at, file[at:end], False
        at = end
    end = file.rindex(b"\xff\xd9") + 2
    yield at, file[at:end], True
    if end < len(file):
        yield end, file[end:], False


def _webp(file: bytes) -> Iterator[_Piece]:
    """VP8X says which metadata follow and how large the canvas is; only the second is said."""
    at = 12
    while at < len(file):
        name, length = struct.unpack_from("<4sI", file, at)
        end = at + 8 + length + length % 2
        if end > len(file):
            raise ValueError("a chunk goes over the end")
        if name == b"VP8X":
            yield at, file[at + 12 : end], False
        elif name != b"C2PA":
            yield at, file[at:end], name in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
        at = end


def _avif(file: bytes) -> Iterator[_Piece]:
    boxes = [*islice(_boxes(file), MAX_PIECES + 1)]
    data_at = next((at for at, name, _ in boxes if name == b"mdat"), 0)
    for at, name, body in boxes:
        if name == b"meta":
            yield at, _without_place(body, data_at), False
        elif name not in (b"free", b"skip") and not (name == b"uuid" and body[8:24] == _C2PA_BOX):
            yield at, body, name == b"mdat"


def _boxes(file: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    at = 0
    while at < len(file):
        length, name = struct.unpack_from(">I4s", file, at)
        if length < 8 or at + length > len(file):
            raise ValueError("a box goes over the end, or to it")
        yield at, name, file[at : at + length]
        at += length


def _without_place(meta: bytes, data_at: int) -> bytes:
    """Count the places in an item location box of version 0 from the data box on (8.11.3)."""
    at = meta.find(b"iloc\x00\x00\x00\x00\x44\x00")
    if at < 0:
        return meta
    changed = bytearray(meta)
    (items,) = struct.unpack_from(">H", meta, at + 10)
    at += 12
    for _ in range(items):
        (extents,) = struct.unpack_from(">H", meta, at + 4)
        at += 6
        for _ in range(extents):
            (offset,) = struct.unpack_from(">I", meta, at)
            struct.pack_into(">I", changed, at, (offset - data_at) % 2**32)
            at += 8
    return bytes(changed)


def _tiff(file: bytes) -> Iterator[_Piece]:
    """Look at one picture in strips; a tag is said by its value, wherever that stands."""
    order = "<" if file[:2] == b"II" else ">"
    (table,) = struct.unpack_from(order + "I", file, 4)
    (count,) = struct.unpack_from(order + "H", file, table)
    tags: dict[int, bytes] = {}
    left = len(file)  # values and strips share no bytes: else a small file would unpack to a large
    for at in range(table + 2, table + 2 + 12 * min(count, MAX_PIECES), 12):
        tag, kind, number = struct.unpack_from(order + "HHI", file, at)
        size = _SIZES[kind] * number
        (place,) = struct.unpack_from(order + "I", file, at + 8)
        start = at + 8 if size <= 4 else place
        left -= size
        if start + size > len(file) or tag in tags or left < 0:
            raise ValueError("a value goes over the end, or a tag or its bytes are used twice")
        tags[tag] = file[at : at + 8] + file[start : start + size]
    if struct.unpack_from(order + "I", file, table + 2 + 12 * count) != (0,):
        raise ValueError("more than one picture")
    for start, size in zip(
        _whole(tags[_OFFSETS], order), _whole(tags[_COUNTS], order), strict=True
    ):
        left -= size
        if left < 0:
            raise ValueError("strips use the same bytes")
        yield start, file[start : start + size], True
    for tag, value in tags.items():
        if tag not in (_OFFSETS, _MANIFEST):
            yield 0, value, False


def _whole(value: bytes, order: str) -> list[int]:
    """The numbers of a tag of type SHORT or LONG."""
    if len(value) > 4 * MAX_PIECES:
        raise ValueError("too many strips")
    letter = {3: "H", 4: "I"}[struct.unpack_from(order + "H", value, 2)[0]]
    return [number for (number,) in struct.iter_unpack(order + letter, value[8:])]


_KINDS: dict[str, Callable[[bytes], Iterator[_Piece]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/avif": _avif,
    "image/tiff": _tiff,
}
