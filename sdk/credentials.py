"""The repository of manifests: what recovery needs when a file lost its own.

    with Repository.open(home / "credentials.db") as repository:
        repository.keep(sealed, "image/png", picture, algorithm=mark, payload=b"…")
        repository.by_mark(mark, b"…")          # years later, from the pixels alone

For every signed file: the manifest, the file without its coded picture (columns span and position),
digests of file and pixels, the watermark's payload and a perceptual fingerprint.  No picture, no
prompt, no person.  SQLite, or PostgreSQL by URL (`sdk.sql`).  `sdk.recovery` judges what is found
here; nothing here decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from sdk.coded import Shell
from sdk.errors import CredentialError
from sdk.fingerprint import bands, fingerprint, likeness, near_bands
from sdk.jumbf import active_label, manifest_store
from sdk.pixels import Picture
from sdk.sql import Database, Row, Session, open_database
from sdk.undated import Queue

TABLES = (
    """CREATE TABLE credentials (
        sha256 {blob} PRIMARY KEY, media_type TEXT NOT NULL, store {blob} NOT NULL,
        span {blob} NOT NULL, position {int} NOT NULL, pixels {blob} NOT NULL,
        fingerprint {blob} NOT NULL, algorithm TEXT NOT NULL, payload {blob} NOT NULL)""",
    "CREATE INDEX credentials_by_mark ON credentials (payload)",
    "CREATE INDEX credentials_by_pixels ON credentials (pixels)",
)
PRINTS = (
    "CREATE INDEX credentials_by_fingerprint ON credentials (fingerprint)",
    """CREATE TABLE credential_prints (
        band {int} NOT NULL, fingerprint {blob} NOT NULL, PRIMARY KEY (band, fingerprint))
        {rowless}""",
)
"""Every fingerprint once, under each of its bands, so that what is compared lies side by side."""
MANIFESTS = """CREATE TABLE credential_manifests (
    label TEXT NOT NULL, sha256 {blob} NOT NULL, PRIMARY KEY (label, sha256)) {rowless}"""
"""Label of the active manifest → file; younger than the tables, so that it is looked for."""
_COLUMNS = "sha256, media_type, store, span, position, pixels, fingerprint, algorithm, payload"
MAX_CANDIDATES = 20_000
"""Fingerprints of one band that are compared; a band that holds more tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One signed file, as the repository remembers it."""

    sha256: str
    """Of the signed file, hex."""
    media_type: str
    store: bytes
    """The manifest store, a JUMBF box."""
    shell: Shell | None
    """The file without its coded picture; None where that is not one piece."""
    pixels_sha256: str
    """Of the decoded pixels, hex (`Picture.sha256`)."""
    fingerprint: bytes
    algorithm: str
    """Soft-binding name of the watermark; empty without one."""
    payload: bytes


class Repository:
    """Manifests in a database; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        """Use `open` or `read`."""
        self._database = database
        self.undated = Queue(database)
        """The files that wait for a time-stamp."""

    @classmethod
    def open(cls, url: str | Path) -> Self:
        """Open a repository for writing; make it where there is none.

        Raises:
            CredentialError: the database cannot be opened or made.
        """
        database = open_database(url, error=CredentialError)
        with database.write("open the repository") as session:
            if not _exists(session, database.dialect):
                for table in TABLES:
                    session.run(table.format(**database.dialect))
            if not _exists(session, database.dialect, "credential_manifests"):
                session.run(MANIFESTS.format(**database.dialect))
            if not _exists(session, database.dialect, "credential_prints"):
                _add_prints(session, database.dialect)
        return cls(database)

    @classmethod
    def read(cls, url: str | Path) -> Self:
        """Open a repository to look things up; write nothing, make nothing.

        Raises:
            CredentialError: no repository is there.
        """
        database = open_database(url, error=CredentialError, read_only=True)
        with database.read("open the repository") as session:
            if not _exists(session, database.dialect):
                raise CredentialError(
                    f"asked to read {database.name}, found no repository; give another place"
                )
        return cls(database)

    def keep(
        self,
        data: bytes,
        media_type: str,
        picture: Picture,
        *,
        algorithm: str = "",
        payload: bytes = b"",
    ) -> Credential:
        """Remember a signed file; returns when it is on disk.  Keeping it twice changes nothing.

        `picture` holds the pixels as they decode from the file, `payload` what is in them.

        Raises:
            CredentialError: the file carries no manifest, or the database failed.
        """
        store = manifest_store(data, media_type)
        if not store:
            raise CredentialError(
                f"asked to keep the manifest of a {media_type}, found none in it; sign it first"
            )
        kept = Credential(
            sha256=hashlib.sha256(data).hexdigest(),
            media_type=media_type,
            store=store,
            shell=Shell.of(data, media_type),
            pixels_sha256=picture.sha256,
            fingerprint=fingerprint(picture),
            algorithm=algorithm,
            payload=payload,
        )
        with self._database.write("keep a manifest") as session:
            if not _find(session, "sha256", bytes.fromhex(kept.sha256)):
                if not _has_print(session, kept.fingerprint):
                    session.insert("credential_prints", _prints(kept.fingerprint))
                session.insert("credentials", [_row(kept)])
                digest = bytes.fromhex(kept.sha256)
                if label := active_label(store):
                    session.insert("credential_manifests", [(label, digest)])
        return kept

    def by_mark(self, algorithm: str, payload: bytes) -> tuple[Credential, ...]:
        """Return the files that were marked with this payload."""
        if not payload:
            return ()
        with self._database.read("find a watermark") as session:
            found = _find(session, "payload", payload)
        return tuple(c for c in found if c.algorithm == algorithm)

    def by_manifest(self, label: str) -> tuple[Credential, ...]:
        """Return the files whose active manifest has this label (`urn:c2pa:…`)."""
        with self._database.read("find a manifest") as session:
            if not _exists(session, self._database.dialect, "credential_manifests"):
                return ()
            rows = session.all("SELECT sha256 FROM credential_manifests WHERE label = :v", v=label)
            return tuple(c for row in rows for c in _find(session, "sha256", cast(bytes, row[0])))

    def by_pixels(self, sha256: str) -> tuple[Credential, ...]:
        """Return the files that decode to exactly these pixels."""
        with self._database.read("find pixels") as session:
            return _find(session, "pixels", bytes.fromhex(sha256))

    def by_fingerprint(
        self, mark: bytes, *, at_least: float, limit: int = 5
    ) -> tuple[tuple[Credential, float], ...]:
        """Return the most similar files with their likeness, best first.

        Every file is found in which at most 21 of 256 bits differ (likeness from 0.918); below,
        one of whose 11 bands at most one bit differs.

        Raises:
            CredentialError: the repository has an older layout, or the database failed.
        """
        with self._database.read("find a fingerprint") as session:
            if not _exists(session, self._database.dialect, "credential_prints"):
                raise CredentialError(
                    f"asked {self._database.name} for a fingerprint, found an older layout; open "
                    "it for writing once, by drawing a picture"
                )
            found = {other for near in near_bands(mark) for other in _in_bands(session, near)}
            close = sorted((-likeness(mark, other), other) for other in found)
            best = [(other, -score) for score, other in close[:limit] if -score >= at_least]
            files = ((c, s) for other, s in best for c in _find(session, "fingerprint", other))
            return tuple(islice(files, limit))

    def forget(self, sha256: str) -> bool:
        """Delete what is kept of a file; returns whether anything was."""
        digest = bytes.fromhex(sha256)
        with self._database.write("forget a manifest") as session:
            kept = _find(session, "sha256", digest)
            if _exists(session, self._database.dialect, "credential_manifests"):
                session.run("DELETE FROM credential_manifests WHERE sha256 = :d", d=digest)
            session.run("DELETE FROM credentials WHERE sha256 = :d", d=digest)
            for mark in {c.fingerprint for c in kept}:
                for band in () if _has_print(session, mark) else bands(mark):
                    query = "DELETE FROM credential_prints WHERE band = :b AND fingerprint = :f"
                    session.run(query, b=band, f=mark)
        return bool(kept)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()


def _exists(session: Session, dialect: Mapping[str, str], table: str = "credentials") -> bool:
    return bool(session.all(dialect["exists"], name=table))


def _find(session: Session, column: str, value: bytes) -> tuple[Credential, ...]:
    """Return the rows with a value; `column` is a name of ours, never a caller's."""
    query = f"SELECT {_COLUMNS} FROM credentials WHERE {column} = :v"  # noqa: S608
    return tuple(_credential(row) for row in session.all(query, v=value))


def _in_bands(session: Session, near: Sequence[int]) -> Sequence[bytes]:
    """Return the fingerprints in a band and its neighbours; none where they are too many."""
    names = {f"b{number}": band for number, band in enumerate(near)}
    rows = session.all(
        f"SELECT fingerprint FROM credential_prints WHERE band IN (:{', :'.join(names)})"  # noqa: S608
        " LIMIT :most",
        **names,
        most=MAX_CANDIDATES + 1,
    )
    return [cast(bytes, row[0]) for row in rows] if len(rows) <= MAX_CANDIDATES else ()


def _has_print(session: Session, mark: bytes) -> bool:
    return bool(session.all("SELECT 1 FROM credentials WHERE fingerprint = :f LIMIT 1", f=mark))


def _prints(mark: bytes) -> list[Row]:
    return [(band, mark) for band in bands(mark)]


def _add_prints(session: Session, dialect: Mapping[str, str]) -> None:
    """Bring a repository to the layout of today: each band had 16 bits and named a file."""
    for statement in PRINTS:
        session.run(statement.format(**dialect))
    for row in session.all("SELECT DISTINCT fingerprint FROM credentials"):
        session.insert("credential_prints", _prints(cast(bytes, row[0])))
    session.run("DROP TABLE IF EXISTS credential_bands")


def _row(kept: Credential) -> Row:
    return (
        bytes.fromhex(kept.sha256),
        kept.media_type,
        kept.store,
        kept.shell.data if kept.shell else b"",
        kept.shell.offset if kept.shell else -1,
        bytes.fromhex(kept.pixels_sha256),
        kept.fingerprint,
        kept.algorithm,
        kept.payload,
    )


def _credential(row: Row) -> Credential:
    sha256, media_type, store, shell, position, pixels, mark, algorithm, payload = row
    offset = cast(int, position)
    return Credential(
        sha256=cast(bytes, sha256).hex(),
        media_type=cast(str, media_type),
        store=cast(bytes, store),
        shell=Shell(media_type=cast(str, media_type), offset=offset, data=cast(bytes, shell))
        if offset >= 0
        else None,
        pixels_sha256=cast(bytes, pixels).hex(),
        fingerprint=cast(bytes, mark),
        algorithm=cast(str, algorithm),
        payload=cast(bytes, payload),
    )
