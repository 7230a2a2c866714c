"""The tables of the ledger and the statements on them, the same for SQLite and PostgreSQL.

    ledger_meta          origin and public key, once
    ledger_entries       the canonical JSON of each receipt by index, and the key of its picture
    ledger_hashes        what tlog-tiles publishes: hashes at levels 0, 1, 2, …
    ledger_checkpoints   one signed note per batch, by tree size

Nothing here updates or deletes.  Everything but entries and checkpoints could be computed
again; `Ledger.verify` does, and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sdk.errors import LedgerError
from sdk.sql import Session
from sdk.tlog import TileHash

OUTPUT = "output_sha256"
"""The member by which a picture finds its entry: SHA-256 of the released file, 64 hex."""

_SHA256_HEX = re.compile("[0-9a-f]{64}").fullmatch

TABLES = (
    """CREATE TABLE IF NOT EXISTS ledger_meta (
        name TEXT PRIMARY KEY, value TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ledger_entries (
        idx {int} PRIMARY KEY, entry {blob} NOT NULL, output_key {int})""",
    """CREATE INDEX IF NOT EXISTS ledger_by_output ON ledger_entries (output_key)
        WHERE output_key IS NOT NULL""",
    """CREATE TABLE IF NOT EXISTS ledger_hashes (
        level {int} NOT NULL, idx {int} NOT NULL, hash {blob} NOT NULL,
        PRIMARY KEY (level, idx)) {rowless}""",
    """CREATE TABLE IF NOT EXISTS ledger_checkpoints (
        size {int} PRIMARY KEY, note TEXT NOT NULL)""",
)

META = "SELECT name, value FROM ledger_meta"
LATEST = "SELECT note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1"
CHECKPOINT = "SELECT note FROM ledger_checkpoints WHERE size = :size"
CHECKPOINTS = """SELECT size, note FROM ledger_checkpoints
    WHERE size > :after ORDER BY size LIMIT :limit"""
EXTENT = "SELECT count(*), max(size) FROM ledger_checkpoints"
HASHES = """SELECT idx, hash FROM ledger_hashes
    WHERE level = :level AND idx >= :start AND idx < :stop ORDER BY idx"""
ENTRIES = """SELECT idx, entry, output_key FROM ledger_entries
    WHERE idx >= :start AND idx < :stop ORDER BY idx"""
BEYOND = "SELECT min(idx) FROM ledger_entries WHERE idx < 0 OR idx >= :size"
BY_LEAF = "SELECT idx FROM ledger_hashes WHERE level = 0 AND hash = :hash ORDER BY idx"
"""Unindexed: 30 ms in 50,000 entries.  An index of hashes takes a page of its own for each entry
it adds, and cost a third of the throughput (16.8 → 9.1 us CPU an entry)."""
BY_OUTPUT = "SELECT idx FROM ledger_entries WHERE output_key = :key ORDER BY idx"


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it is stored."""

    index: int
    entry: bytes
    output_key: int | None


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry on its way in."""

    entry: bytes
    hash: bytes
    output: bytes
    """SHA-256 of the picture it speaks of; empty where it speaks of none."""


@dataclass(frozen=True, slots=True)
class LedgerTables:
    """The ledger's rows as one transaction sees them; a `sdk.tlog.Hashes`."""

    session: Session

    def exist(self, dialect: Mapping[str, str]) -> bool:
        """Tell whether `create` has run here."""
        return bool(self.session.all(dialect["exists"], name="ledger_checkpoints"))

    def create(self, dialect: Mapping[str, str], meta: Mapping[str, str], note: str) -> None:
        """Make the tables and the checkpoint of the empty log."""
        for table in TABLES:
            self.session.run(table.format(**dialect))
        self.session.insert("ledger_meta", list(meta.items()))
        self.add_checkpoint(0, note)

    def meta(self) -> dict[str, str]:
        """Return what `create` was told."""
        return {str(name): str(value) for name, value in self.session.all(META)}

    def add(self, start: int, entries: Sequence[NewEntry], above: Iterable[TileHash]) -> None:
        """Write entries from index `start` on, their hashes and the hashes they complete."""
        hashes = [(0, i, e.hash) for i, e in enumerate(entries, start)]
        hashes += [(tile.level, tile.index, tile.hash) for tile in above]
        rows = [
            (i, e.entry, find_key(e.output) if e.output else None)
            for i, e in enumerate(entries, start)
        ]
        self.session.insert("ledger_entries", rows)
        self.session.insert("ledger_hashes", hashes)

    def add_checkpoint(self, size: int, note: str) -> None:
        """Write a signed checkpoint."""
        self.session.insert("ledger_checkpoints", [(size, note)])

    def latest(self) -> str:
        """Return the newest signed checkpoint."""
        rows = self.session.all(LATEST)
        if not rows:
            raise LedgerError("read the ledger's head: no checkpoint is stored; restore a backup")
        return str(rows[0][0])

    def checkpoint_at(self, size: int) -> str:
        """Return the signed checkpoint of a size; empty where there is none."""
        rows = self.session.all(CHECKPOINT, size=size)
        return str(rows[0][0]) if rows else ""

    def checkpoints(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Return (size, signed note) of batches, oldest first, beyond a size."""
        rows = self.session.all(CHECKPOINTS, after=after, limit=limit)
        return [(cast(int, size), str(note)) for size, note in rows]

    def extent(self) -> tuple[int, int]:
        """Return how many checkpoints there are, and the size of the newest."""
        count, size = self.session.all(EXTENT)[0]
        return cast(int, count), cast("int | None", size) or 0

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return a run of published hashes, all of them or raise."""
        found = self.stored_hashes(level, start, stop)
        if len(found) != stop - start:
            raise LedgerError(
                f"read hashes {start} to {stop} of level {level}: {len(found)} are stored;"
                " rows are missing: run the ledger's verify, restore a backup"
            )
        return list(found.values())

    def stored_hashes(self, level: int, start: int, stop: int) -> dict[int, bytes]:
        """Return what is there of a run of published hashes."""
        rows = self.session.all(HASHES, level=level, start=start, stop=stop)
        return {cast(int, index): _blob(hash_) for index, hash_ in rows}

    def entries(self, start: int, stop: int) -> list[Row]:
        """Return what is stored of a run of entries."""
        rows = self.session.all(ENTRIES, start=start, stop=stop)
        return [
            Row(cast(int, i), _blob(entry), cast("int | None", output)) for i, entry, output in rows
        ]

    def entry(self, index: int) -> bytes:
        """Return one entry, or raise."""
        rows = self.entries(index, index + 1)
        if not rows:
            raise LedgerError(
                f"read entry {index}: it is not stored; run the ledger's verify, restore a backup"
            )
        return rows[0].entry

    def beyond(self, size: int) -> int | None:
        """Return the index of an entry that no checkpoint of `size` covers, if there is one."""
        return cast("int | None", self.session.all(BEYOND, size=size)[0][0])

    def by_leaf(self, hash_: bytes) -> list[int]:
        """Return where this leaf hash stands, as far as the stored hashes are right."""
        return [cast(int, row[0]) for row in self.session.all(BY_LEAF, hash=hash_)]

    def by_output(self, sha256: bytes) -> list[int]:
        """Return where this output may stand; the entries decide."""
        return [cast(int, row[0]) for row in self.session.all(BY_OUTPUT, key=find_key(sha256))]


def output_of(leaf: Mapping[str, object]) -> bytes:
    """Return the SHA-256 of the picture that an entry speaks of; empty where of none."""
    value = leaf.get(OUTPUT)
    return b"" if value is None else sha256_bytes(value, f"append a receipt with {OUTPUT}")


def sha256_bytes(value: object, asked: str) -> bytes:
    """Return the 32 bytes of a SHA-256 in hex, or raise."""
    if not isinstance(value, str) or not _SHA256_HEX(value):
        raise LedgerError(f"{asked}: not a SHA-256; give 64 lower-case hex digits")
    return bytes.fromhex(value)


def find_key(hash_: bytes) -> int:
    """First 8 bytes as a signed integer: an index row of 16 bytes instead of 40."""
    return int.from_bytes(hash_[:8], "big", signed=True)


def _blob(value: object) -> bytes:
    """SQLite keeps any type in any column; what is no blob has no hash that could be right."""
    return value if isinstance(value, bytes) else b""
