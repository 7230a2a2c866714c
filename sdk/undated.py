"""Signed files that wait for a time-stamp: the policy took them without one, for the time being.

    repository.undated.put(sha256, place="out/apple.png")
    for file in repository.undated.waiting():
        …                                       # dated: `sdk timestamp backfill`
        repository.undated.done(file.sha256)

Kept beside the manifests, durable, oldest first: the digest of the file, when it was signed, and
where it was written if it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sdk.sql import Database, Session

TABLE = """CREATE TABLE credential_undated (
    sha256 {blob} PRIMARY KEY, signed_at TEXT NOT NULL, place TEXT NOT NULL) {rowless}"""
"""Younger than the other tables of the repository, so that it is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undated:
    """One file that waits."""

    sha256: str
    """Of the signed file, hex."""
    signed_at: str
    """RFC 3339, UTC."""
    place: str
    """Absolute path as it was written; empty where it went to a caller."""


class Queue:
    """The files that wait, in the repository's database."""

    def __init__(self, database: Database) -> None:
        """Use `Repository.undated`."""
        self._database = database

    def put(self, sha256: str, *, signed_at: str, place: str = "") -> None:
        """Have a file wait; on disk when this returns.  Putting it twice changes nothing.

        Raises:
            CredentialError: the database failed.
        """
        digest = bytes.fromhex(sha256)
        with self._database.write("have a file wait for its time-stamp") as session:
            if not self._there(session):
                session.run(TABLE.format(**self._database.dialect))
            query = "SELECT 1 FROM credential_undated WHERE sha256 = :d"
            if not session.all(query, d=digest):
                session.insert("credential_undated", [(digest, signed_at, place)])

    def waiting(self) -> list[Undated]:
        """Return what waits, oldest first."""
        with self._database.read("list what waits for a time-stamp") as session:
            if not self._there(session):
                return []
            rows = session.all(
                "SELECT sha256, signed_at, place FROM credential_undated ORDER BY signed_at, sha256"
            )
        return [
            Undated(
                sha256=cast(bytes, row[0]).hex(),
                signed_at=cast(str, row[1]),
                place=cast(str, row[2]),
            )
            for row in rows
        ]

    def done(self, sha256: str) -> None:
        """Have a file wait no longer; nothing happens where it does not."""
        with self._database.write("end the wait for a time-stamp") as session:
            if self._there(session):
                query = "DELETE FROM credential_undated WHERE sha256 = :d"
                session.run(query, d=bytes.fromhex(sha256))

    def _there(self, session: Session) -> bool:
        return bool(session.all(self._database.dialect["exists"], name="credential_undated"))
