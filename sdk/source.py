"""The file to judge: opened without waiting, read once, whatever it is."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sdk.claims import MAX_SCAN
from sdk.engine import read_crjson
from sdk.errors import VerifyError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.manifests import ManifestStore, read_manifests
from sdk.report import harmless
from sdk.types import JSON

IN_MEMORY = 64 * 1024 * 1024
"""Larger files are read piece by piece, and their pixels are not looked at."""


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

    def manifests(self, anchors: bytes, identities: bytes = b"") -> ManifestStore | None:
        """Read the manifest store, judged under these roots."""
        if not self.is_whole:
            self.stream.seek(0)
        source = self.data if self.is_whole else self.stream
        return read_manifests(
            source, self.media_type, anchors=anchors, identities=identities, details=True
        )

    def crjson(self, anchors: bytes, identities: bytes = b"") -> dict[str, JSON] | None:
        """Return the manifests as crJSON, judged under these roots; None without a manifest."""
        if not self.is_whole:
            self.stream.seek(0)
        source = self.data if self.is_whole else self.stream
        return read_crjson(source, self.media_type, anchors=anchors, identities=identities)


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
