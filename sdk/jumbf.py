"""Finds the C2PA manifest store in the bytes of a file, without judging it.

    store = manifest_store(data, "image/jpeg")  # the JUMBF box itself

Formats: C2PA 2.2, A.3 (embedding); ISO/IEC 19566-5 (JUMBF); JPEG segments as in its Annex A.
"""

from __future__ import annotations

from collections.abc import Iterator

_STORE = b"jumd\x63\x32\x70\x61\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""A description box whose UUID says that its superbox is a C2PA manifest store."""
MAX_STORE = 64 * 1024 * 1024
MAX_LABEL = 1024
_APP11, _SOS = 0xEB, 0xDA


def manifest_store(data: bytes, media_type: str) -> bytes:
    """Return the manifest store as one JUMBF box; empty when there is none.

    Looks for the first superbox of C2PA's type; what it holds is for `read_manifests` to judge.
    """
    if media_type == "image/jpeg":
        data = _joined(data)
    at = data.find(_STORE)
    start = at - 12  # LBox and TBox of the superbox, LBox of the description
    if at < 12 or data[start + 4 : start + 8] != b"jumb":
        return b""
    length = int.from_bytes(data[start : start + 4])
    if length > MAX_STORE or start + length > len(data):
        return b""
    return data[start : start + length]


def active_label(store: bytes) -> str:
    """Return the label of the store's active manifest, its last; empty where there is none.

    C2PA 2.2, section 11.1.4: the last manifest superbox of the store is the active one.
    """
    at = 8 + int.from_bytes(store[8:12])  # over the header and the description of the store
    label = ""
    while at + 8 <= len(store):
        length = int.from_bytes(store[at : at + 4])
        if length < 8 or at + length > len(store):
            break
        if store[at + 4 : at + 8] == b"jumb":
            label = _label(store[at + 8 : at + length])
        at += length
    return label


def _label(box: bytes) -> str:
    """The label in a description box: 8 header, 16 UUID, 1 toggles, then text up to a zero."""
    end = box.find(b"\0", 25, 25 + MAX_LABEL)
    labelled = box[4:8] == b"jumd" and len(box) > 25 and box[24] & 2
    return box[25:end].decode("utf-8", "replace") if labelled and end > 25 else ""


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each marker segment before the picture data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SOS:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end <= at + 3:
            return
        yield at, end
        at = end


def _is_jumbf(data: bytes, at: int) -> bool:
    return data[at + 1] == _APP11 and data[at + 4 : at + 6] == b"JP"


def _joined(data: bytes) -> bytes:
    """Join the JUMBF segments: each has marker, length, JP, instance, number, LBox and TBox."""
    parts: list[bytes] = []
    for at, end in _jpeg_segments(data):
        if _is_jumbf(data, at):
            number = int.from_bytes(data[at + 8 : at + 12])
            body = at + 12 if number == 1 else at + 20  # later ones repeat LBox and TBox
            parts.append(data[body:end])
    return b"".join(parts)
