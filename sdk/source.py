"""The file to judge: opened without waiting, read once, whatever it is."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sdk.claims import MAX_SCAN
from sdk.engine import read_crjson
from sdk.errors import VerifyError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.manifests import ManifestStore, read_manifests
from sdk.report import harmless
from sdk.types import JSON

IN_MEMORY = 64 * 1024 * 1024
"""Larger files are read piece by piece, and their pixels are not looked at."""
_REQUESTS = 50_000
"""Requests to read or to move that a reader of manifests may make.  A PNG of 4096² takes 13,500."""
_ISO = frozenset(
    {"video/mp4", "video/quicktime", "audio/mp4", "image/avif", "image/heic", "image/heif"}
)
"""Kinds of file for which the time of c2pa-rs grows with the square of the boxes, 5 s for 40,000,
of which it asks 440,000 times."""
_BYTES_A_REQUEST, _BYTES_A_REQUEST_ISO = 16, 256
"""Bytes of the file that allow one request more; a GIF needs 64, a picture in AVIF 9,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file to judge."""

    name: str
    size: int
    sha256: str
    media_type: str
    data: bytes
    """All of it, or its beginning when it is larger than `IN_MEMORY`."""
    stream: BinaryIO

    @property
    def is_whole(self) -> bool:
        """Whether `data` is the whole file."""
        return len(self.data) == self.size

    @property
    def is_bare(self) -> bool:
        """Whether no manifest can be in it, nor a word of where one lies.

        Every way to put one there writes one of these names (C2PA 2.2, appendix A); PDF and JPEG XL
        may pack them.
        """
        named = any(name in self.data for name in (b"c2pa", b"C2PA", b"provenance"))
        packs = self.media_type in ("application/pdf", "image/jxl")
        return self.is_whole and not named and not packs

    def manifests(self, anchors: bytes, identities: bytes = b"") -> ManifestStore | None:
        """Read the manifest store, judged under these roots.

        Raises:
            VerifyError: the file is in so many pieces that reading it would take too long.
        """
        with self._patient() as stream:
            return read_manifests(
                stream, self.media_type, anchors=anchors, identities=identities, details=True
            )

    def crjson(self, anchors: bytes, identities: bytes = b"") -> dict[str, JSON] | None:
        """Return the manifests as crJSON, judged under these roots; None without a manifest.

        Raises:
            VerifyError: as `manifests`.
        """
        with self._patient() as stream:
            return read_crjson(stream, self.media_type, anchors=anchors, identities=identities)

    @contextmanager
    def _patient(self) -> Iterator[BinaryIO]:
        """Lend the file to a reader, and give an error where it lost patience."""
        stream = cast(BinaryIO, io.BytesIO(self.data)) if self.is_whole else self.stream
        stream.seek(0)
        each = _BYTES_A_REQUEST_ISO if self.media_type in _ISO else _BYTES_A_REQUEST
        patience = _REQUESTS + self.size // each
        patient = _Patient(stream, patience)
        yield cast(BinaryIO, patient)
        if patient.left < 0:
            raise VerifyError(
                f"asked to verify {self.name}, found {self.size:,} bytes in so many pieces that "
                f"{patience:,} requests do not read them; write the file anew"
            )


class _Patient:
    """A stream that answers so many requests and then no more."""

    def __init__(self, stream: BinaryIO, patience: int) -> None:
        self.left = patience
        self._readinto = cast(io.BytesIO, stream).readinto
        self._seek = stream.seek
        self.tell, self.write, self.flush = stream.tell, stream.write, stream.flush
        self.read = stream.read

    def readinto(self, buffer: bytearray) -> int:
        """Read as the stream does."""
        self.left -= 1
        if self.left < 0:
            raise OSError("no patience is left")
        return self._readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as the stream does."""
        self.left -= 1
        if self.left < 0:
            raise OSError("no patience is left")
        return self._seek(offset, whence)


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file without waiting for anybody.

    Raises:
        VerifyError: missing, a loop of links, a folder, pipe or device, or not readable.
    """
    shown = harmless(str(path))
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        raise VerifyError(f"asked to verify {shown}, found: {why}; check the path") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise VerifyError(f"asked to verify {shown}, found no regular file; give a picture file")
    return os.fdopen(handle, "rb")


def read_source(file: BinaryIO, name: str) -> Source:
    """Read a file once: digest, type, and its bytes when they fit.

    Raises:
        VerifyError: it is empty, or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        data = file.read(IN_MEMORY)
        digest.update(data)
        size = len(data)
        while piece := file.read(1024 * 1024):
            digest.update(piece)
            size += len(piece)
    except OSError as exc:
        raise VerifyError(
            f"asked to verify {harmless(name)}, found: {exc.strerror}; check the disk"
        ) from exc
    if not data:
        raise VerifyError(f"asked to verify {harmless(name)}, found an empty file; give a picture")
    return Source(
        name=harmless(name),
        size=size,
        sha256=digest.hexdigest(),
        media_type=media_type_of(data[:HEAD_BYTES]),
        data=data if size == len(data) else data[:MAX_SCAN],
        stream=file,
    )
