"""The vault: the only place for personal data, each subject under a key of its own.

    with Vault.open("state/vault.db") as vault:
        commitment = vault.commit("customer-7", {"prompt": prompt})
        ledger.append({..., "commitment": commitment})
        vault.erase("customer-7", ledger)        # nobody can read or test it any more

The ledger holds SHA-256(salt || RFC 8785 JSON) with 32 random bytes of salt, which says nothing
about a prompt without the salt.  The salt, and in mode `vault` the data, lie here, sealed with
AES-256-GCM under the subject's data key, which lies sealed under the vault's master key.  To
erase a subject is to destroy its data key with everything under it; the ledger keeps its entry
and every receipt still verifies.

No subject id is stored, logged or put into a message: a subject is known by HMAC-SHA-256 of its
id under a key in the vault.  What erasure does not reach (backups, the medium) and what the law
has not settled is in docs/ledger.md.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

from sdk.canonical import canonical
from sdk.errors import VaultError
from sdk.keyfile import environment_key, symmetric_key
from sdk.ledger_writer import Receipt
from sdk.sealing import KEY_SIZE, seal, unseal
from sdk.sql import Database, is_server_url, open_database, sqlite_path
from sdk.vault_store import Secret, VaultTables

MASTER_KEY_ENV = "SDK_VAULT_KEY"
"""Base64 of the 32-byte master key, for those who keep it away from the vault's disk."""

SALT_SIZE = 32
REFERENCE_LABEL = b"reference_key"
MAX_PERSONAL = 16 << 20
"""Bytes of canonical JSON: room for a prompt and an input picture in base64."""


class Keep(StrEnum):
    """How much of the personal data stays."""

    NONE = "none"
    """Nothing, and no commitment: nobody can ever tie a person to an entry."""
    COMMIT = "commit"
    """The salt: whoever still has the data can prove that it was this data."""
    VAULT = "vault"
    """The data too, sealed: we can answer what we drew for whom."""


class Appends(Protocol):
    """What erasure needs of a ledger."""

    def append(self, leaf: Mapping[str, object], /) -> Receipt:
        """Put one entry on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A subject is gone from the vault, and the ledger says so."""

    subject: str
    """Keyed reference, hex; not the id."""
    commitments: int
    """How many commitments can no longer be opened."""
    receipt: Receipt
    """Of the erasure entry."""


class Vault:
    """Sealed personal data in a database of its own."""

    def __init__(self, database: Database, master: bytes, keep: Keep) -> None:
        """Use `open`."""
        self._database, self._master, self.keep = database, master, keep
        self._reference_key = self._prepare()

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        key: bytes | str | Path | None = None,
        keep: Keep | str = Keep.VAULT,
    ) -> Self:
        """Open a vault; make it, and its master key, where there is none.

        `key` is 32 bytes or a file of 32 bytes; by default the environment's SDK_VAULT_KEY,
        else a file beside an SQLite vault (`vault.db` → `vault.key`).

        Raises:
            VaultError: the database or the key cannot be opened, or it is not this vault's key.
        """
        mode = _keep(keep)
        master = _master_key(url, key)
        with ExitStack() as undo:
            database = open_database(url, error=VaultError, private=True)
            undo.callback(database.close)
            vault = cls(database, master, mode)
            undo.pop_all()
            return vault

    def commit(self, subject_id: str, personal: Mapping[str, object]) -> str | None:
        """Keep what the mode keeps, on disk; return the commitment for the ledger, hex.

        None in mode `none`, where nothing is kept and nothing can be opened.

        Raises:
            VaultError: the subject id is empty, the data is not JSON or too large, or it could
                not be written.
        """
        subject = self._subject(subject_id)
        content = _encode(personal)
        if self.keep is Keep.NONE:
            return None
        salt = os.urandom(SALT_SIZE)
        commitment = sha256(salt + content).digest()
        with self._database.write("keep personal data") as session:
            tables = VaultTables(session)
            data_key = self._data_key(tables, subject) or self._new_data_key(tables, subject)
            kept = seal(data_key, content, commitment) if self.keep is Keep.VAULT else None
            tables.add_secret(
                Secret(
                    commitment=commitment,
                    subject=subject,
                    salt=seal(data_key, salt, commitment),
                    personal=kept,
                )
            )
        return commitment.hex()

    def open_commitment(self, commitment: str) -> Mapping[str, object]:
        """Return the personal data behind a commitment, checked against it.

        Raises:
            VaultError: nothing is kept under it (erased, or never here), the mode kept no data,
                or the rows were changed.
        """
        data_key, secret = self._secret(commitment)
        if secret.personal is None:
            raise VaultError(
                "open a commitment: only its salt was kept (mode commit);"
                " bring the data and use `matches`"
            )
        content = unseal(data_key, secret.personal, secret.commitment, error=VaultError)
        salt = unseal(data_key, secret.salt, secret.commitment, error=VaultError)
        if sha256(salt + content).digest() != secret.commitment:
            raise VaultError("open a commitment: the data is not what was committed to; restore it")
        return cast("Mapping[str, object]", json.loads(content))

    def matches(self, commitment: str, personal: Mapping[str, object]) -> bool:
        """Tell whether this very data was committed to.

        Raises:
            VaultError: nothing is kept under the commitment, so nobody can tell any more.
        """
        data_key, secret = self._secret(commitment)
        salt = unseal(data_key, secret.salt, secret.commitment, error=VaultError)
        return sha256(salt + _encode(personal)).digest() == secret.commitment

    def erase(self, subject_id: str, ledger: Appends) -> Erasure:
        """Destroy the subject's data key, salts and data, then log that it happened.

        Run it again if the ledger fails after the vault has erased: it goes on from there.

        Raises:
            VaultError: nothing is kept for this subject, or it could not be destroyed.
            LedgerError: destroyed, but not logged yet.
        """
        subject = self._subject(subject_id)
        self._destroy(subject)
        self._database.scrub()
        return self._log(subject, ledger)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> bytes:
        """Make the tables where there are none; return the key of the references."""
        dialect = self._database.dialect
        with self._database.read("open the vault") as session:
            made = VaultTables(session).exist(dialect)
        if not made:
            with self._database.write("make the vault") as session:
                if not VaultTables(session).exist(dialect):
                    sealed = seal(self._master, os.urandom(KEY_SIZE), REFERENCE_LABEL)
                    VaultTables(session).create(dialect, sealed)
        with self._database.read("open the vault") as session:
            sealed = VaultTables(session).reference_key()
        return unseal(self._master, sealed, REFERENCE_LABEL, error=VaultError)

    def _subject(self, subject_id: str) -> bytes:
        if not isinstance(subject_id, str) or not subject_id:
            raise VaultError("find a subject: its id is empty or no text; give a text id")
        key = subject_id.encode("utf-8", "surrogatepass")
        return hmac.digest(self._reference_key, key, "sha256")

    def _data_key(self, tables: VaultTables, subject: bytes) -> bytes:
        """Return the subject's data key, empty where it has none."""
        sealed = tables.data_key(subject)
        return unseal(self._master, sealed, subject, error=VaultError) if sealed else b""

    def _new_data_key(self, tables: VaultTables, subject: bytes) -> bytes:
        data_key = os.urandom(KEY_SIZE)
        tables.add_data_key(subject, seal(self._master, data_key, subject))
        return data_key

    def _secret(self, commitment: str) -> tuple[bytes, Secret]:
        """Return the data key and what is sealed under it."""
        try:
            name = bytes.fromhex(commitment)
        except ValueError as exc:
            raise VaultError("open a commitment: not hexadecimal; copy it again") from exc
        with self._database.read("open a commitment") as session:
            tables = VaultTables(session)
            secret = tables.secret(name)
            data_key = self._data_key(tables, secret.subject)
        if not data_key:
            raise VaultError("open a commitment: its data key is missing; restore a backup")
        return data_key, secret

    def _destroy(self, subject: bytes) -> None:
        now = datetime.now(UTC).isoformat("T", "seconds")
        with self._database.write("erase a subject") as session:
            tables = VaultTables(session)
            if tables.data_key(subject):
                tables.destroy(subject, now)
            elif not tables.unlogged(subject):
                raise VaultError(
                    "erase a subject: the vault keeps nothing for this id;"
                    " check the id, or it was erased before"
                )

    def _log(self, subject: bytes, ledger: Appends) -> Erasure:
        """Append the erasure entry; a crash before the last line logs it twice, never not."""
        with self._database.read("log an erasure") as session:
            rows = VaultTables(session).unlogged(subject)
        if not rows:
            raise VaultError("erase a subject: another process is doing it; look for its receipt")
        count = sum(number for _, number in rows)
        leaf = {"v": 1, "type": "erasure", "subject": subject.hex(), "commitments": count}
        receipt = ledger.append({**leaf, "at": rows[-1][0]})
        with self._database.write("note a logged erasure") as session:
            VaultTables(session).logged(subject)
        return Erasure(subject=subject.hex(), commitments=count, receipt=receipt)


def _encode(personal: Mapping[str, object]) -> bytes:
    content = canonical(personal, asked="keep personal data", error=VaultError)
    if len(content) > MAX_PERSONAL:
        raise VaultError(
            f"keep personal data: {len(content):,} bytes, at most {MAX_PERSONAL:,};"
            " keep digests of large files"
        )
    return content


def _keep(keep: Keep | str) -> Keep:
    try:
        return Keep(keep)
    except ValueError as exc:
        modes = ", ".join(Keep)
        raise VaultError(f"open a vault in mode {str(keep)[:40]!r}: use one of {modes}") from exc


def _master_key(url: str | Path, key: bytes | str | Path | None) -> bytes:
    if key is not None:
        return symmetric_key(key, error=VaultError)
    if os.environ.get(MASTER_KEY_ENV):
        return environment_key(MASTER_KEY_ENV, error=VaultError)
    if is_server_url(url):
        raise VaultError(
            "open a vault on a database server: no master key is given;"
            f" pass key=FILE, or set {MASTER_KEY_ENV} to base64 of 32 random bytes"
        )
    return symmetric_key(sqlite_path(url, VaultError).with_suffix(".key"), error=VaultError)
