"""Which files are meant: names, folders and patterns become one list, each file once.

    expand(["a.png", "folder", "b/**/*.jpg"])

In folders every picture, recording, video and PDF counts, by its suffix or by its first bytes;
what is hidden or another kind of file does not, and links to folders are not followed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator

from sdk.errors import VerifyError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.source import open_file

SUFFIXES = (
    *(".avi", ".avif", ".bmp", ".dng", ".flac", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".jxl"),
    *(".m4a", ".m4v", ".mov", ".mp3", ".mp4", ".pdf", ".png", ".svg", ".tif", ".tiff", ".wav"),
    ".webp",
)
"""Of files that are judged even when nothing in them can be recognized."""
_VAGUE = ("", "image/svg+xml", "image/bmp")
"""Types that too little shows: any XML, any text that begins with BM."""


def expand(given: Iterable[str]) -> list[str]:
    """Return the files that are meant, in the order given, folders sorted.

    A name that is there is that file, whatever signs are in it; one that is not there and has
    `*`, `?` or `[` is a pattern, in which `**` stands for any folders.  A folder that cannot be
    listed is meant itself, and is then an error like a missing file.
    """
    found: dict[str, None] = {}
    for name in given:
        for file in _meant(name):
            found[file] = None
    return list(found)


def _meant(name: str) -> Iterator[str]:
    if os.path.isdir(name):
        yield from _inside(name)
    elif not os.path.lexists(name) and glob.has_magic(name):
        matches = sorted(m for m in glob.glob(name, recursive=True) if not os.path.isdir(m))
        yield from matches or [name]
    else:
        yield name


def _inside(top: str) -> Iterator[str]:
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            yield folder  # opening it as a file says why it cannot be looked into
            continue
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                inner.append(entry.path)
            elif not os.path.isdir(entry.path) and _is_media(entry):
                yield entry.path
        pending += reversed(inner)


def _is_media(entry: os.DirEntry[str]) -> bool:
    if os.path.splitext(entry.name)[1].lower() in SUFFIXES:
        return True
    if not os.path.isfile(entry.path):  # a loop of links is none either
        return False
    try:
        with open_file(entry.path) as file:
            return media_type_of(file.read(HEAD_BYTES)) not in _VAGUE
    except (VerifyError, OSError):
        return False
