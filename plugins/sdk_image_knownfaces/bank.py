"""The bank: who is looked for, why that is allowed, until when, and the vectors of their faces.

A file of JSON that only its owner can read.  What is in it is personal data of the most protected
kind: no message and no log of this plugin holds a name or a vector, findings name entries by id.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdk import PluginError, write_whole

Floats = NDArray[np.float32]

MAX_BYTES = 256 * 1024 * 1024
TOO_OPEN = 0o027
"""Write access for the group, or any access for others; group read stays, for mounted secrets."""
_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
Word = Annotated[str, Field(min_length=1, max_length=400, pattern=r"\S")]


class Entry(BaseModel):
    """One person."""

    model_config = _CLOSED

    id: Annotated[str, Field(pattern=r"^[\w.\-]{1,40}$")]
    """Goes into findings; must not say who it is."""
    name: Annotated[Word, Field(repr=False)]
    basis: Annotated[Word, Field(repr=False)]
    """Why their template may be kept: the consent, or the law, in words of yours."""
    until: date | None = None
    """The last day on which it may be kept; None where nothing ends it."""
    vectors: Annotated[tuple[str, ...], Field(min_length=1, repr=False)]
    """Base64 of unit vectors, float32, little-endian; one for each picture."""


class Bank(BaseModel):
    """Everybody who is looked for, and the network that made the vectors."""

    model_config = _CLOSED

    format: Literal["known faces 1"] = "known faces 1"
    layout: str
    network_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    width: Annotated[int, Field(ge=2, le=4096)]
    """Numbers in one vector."""
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Bank:
        ids = [entry.id for entry in self.entries]
        if len(ids) != len(set(ids)):
            raise ValueError("two entries have one id")
        for entry in self.entries:
            for vector in entry.vectors:
                unpacked(vector, self.width)
        return self

    @property
    def sha256(self) -> str:
        """Digest of what is compared: ids and vectors, without names."""
        lines = [f"{e.id} {vector}\n" for e in self.entries for vector in e.vectors]
        return hashlib.sha256("".join([self.network_sha256, *lines]).encode()).hexdigest()

    def rows(self) -> tuple[Floats, tuple[str, ...]]:
        """Return (N, width) unit vectors, and for each the id of its entry."""
        found = [(e.id, unpacked(v, self.width)) for e in self.entries for v in e.vectors]
        return np.stack([vector for _, vector in found]), tuple(id_ for id_, _ in found)

    def check_dates(self, today: date) -> None:
        """Refuse to use what may no longer be kept.

        Raises:
            PluginError: an entry's last day has passed; the message names its id.
        """
        past = [e.id for e in self.entries if e.until is not None and e.until < today]
        if past:
            raise PluginError(
                f"asked to compare with a bank of faces, found entries whose last day has passed: "
                f"{', '.join(past[:5])}; renew what allows them, or remove them from the bank"
            )


def packed(vector: Floats) -> str:
    """Base64 of a vector, float32, little-endian."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def unpacked(text: str, width: int) -> Floats:
    """Read a vector back: (width,) float32 of length 1.

    Raises:
        ValueError: it is none.
    """
    data = base64.b64decode(text, validate=True)
    vector = np.frombuffer(data, "<f4").astype(np.float32) if len(data) == 4 * width else None
    if vector is None or not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
        raise ValueError(f"a vector is not {width} numbers of length 1")
    return vector


def read_bank(path: Path) -> Bank:
    """Read a bank, and refuse one that others can read or that is not whole.

    Raises:
        PluginError: missing, too large, open to others, or no bank; no word of it is quoted.
    """
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
        if os.name == "posix" and mode & TOO_OPEN:
            raise PluginError(
                f"asked for the bank of faces {path.name}, found mode {mode & 0o777:o}, which lets "
                f"others in; run: chmod 600 {path}"
            )
        if size > MAX_BYTES:
            raise PluginError(f"asked for the bank of faces {path.name}, found {size:,} bytes")
        return Bank.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise PluginError(
            f"asked for the bank of faces {path.name}, found {type(exc).__name__}; make one with "
            "sdk_image_knownfaces.enrol"
        ) from exc
    except ValidationError as exc:
        raise PluginError(
            f"asked for the bank of faces {path.name}, found {wrong(exc)}; make it anew with "
            "sdk_image_knownfaces.enrol"
        ) from None  # the cause would quote the file


def write_bank(bank: Bank, path: Path) -> None:
    """Replace `path` whole by a bank that only its owner can read.

    Raises:
        PluginError: it cannot be written.
    """
    write_whole(path, _writer(bank.model_dump_json(indent=1)), error=PluginError)


def remove(path: Path, id_: str) -> None:
    """Take one person out of a bank, with everything that is kept of them there.

    Raises:
        PluginError: no bank, no such entry, or the last one: delete the file then.
    """
    bank = read_bank(path)
    left = tuple(entry for entry in bank.entries if entry.id != id_)
    if len(left) == len(bank.entries) or not left:
        found = "no such entry" if left else "no other entry; delete the file instead"
        raise PluginError(f"asked to remove {id_!r} from {path.name}, found {found}")
    write_bank(bank.model_copy(update={"entries": left}), path)


def wrong(exc: ValidationError) -> str:
    """Say where a file is wrong without a word of what it says."""
    places: list[Any] = exc.errors(include_input=False, include_url=False, include_context=False)
    first = places[0]
    unknown = first["type"] == "extra_forbidden"  # the file's own word, perhaps a name
    where = ".".join(str(part) for part in first["loc"][: -1 if unknown else None]) or "the whole"
    return f"{where}: {first['msg']}" + (f", and {len(places) - 1} more" if places[1:] else "")


def _writer(text: str) -> Callable[[Path], object]:
    def write(new: Path) -> None:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)

    return write
