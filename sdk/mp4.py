"""AV1 pictures in ISO files: takes them out of MP4 or an AVIF sequence, and writes either.

    track = read_track(pillow_avif)         # the coded frames, as Pillow's encoder made them
    write_mp4(track, xmp=packet)            # what players open
    write_sequence(track)                   # what Pillow's decoder opens

Nothing is coded again: a sequence of AVIF and a film in MP4 hold the same AV1 in the same boxes
under other names.  So films need no encoder but that of Pillow's wheels (libavif with libaom and
dav1d, BSD-2-Clause), and are decoded by the same.  Sections: ISO/IEC 14496-12:2022; "AV1-ISOBMFF"
is AOM's AV1 Codec ISO Media File Format Binding 1.2.0.

Not read: fragments (`moof`), edit lists, more than one film track, codecs other than AV1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sdk.av1 import check_sizes
from sdk.errors import OutputError

MOST_SAMPLES = 240
"""Frames that are taken out of a file; of a longer film the first ones."""
_MOST_BOXES = 4096
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""User type of the box that holds an XMP packet (XMP specification part 3, table 10)."""
_DELIMITER = b"\x12\x00"
"""A temporal delimiter, which a sample should not have (AV1-ISOBMFF, 2.4)."""
_UNITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_NO_LANGUAGE = b"\x55\xc4\0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Coded frames in the order in which they are shown."""

    width: int
    height: int
    timescale: int
    """Ticks a second."""
    ticks: tuple[int, ...]
    """How long each frame is shown."""
    codec: bytes
    """The boxes `av1C` and, where there is one, `colr`."""
    samples: tuple[bytes, ...]
    """One temporal unit of AV1 each, without delimiter."""
    alone: tuple[int, ...]
    """Numbers, from 1, of frames that need no other."""


def read_track(data: bytes) -> Track:
    """Return the first track of pictures, at most `MOST_SAMPLES` frames of it.

    Raises:
        OutputError: damaged, in fragments, or coded otherwise than in AV1.
    """
    try:
        return _track(data)
    except (struct.error, StopIteration, ValueError, IndexError) as exc:
        raise OutputError(f"asked to read a film, found {exc or 'boxes missing'}") from exc


def write_mp4(track: Track, *, xmp: bytes | None = None) -> bytes:
    """Return the file that players open: `ftyp`, the packet, `moov`, then the frames."""
    head = _box(b"ftyp", b"isom", bytes(4), b"isomiso6av01mp41")
    return _file(track, head + (_box(b"uuid", _XMP, xmp) if xmp else b""), b"vide")


def write_sequence(track: Track) -> bytes:
    """Return the same frames as an AVIF sequence (AVIF 1.1.0, section 6.3)."""
    return _file(track, _box(b"ftyp", b"avis", bytes(4), b"avismsf1miafMA1B"), b"pict")


def _track(data: bytes) -> Track:
    moov = _one(data, (0, len(data)), b"moov")
    for name, start, end in _boxes(data, *moov):
        if name != b"trak":
            continue
        media = _one(data, (start, end), b"mdia")
        at, _ = _one(data, media, b"hdlr")
        if data[at + 8 : at + 12] in (b"vide", b"pict"):
            return _pictures(data, media)
    raise ValueError("no track of pictures")


def _pictures(data: bytes, media: tuple[int, int]) -> Track:
    at, _ = _one(data, media, b"mdhd")
    (timescale,) = struct.unpack_from(">I", data, at + (20 if data[at] == 1 else 12))
    table = _one(data, _one(data, media, b"minf"), b"stbl")
    at, end = _one(data, table, b"stsd")
    name, at, end = next(_boxes(data, at + 8, end))
    if name != b"av01":
        raise ValueError(f"pictures coded as {name.decode('latin-1')!r}; only AV1 is read")
    width, height = struct.unpack_from(">HH", data, at + 24)
    samples = tuple(_samples(data, table))
    if not samples:
        raise ValueError("no frames; films in fragments are not read")
    check_sizes(samples, (width, height))
    inner = [(n, data[s - 8 : e]) for n, s, e in _boxes(data, at + 78, end)]
    count = len(samples)
    ticks = tuple(islice(_ticks(data, table), count))
    if len(ticks) != count or not timescale:
        raise ValueError("frames without a time")
    return Track(
        width=width,
        height=height,
        timescale=timescale,
        ticks=ticks,
        codec=b"".join(box for name, box in inner if name in (b"av1C", b"colr")),
        samples=samples,
        alone=tuple(number for number in _alone(data, table, count) if number <= count),
    )


def _samples(data: bytes, table: tuple[int, int]) -> Iterator[bytes]:
    """Follow chunks to samples (8.7.3 to 8.7.5); together they are no longer than the file."""
    at, _ = _one(data, table, b"stsz")
    same, count = struct.unpack_from(">II", data, at + 4)
    count = min(count, MOST_SAMPLES)
    sizes = [same] * count if same else list(struct.unpack_from(f">{count}I", data, at + 12))
    if sum(sizes) > len(data):
        raise ValueError("frames of more bytes than the file has")
    left = iter(sizes)
    for place, number in _chunks(data, table):
        for size in islice(left, number):
            if place + size > len(data):
                raise ValueError("a frame goes over the end")
            yield data[place : place + size].removeprefix(_DELIMITER)
            place += size


def _chunks(data: bytes, table: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Where each chunk begins, and how many samples it has."""
    names = {name: start for name, start, _ in _boxes(data, *table)}
    wide = b"stco" not in names
    at = names.get(b"co64", 0) if wide else names[b"stco"]
    if not at or b"stsc" not in names:
        raise ValueError("no places of frames")
    (count,) = struct.unpack_from(">I", data, at + 4)
    count = min(count, MOST_SAMPLES)
    places = struct.unpack_from(f">{count}{'Q' if wide else 'I'}", data, at + 8)
    at = names[b"stsc"]
    (runs,) = struct.unpack_from(">I", data, at + 4)
    table_of_runs = [
        struct.unpack_from(">II", data, at + 8 + 12 * index)
        for index in range(min(runs, MOST_SAMPLES))
    ]
    for chunk, place in enumerate(places, 1):
        yield place, max((run for run in table_of_runs if run[0] <= chunk), default=(0, 0))[1]


def _ticks(data: bytes, table: tuple[int, int]) -> Iterator[int]:
    at, _ = _one(data, table, b"stts")
    (runs,) = struct.unpack_from(">I", data, at + 4)
    for index in range(min(runs, MOST_SAMPLES)):
        count, ticks = struct.unpack_from(">II", data, at + 8 + 8 * index)
        yield from (ticks for _ in range(min(count, MOST_SAMPLES)))


def _alone(data: bytes, table: tuple[int, int], count: int) -> Iterator[int]:
    """Frames that need no other; without the box all are such (8.6.2)."""
    start = next((start for name, start, _ in _boxes(data, *table) if name == b"stss"), 0)
    if not start:
        yield from range(1, count + 1)
        return
    (known,) = struct.unpack_from(">I", data, start + 4)
    yield from struct.unpack_from(f">{min(known, MOST_SAMPLES)}I", data, start + 8)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, beginning and end of each box's content (4.2)."""
    for _ in range(_MOST_BOXES):
        if at >= end:
            return
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        size = size or end - at
        if size < head or at + size > end:
            raise ValueError("a box goes over the end of another")
        yield name, at + head, at + size
        at += size
    raise ValueError(f"more than {_MOST_BOXES} boxes")


def _one(data: bytes, within: tuple[int, int], wanted: bytes) -> tuple[int, int]:
    """Beginning and end of the content of the first box of a name."""
    for name, start, end in _boxes(data, *within):
        if name == wanted:
            return start, end
    raise ValueError(f"no box {wanted.decode()}")


def _file(track: Track, head: bytes, handler: bytes) -> bytes:
    """The frames stand in one chunk behind everything else, so that players may begin at once."""
    place = len(head) + len(_moov(track, handler, 0)) + 8
    return head + _moov(track, handler, place) + _box(b"mdat", *track.samples)


def _moov(track: Track, handler: bytes, place: int) -> bytes:
    length = sum(track.ticks)
    size = struct.pack(">II", track.width << 16, track.height << 16)
    shown = struct.pack(">IIIII", 0, 0, 1, 0, length) + bytes(16) + _UNITY + size
    header = _full(b"mdhd", 0, struct.pack(">IIII", 0, 0, track.timescale, length), _NO_LANGUAGE)
    media = (header, _full(b"hdlr", 0, bytes(4), handler, bytes(13)), _minf(track, place))
    rate = struct.pack(">IIIIIH", 0, 0, track.timescale, length, 1 << 16, 1 << 8)
    movie = _full(b"mvhd", 0, rate, bytes(10), _UNITY, bytes(24), struct.pack(">I", 2))
    return _box(b"moov", movie, _box(b"trak", _full(b"tkhd", 3, shown), _box(b"mdia", *media)))


def _minf(track: Track, place: int) -> bytes:
    entry = struct.pack(">HH", track.width, track.height)
    resolution = struct.pack(">III", 72 << 16, 72 << 16, 0)
    codec = _box(
        b"av01",
        bytes(6) + b"\0\x01" + bytes(16) + entry + resolution,
        b"\0\x01" + bytes(32) + b"\0\x18\xff\xff",
        track.codec,
    )
    sizes = [len(sample) for sample in track.samples]
    runs = b"".join(struct.pack(">II", 1, ticks) for ticks in track.ticks)
    table = _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), codec),
        _full(b"stts", 0, struct.pack(">I", len(track.ticks)), runs),
        _full(b"stsc", 0, struct.pack(">IIII", 1, 1, len(sizes), 1)),
        _full(b"stsz", 0, struct.pack(f">II{len(sizes)}I", 0, len(sizes), *sizes)),
        _full(b"stco", 0, struct.pack(">II", 1, place)),
        _full(b"stss", 0, struct.pack(f">I{len(track.alone)}I", len(track.alone), *track.alone)),
    )
    here = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    return _box(b"minf", _full(b"vmhd", 1, bytes(8)), here, table)


def _box(name: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)


def _full(name: bytes, flags: int, *parts: bytes) -> bytes:
    """A box of version 0."""
    return _box(name, struct.pack(">I", flags), *parts)
