"""The pictures that marks are measured on: a folder, its sub-folders being groups.

    pictures/photos/1.jpg, pictures/graphics/2.png …

A group is reported apart, because what hides a mark in a photo is missing in flat art.  Pictures
in the folder itself are a group of the folder's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdk.errors import DataError
from sdk.inputs import InputImage
from sdk.pixels import Pixels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """One picture file."""

    id: str
    """Its path inside the folder, with slashes."""
    group: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """A folder of pictures."""

    name: str
    sha256: str
    """Over ids and SHA-256 of all files, in order."""
    each: tuple[One, ...]


def read_pictures(folder: Path, limit: int = 0) -> Pictures:
    """List a folder's pictures; `limit` keeps so many of each group, spread over its names.

    Raises:
        DataError: there is no such folder, no picture in it, or a file cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"asked for pictures in {folder}, found no folder; name one")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    groups: dict[str, list[One]] = {}
    for path in paths:
        inside = path.relative_to(folder)
        group = inside.parts[0] if len(inside.parts) > 1 else folder.resolve().name
        groups.setdefault(group, []).append(One(id=inside.as_posix(), group=group, path=path))
    each = tuple(one for found in groups.values() for one in _spread(found, limit))
    if not each:
        known = ", ".join(sorted(SUFFIXES))
        raise DataError(f"asked for pictures in {folder}, found none; known are {known}")
    return Pictures(name=folder.resolve().name, sha256=_digest(each), each=each)


def square(path: Path, side: int) -> Pixels:
    """Return the middle of a picture, (side, side, 3) uint8 RGB, resampled by Lanczos.

    Raises:
        DataError: it is no picture, or smaller than `side`: enlarging would smooth it.
    """
    picture = Image.fromarray(InputImage.open(path).pixels)
    short = min(picture.size)
    if short < side:
        raise DataError(
            f"asked for {side} px squares, found {picture.width} x {picture.height} px in "
            f"{path.name}; ask for a smaller size, or leave it out"
        )
    x, y = (picture.width - short) // 2, (picture.height - short) // 2
    box = (x, y, x + short, y + short)
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS, box))


def _spread(found: Sequence[One], limit: int) -> Sequence[One]:
    if not limit or limit >= len(found):
        return found
    return [found[i * len(found) // limit] for i in range(limit)]


def _digest(each: Sequence[One]) -> str:
    whole = hashlib.sha256()
    for one in each:
        try:
            content = hashlib.sha256(one.path.read_bytes()).hexdigest()
        except OSError as exc:
            raise DataError(f"asked for the picture {one.id}, found {exc.strerror}") from exc
        whole.update(f"{one.id}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()
