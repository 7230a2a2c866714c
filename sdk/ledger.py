"""The ledger: append-only, signed, and provable to people who never saw it.

    with Ledger.open("state/ledger.db") as ledger:
        receipt = ledger.append({"kind": "release", "output_sha256": digest})
        proof = ledger.prove(receipt.index)              # a .tlog-proof text
        verify_proof(proof, ledger.public_key)           # offline, years later

One entry is one JSON object (RFC 8785, at most 65,535 bytes).  `append` returns when the entry
is on disk under a signed checkpoint.  Several threads and processes may write to one ledger.
Personal data does not belong here: it could never be erased.  It goes into `sdk.vault`, and
the entry holds its commitment.  docs/ledger.md has the format and the fields.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk.canonical import canonical
from sdk.checkpoint import Checkpoint, LogKey, Proof, PublicKey, check_proof
from sdk.errors import LedgerError
from sdk.keyfile import ed25519_key
from sdk.ledger_audit import LedgerReport, audit
from sdk.ledger_store import LedgerTables, NewEntry, output_of, sha256_bytes
from sdk.ledger_tiles import export_tiles
from sdk.ledger_writer import LedgerWriter, Receipt
from sdk.sql import BUSY_TIMEOUT_S, Database, is_server_url, open_database, sqlite_path
from sdk.tlog import EMPTY_ROOT, MAX_ENTRY, inclusion_proof, leaf_hash

Leaf = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, and where it stands."""

    index: int
    leaf: Leaf
    """What was appended."""
    leaf_hash: str
    """RFC 6962 leaf hash, hex."""


class Ledger:
    """A log in a database, and the key that signs for it."""

    def __init__(
        self, database: Database, public: PublicKey, trusted: bool, key: LogKey | None
    ) -> None:
        """Use `open` or `read`."""
        self._database, self._public, self._trusted, self._key = database, public, trusted, key
        self._writer: LedgerWriter | None = None
        self._starting = Lock()

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        key: str | Path | Ed25519PrivateKey | None = None,
        origin: str = "",
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Self:
        """Open a ledger for writing; make it, and its key, where there is none.

        `key` is an Ed25519 key or its PEM file, beside an SQLite file by default
        (`ledger.db` → `ledger.key`).  `origin` names a new log for ever, best by a URL without
        scheme; by default it is random.

        Raises:
            LedgerError: database or key cannot be opened or made, or are not of one log.
        """
        with ExitStack() as undo:
            database = open_database(url, error=LedgerError, busy_timeout_s=busy_timeout_s)
            undo.callback(database.close)
            place = _default_key(url) if key is None else key
            meta = _meta(database)
            private = ed25519_key(place, make=not meta, error=LedgerError)
            if not meta:
                name = origin or f"ledger.invalid/{secrets.token_hex(8)}"
                _create(database, LogKey(name, private))
                meta = _meta(database)
            stored = PublicKey.parse(meta["public_key"])
            given = LogKey(origin or stored.name, private)
            if given.public != stored:
                raise LedgerError(
                    f"open {database.name}: it is log {stored.text}, the key and origin given are"
                    f" {given.public.text}; give those that it was made with"
                )
            undo.pop_all()
            return cls(database, stored, True, given)

    @classmethod
    def read(cls, url: str | Path, *, public_key: str = "") -> Self:
        """Open a ledger to look things up; write nothing, make nothing.

        `public_key` is the text the log's owner published.  Without it the key stored in the
        database is used, and `verify` reports that nobody vouches for it.
        """
        with ExitStack() as undo:
            database = open_database(url, error=LedgerError, read_only=True)
            undo.callback(database.close)
            meta = _meta(database)
            if not meta:
                raise LedgerError(f"read {database.name}: no ledger is in it; give its place")
            stored = PublicKey.parse(meta["public_key"])
            given = PublicKey.parse(public_key) if public_key else stored
            undo.pop_all()
            return cls(database, given, bool(public_key), None)

    @property
    def public_key(self) -> str:
        """Name and key for verifiers, one line (`name+id+base64`); publish it."""
        return self._public.text

    def append(self, leaf: Leaf) -> Receipt:
        """Put one entry on disk under a signed checkpoint; return when it is there.

        Raises:
            LedgerError: it was not written; the message says why.
        """
        return self.submit(leaf).result()

    def append_all(self, leaves: Iterable[Leaf]) -> Sequence[Receipt]:
        """Put many entries on disk in one commit, all of them or none.

        Raises:
            LedgerError: none of them was written; the message says why.
        """
        entries = [_new(leaf) for leaf in leaves]
        return self._writing().submit_all(entries).result() if entries else ()

    def submit(self, leaf: Leaf) -> Future[Receipt]:
        """Queue one entry; the future ends when it is on disk, or with a LedgerError.

        Raises:
            LedgerError: the entry is not JSON, too large, or the ledger takes none.
        """
        return self._writing().submit(_new(leaf))

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        with self._database.read("read the ledger's head") as session:
            note = LedgerTables(session).latest()
        self._public.open(note)
        return note

    def find(self, *, sha256: str) -> tuple[Entry, ...]:
        """Return the entries that speak of a released file, oldest first."""
        wanted = sha256_bytes(sha256, "find a picture")
        with self._database.read("find a picture") as session:
            tables = LedgerTables(session)
            found = [(i, tables.entry(i)) for i in tables.by_output(wanted)]
        entries = [_decode(index, entry) for index, entry in found]
        return tuple(entry for entry in entries if output_of(entry.leaf) == wanted)

    def entry(self, at: int | str) -> Entry:
        """Return the entry at an index, or with a leaf hash (hex)."""
        with self._database.read("read an entry") as session:
            tables = LedgerTables(session)
            index = _index(tables, at)
            return _decode(index, tables.entry(index))

    def prove(self, at: int | str) -> str:
        """Return a C2SP tlog-proof of one entry, by index or leaf hash (hex).

        The entry itself is in the `extra` line, so that the text proves by itself.  The proof
        is checked before it is returned.
        """
        with self._database.read("prove an entry") as session:
            tables = LedgerTables(session)
            note = tables.latest()
            index = _index(tables, at)
            path = inclusion_proof(tables, index, self._public.open(note).size)
            entry = tables.entry(index)
        proof = Proof(index=index, path=path, note=note, extra=entry).text
        check_proof(proof, entry, self._public)
        return proof

    def verify(self, *, against: str = "") -> LedgerReport:
        """Recompute all hashes and signatures; `against`: a checkpoint or proof kept elsewhere."""
        with self._database.read("verify the ledger") as session:
            return audit(LedgerTables(session), self._public, self._trusted, against)

    def export(self, folder: str | Path) -> Checkpoint:
        """Write the static files of c2sp.org/tlog-tiles, or add what is new to them."""
        with self._database.read("export the ledger") as session:
            return export_tiles(LedgerTables(session), self._public, Path(folder))

    def close(self) -> None:
        """Write what was submitted, then let go of the database."""
        with self._starting:
            if self._writer:
                self._writer.close()
            self._key = None
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _writing(self) -> LedgerWriter:
        """Start the writer with the first entry: looking things up needs no thread."""
        if self._writer is None:
            if self._key is None:
                raise LedgerError(
                    f"append to {self._database.name}: opened for reading, or closed; open it"
                )
            with self._starting:
                self._writer = self._writer or LedgerWriter(self._database, self._key)
        return self._writer


def verify_proof(proof: str, public_key: str, leaf: Leaf | None = None) -> Entry:
    """Return the entry that a tlog-proof proves to be in a log, without the log.

    `leaf` is needed only for proofs that do not carry their entry.

    Raises:
        LedgerError: the proof, the entry, the checkpoint or the key does not fit the others.
    """
    parsed = Proof.parse(proof)
    entry = _encode(leaf) if leaf is not None else parsed.extra
    check_proof(proof, entry, PublicKey.parse(public_key))
    return _decode(parsed.index, entry)


def _new(leaf: Leaf) -> NewEntry:
    entry = _encode(leaf)
    return NewEntry(entry, leaf_hash(entry), output_of(leaf))


def _encode(leaf: Leaf) -> bytes:
    asked = "append a receipt"
    if not isinstance(leaf, Mapping):
        raise LedgerError(f"{asked}: a {type(leaf).__name__}, not an object; give a mapping")
    entry = canonical(leaf, asked=asked, error=LedgerError)
    if len(entry) > MAX_ENTRY:
        raise LedgerError(
            f"{asked}: {len(entry):,} bytes, at most {MAX_ENTRY:,} fit into an entry;"
            " put digests into the ledger and the matter elsewhere"
        )
    return entry


def _decode(index: int, entry: bytes) -> Entry:
    try:
        leaf = json.loads(entry)
    except ValueError as exc:
        raise LedgerError(f"read entry {index}: not JSON; run the ledger's verify") from exc
    if not isinstance(leaf, dict):
        raise LedgerError(f"read entry {index}: not a JSON object; it is another log's entry")
    return Entry(index, cast("Leaf", leaf), leaf_hash(entry).hex())


def _index(tables: LedgerTables, at: int | str) -> int:
    if isinstance(at, int):
        if not 0 <= at < 1 << 63:
            raise LedgerError(f"find entry {at}: no log has it; give its index, from 0")
        return at
    wanted = sha256_bytes(at, "find an entry by its leaf hash")
    for index in tables.by_leaf(wanted):
        if leaf_hash(tables.entry(index)) == wanted:
            return index
    raise LedgerError(f"find leaf hash {at}: no entry has it; check that this is its ledger")


def _meta(database: Database) -> dict[str, str]:
    with database.read("open the ledger") as session:
        tables = LedgerTables(session)
        return tables.meta() if tables.exist(database.dialect) else {}


def _create(database: Database, key: LogKey) -> None:
    """Make the tables, unless another process was first."""
    note = key.sign(Checkpoint(origin=key.public.name, size=0, root=EMPTY_ROOT))
    with database.write("make the ledger") as session:
        tables = LedgerTables(session)
        if not tables.exist(database.dialect):
            tables.create(database.dialect, {"public_key": key.public.text}, note)


def _default_key(url: str | Path) -> Path:
    if is_server_url(url):
        raise LedgerError("open a ledger on a server: no signing key is given; pass key=FILE")
    return sqlite_path(url, LedgerError).with_suffix(".key")
