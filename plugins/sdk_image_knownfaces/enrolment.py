"""Makes a bank from a folder of pictures, and says how far apart its people are.

    people/
      people.toml
      a/front.jpg  a/left.jpg
      b/portrait.png

`people.toml` says for each folder whose face it is and why it may be kept:

    [[person]]
    folder = "a"
    id = "f-0017"                   # optional; else a random one
    name = "…"
    basis = "consent of 2026-11-02, file 31"
    until = 2027-11-02              # optional
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import sdk_auditor_faces
from pydantic import BaseModel, Field, ValidationError
from sdk_auditor_faces.finder import Finder
from sdk_auditor_faces.weights import FINDER

from sdk import InputImage, PluginError, RequestError

from .bank import _CLOSED, Bank, Entry, Floats, Word, packed, write_bank, wrong
from .network import Embedder

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
LEAST_SIDE = 80
"""Pixels between the edges of a face that is enrolled; templates should be better than queries."""


class Person(BaseModel):
    """One table of people.toml."""

    model_config = _CLOSED

    folder: Annotated[str, Field(pattern=r"^[^/\\.][^/\\]*$")]
    name: Word
    basis: Word
    id: Annotated[str, Field(pattern=r"^[\w.\-]{1,40}$")] | None = None
    until: date | None = None


class _People(BaseModel):
    model_config = _CLOSED

    person: Annotated[tuple[Person, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How alike the faces of a bank are, as cosines: what a threshold must lie between."""

    same: float | None
    """Lowest between two pictures of one person; None where nobody has two."""
    different: float | None
    """Highest between pictures of two people; None where there is one person."""


def enrol(folder: Path, target: Path, *, weights: str, sha256: str, layout: str) -> Spread:
    """Write a bank of everybody in `folder`, and return how far apart they are.

    Raises:
        PluginError: people.toml or a picture is missing or wrong, a picture does not show exactly
            one face of 80 pixels, or the network is not the one named.
    """
    people = _read(folder / "people.toml")
    embedder, finder = Embedder(weights, sha256, layout), face_finder()
    entries = []
    for person in people:
        vectors = [_vector(path, finder, embedder) for path in _pictures(folder / person.folder)]
        entries.append(
            Entry(
                id=person.id or f"f-{secrets.token_hex(4)}",
                name=person.name,
                basis=person.basis,
                until=person.until,
                vectors=tuple(packed(vector) for vector in vectors),
            )
        )
        width = vectors[0].size
    try:
        bank = Bank(layout=layout, network_sha256=sha256, width=width, entries=tuple(entries))
    except ValidationError as exc:
        raise PluginError(f"asked to enrol {folder.name}, found {wrong(exc)}") from None
    bank.check_dates(datetime.now(UTC).date())
    write_bank(bank, target)
    return spread(bank)


def spread(bank: Bank) -> Spread:
    """Compare every two pictures of a bank; not for more than some thousand."""
    rows, ids = bank.rows()
    cosines = rows @ rows.T
    one, other = np.triu_indices(len(ids), 1)
    alike = np.array([ids[a] == ids[b] for a, b in zip(one, other, strict=True)], bool)
    found = cosines[one, other]
    return Spread(
        same=float(found[alike].min()) if alike.any() else None,
        different=float(found[~alike].max()) if (~alike).any() else None,
    )


@cache
def face_finder() -> Finder:
    """Open the face finder that ships with the auditor `faces`; once a process, 0.2 s."""
    return Finder(Path(sdk_auditor_faces.__file__).parent / FINDER)


def _read(path: Path) -> Sequence[Person]:
    try:
        found = _People.model_validate(tomllib.loads(path.read_text("utf-8"))).person
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise PluginError(
            f"asked to enrol by {path.name} in {path.parent.name!r}, found {type(exc).__name__}; "
            "write a table [[person]] with folder, name and basis for each"
        ) from None  # the cause may quote a name
    except ValidationError as exc:
        raise PluginError(f"asked to enrol by {path.name}, found {wrong(exc)}") from None
    if len({person.folder for person in found}) != len(found):
        raise PluginError(f"asked to enrol by {path.name}, found one folder twice")
    return found


def _pictures(folder: Path) -> Sequence[Path]:
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise PluginError(
            f"asked to enrol the folder {folder.name!r}, found no picture in it; "
            f"give at least one of {', '.join(sorted(SUFFIXES))}"
        )
    return found


def _vector(path: Path, finder: Finder, embedder: Embedder) -> Floats:
    where = f"{path.parent.name}/{path.name}"
    try:
        pixels = InputImage.open(path).pixels
    except RequestError as exc:
        raise PluginError(f"asked to enrol {where}, found that it cannot be read: {exc}") from exc
    faces = finder.find(pixels, thorough=True)
    if len(faces) != 1 or faces[0].side < LEAST_SIDE:
        sides = ", ".join(f"{face.side:.0f}" for face in faces) or "none"
        raise PluginError(
            f"asked to enrol {where}, found faces of {sides} pixels; give a picture of one face, "
            f"at least {LEAST_SIDE} pixels across"
        )
    return embedder.embed(pixels, faces[0])
