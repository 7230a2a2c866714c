"""Dates files that were signed without a time-stamp: those that are named, or all that wait.

    backfill = Backfill(signer, repository, ledger)
    backfill.date(Path("apple.png"))            # apple-dated.png, recorded and kept for recovery
    for outcome in backfill.work():             # what `sdk.undated` holds, oldest first
        outcome.written, outcome.problem

The old file stays as it is.  A run that was killed is gone on with by the next one: what is dated
waits no longer, and a copy that was written already is recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdk.credentials import Repository
from sdk.encode import decode
from sdk.errors import OutputError, SDKError, SealError
from sdk.leaf import LEAF_VERSION, now
from sdk.ledger import Ledger
from sdk.output import Placement
from sdk.pixels import Picture
from sdk.source import Source, open_file, read_source
from sdk.undated import Undated

TRIES = 3
"""Files in a row that could not be dated before a run ends: the authority is away."""


class Dating(Protocol):
    """The one method that is needed of a signer here."""

    def timestamp(self, data: bytes, /) -> bytes:
        """Return the file with an update manifest.

        Raises:
            SealError: not now: the authority is away.
            VerifyError: never: this file cannot be dated.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one file that waited."""

    waited: Undated
    written: Path | None = None
    """The dated copy."""
    problem: str = ""
    """Why there is none; the file still waits."""


class Backfill:
    """Adds time-stamps; one process at a time works the queue."""

    def __init__(self, part: Dating, repository: Repository, ledger: Ledger) -> None:
        self._part, self._repository, self._ledger = part, repository, ledger

    def waiting(self) -> list[Undated]:
        """Return what waits, oldest first."""
        return self._repository.undated.waiting()

    def work(self) -> Iterator[Outcome]:
        """Date what waits, oldest first; end early when the authority seems to be away."""
        failed = 0
        for waited in self.waiting():
            try:
                yield Outcome(waited=waited, written=self._date(waited))
                failed = 0
            except SDKError as exc:
                failed += isinstance(exc, SealError)
                yield Outcome(waited=waited, problem=str(exc))
            if failed == TRIES:
                return

    def date(self, file: Path) -> Path:
        """Write FILE-dated beside a signed file: staged, recorded, released.

        Raises:
            SDKError: the file cannot be read, dated, recorded or written.
        """
        with open_file(file) as stream:
            return self._copy(file, read_source(stream, str(file)))

    def _date(self, waited: Undated) -> Path:
        if not waited.place:
            raise OutputError(
                f"asked to date {waited.sha256[:16]}…, found that it went to a caller; name the "
                "file: sdk timestamp backfill FILE"
            )
        file = Path(waited.place)
        with open_file(file) as stream:
            source = read_source(stream, str(file))
        if source.sha256 != waited.sha256:
            raise OutputError(
                f"asked to date {file}, found another file of that name; name the one that was "
                "signed: sdk timestamp backfill FILE"
            )
        return self._copy(file, source)

    def _copy(self, file: Path, source: Source) -> Path:
        target = file.with_name(f"{file.stem}-dated{file.suffix}")
        known = self._repository.by_pixels(Picture(decode(source.data)).sha256)
        if target.is_file() and _digest(target) in {credential.sha256 for credential in known}:
            self._repository.undated.done(source.sha256)
            return target
        data = self._part.timestamp(source.data)
        picture = Picture(decode(data))
        place = Placement.stage(target, data)
        try:
            own = [k for k in known if k.sha256 == source.sha256]
            mark = (own[0].algorithm, own[0].payload) if own else ("", b"")
            self._repository.keep(
                data, source.media_type, picture, algorithm=mark[0], payload=mark[1]
            )
            self._ledger.append(_receipt(data, source.sha256))
        except BaseException:
            place.discard()
            raise
        written = place.release()
        self._repository.undated.done(source.sha256)
        return written


def _receipt(data: bytes, of_sha256: str) -> dict[str, object]:
    return {
        "v": LEAF_VERSION,
        "type": "timestamp",
        "at": now(),
        "outcome": "released",
        "output_sha256": hashlib.sha256(data).hexdigest(),
        "of_sha256": of_sha256,
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
