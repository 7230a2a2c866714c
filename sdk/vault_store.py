"""The tables of the vault and the statements on them, the same for SQLite and PostgreSQL.

    vault_meta        the key of the subject references, sealed
    vault_subjects    one sealed data key per subject
    vault_secrets     sealed salt, and sealed data where the mode keeps it, by commitment
    vault_erasures    who (by reference) was erased when, and whether the ledger has it yet

Nothing here is readable without the master key, and this room never sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sdk.errors import VaultError
from sdk.sql import Session

TABLES = (
    "CREATE TABLE vault_meta (name TEXT PRIMARY KEY, value {blob} NOT NULL)",
    "CREATE TABLE vault_subjects (subject {blob} PRIMARY KEY, data_key {blob} NOT NULL)",
    """CREATE TABLE vault_secrets (
        commitment {blob} PRIMARY KEY, subject {blob} NOT NULL, salt {blob} NOT NULL,
        personal {blob})""",
    "CREATE INDEX vault_by_subject ON vault_secrets (subject)",
    """CREATE TABLE vault_erasures (
        subject {blob} NOT NULL, erased TEXT NOT NULL, commitments {int} NOT NULL,
        logged {int} NOT NULL)""",
)
REFERENCE_KEY = "reference_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What is kept under a commitment, sealed."""

    commitment: bytes
    subject: bytes
    salt: bytes
    personal: bytes | None
    """None where the mode keeps no data."""


@dataclass(frozen=True, slots=True)
class VaultTables:
    """The vault's rows as one transaction sees them."""

    session: Session

    def exist(self, dialect: Mapping[str, str]) -> bool:
        """Tell whether `create` has run here."""
        return bool(self.session.all(dialect["exists"], name="vault_meta"))

    def create(self, dialect: Mapping[str, str], sealed_reference_key: bytes) -> None:
        """Make the tables."""
        for table in TABLES:
            self.session.run(table.format(**dialect))
        self.session.insert("vault_meta", [(REFERENCE_KEY, sealed_reference_key)])

    def reference_key(self) -> bytes:
        """Return the sealed key of the subject references."""
        rows = self.session.all("SELECT value FROM vault_meta WHERE name = :n", n=REFERENCE_KEY)
        if not rows:
            raise VaultError("open the vault: its reference key is missing; restore a backup")
        return cast(bytes, rows[0][0])

    def data_key(self, subject: bytes) -> bytes:
        """Return the subject's sealed data key, empty where it has none."""
        rows = self.session.all("SELECT data_key FROM vault_subjects WHERE subject = :s", s=subject)
        return cast(bytes, rows[0][0]) if rows else b""

    def add_data_key(self, subject: bytes, sealed: bytes) -> None:
        """Keep a subject's sealed data key."""
        self.session.insert("vault_subjects", [(subject, sealed)])

    def add_secret(self, secret: Secret) -> None:
        """Keep what is behind a commitment."""
        row = (secret.commitment, secret.subject, secret.salt, secret.personal)
        self.session.insert("vault_secrets", [row])

    def secret(self, commitment: bytes) -> Secret:
        """Return what is behind a commitment, or raise."""
        rows = self.session.all(
            "SELECT subject, salt, personal FROM vault_secrets WHERE commitment = :c", c=commitment
        )
        if not rows:
            raise VaultError(
                "open a commitment: nothing is kept under it;"
                " it was erased, or belongs to another vault"
            )
        subject, salt, personal = rows[0]
        return Secret(
            commitment=commitment,
            subject=cast(bytes, subject),
            salt=cast(bytes, salt),
            personal=cast("bytes | None", personal),
        )

    def destroy(self, subject: bytes, now: str) -> None:
        """Delete a subject's key, salts and data; note that the ledger must hear of it."""
        rows = self.session.all("SELECT count(*) FROM vault_secrets WHERE subject = :s", s=subject)
        self.session.run("DELETE FROM vault_secrets WHERE subject = :s", s=subject)
        self.session.run("DELETE FROM vault_subjects WHERE subject = :s", s=subject)
        self.session.insert("vault_erasures", [(subject, now, rows[0][0], 0)])

    def unlogged(self, subject: bytes) -> list[tuple[str, int]]:
        """Return (time, commitments) of erasures that the ledger may not have yet."""
        rows = self.session.all(
            "SELECT erased, commitments FROM vault_erasures"
            " WHERE subject = :s AND logged = 0 ORDER BY erased",
            s=subject,
        )
        return [(str(erased), cast(int, count)) for erased, count in rows]

    def logged(self, subject: bytes) -> None:
        """Note that the ledger has the subject's erasures."""
        self.session.run("UPDATE vault_erasures SET logged = 1 WHERE subject = :s", s=subject)
