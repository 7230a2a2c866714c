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
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from sdk.coded import Shell
from sdk.errors import CredentialError
from sdk.fingerprint import bands, fingerprint, likeness
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
    """CREATE TABLE credential_bands (
        band {int} NOT NULL, sha256 {blob} NOT NULL, PRIMARY KEY (band, sha256)) {rowless}""",
)
MANIFESTS = """CREATE TABLE credential_manifests (
    label TEXT NOT NULL, sha256 {blob} NOT NULL, PRIMARY KEY (label, sha256)) {rowless}"""
"""Label of the active manifest → file; younger than the tables, so that it is looked for."""
_COLUMNS = "sha256, media_type, store, span, position, pixels, fingerprint, algorithm, payload"
MAX_CANDIDATES = 20_000
"""Rows of one band that are compared; a band that holds more is flat pictures, and is skipped."""


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
                session.insert("credentials", [_row(kept)])
                digest = bytes.fromhex(kept.sha256)
                session.insert("credential_bands", [(b, digest) for b in bands(kept.fingerprint)])
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

        Exact for likeness from 0.945 (fewer than 16 of 256 bits differ); below, a file is found
        when one of its 16 bands is untouched.
        """
        with self._database.read("find a fingerprint") as session:
            near: dict[bytes, float] = {}
            for band in bands(mark):
                for digest, other in _in_band(session, band):
                    near[digest] = likeness(mark, other)
            best = sorted(near, key=lambda digest: -near[digest])[:limit]
            return tuple(
                (_find(session, "sha256", digest)[0], near[digest])
                for digest in best
                if near[digest] >= at_least
            )

    def forget(self, sha256: str) -> bool:
        """Delete what is kept of a file; returns whether anything was."""
        digest = bytes.fromhex(sha256)
        with self._database.write("forget a manifest") as session:
            found = bool(_find(session, "sha256", digest))
            session.run("DELETE FROM credential_bands WHERE sha256 = :d", d=digest)
            if _exists(session, self._database.dialect, "credential_manifests"):
                session.run("DELETE FROM credential_manifests WHERE sha256 = :d", d=digest)
            session.run("DELETE FROM credentials WHERE sha256 = :d", d=digest)
        return found

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


def _in_band(session: Session, band: int) -> Sequence[tuple[bytes, bytes]]:
    rows = session.all(
        "SELECT c.sha256, c.fingerprint FROM credential_bands b JOIN credentials c"
        " ON c.sha256 = b.sha256 WHERE b.band = :band LIMIT :most",
        band=band,
        most=MAX_CANDIDATES + 1,
    )
    if len(rows) > MAX_CANDIDATES:
        return ()
    return [(cast(bytes, digest), cast(bytes, mark)) for digest, mark in rows]


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
