"""Recompute a whole ledger and say where it first goes wrong.

Steps, in the order of the log:

1. each entry stands at its index and has the leaf hash stored beside it
2. the key it is found by is that of its picture
3. the hashes above level 0 are those of the entries below
4. at the size of each checkpoint the tree has the root that the log signed
5. no entry stands beyond the newest checkpoint
6. a checkpoint that someone remembered is one of these trees: nothing was cut off or rewritten

Someone who holds the database and the signing key can write a new history that passes 1 to 5;
only step 6, with a checkpoint kept elsewhere, notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge

from sdk.checkpoint import PROOF_HEADER, Checkpoint, Proof, PublicKey
from sdk.errors import LedgerError
from sdk.ledger_store import LedgerTables, Row, find_key, output_of
from sdk.tlog import Frontier, TileHash, leaf_hash

CHUNK = 1000
"""Entries and checkpoints in memory at a time: at most 64 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """What a look at every byte found."""

    ok: bool
    size: int
    """Entries that the newest checkpoint covers."""
    checkpoints: int
    """Signed checkpoints, all of them checked when `ok`."""
    public_key: str
    """The key that the signatures were checked with."""
    key_trusted: bool
    """False: the key came out of the database itself, so whoever rewrote it could change both."""
    first_bad: int | None
    """Index of the first entry that cannot be relied on; None when `ok`."""
    reason: str
    """What was found there; empty when `ok`."""


class _Bad(Exception):
    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


def audit(tables: LedgerTables, key: PublicKey, trusted: bool, against: str) -> LedgerReport:
    """Check everything; `against` is a checkpoint or receipt someone kept, or empty."""
    count, size = tables.extent()
    bad: _Bad | None = None
    try:
        if not count:
            raise _Bad(0, "no signed checkpoint is stored")
        remembered = [_remembered(against, key, size)] if against else []
        _sweep(tables, merge(_heads(tables, key), remembered, key=lambda head: head.size), size)
    except _Bad as found:
        bad = found
    return LedgerReport(
        ok=bad is None,
        size=size,
        checkpoints=count,
        public_key=key.text,
        key_trusted=trusted,
        first_bad=bad.index if bad else None,
        reason=str(bad) if bad else "",
    )


def _heads(tables: LedgerTables, key: PublicKey) -> Iterator[Checkpoint]:
    """Yield the stored checkpoints, oldest first, each opened with the key."""
    last, stored_for = 0, -1
    while rows := tables.checkpoints(stored_for, CHUNK):
        for stored_for, note in rows:
            try:
                head = key.open(note)
            except LedgerError as exc:
                raise _Bad(last, f"the checkpoint stored for {stored_for} entries: {exc}") from exc
            if head.size != stored_for:
                found = f"stored for {stored_for} entries is signed for {head.size}"
                raise _Bad(last, f"the checkpoint {found}")
            last = head.size
            yield head


def _remembered(against: str, key: PublicKey, size: int) -> Checkpoint:
    """Open the checkpoint to compare with; a wrong one is the caller's error, not the log's."""
    note = Proof.parse(against).note if against.startswith(PROOF_HEADER) else against
    head = key.open(note)
    if head.size > size:
        raise _Bad(size, f"{head.size} entries were signed, {size} are left: the end was cut off")
    return head


def _sweep(tables: LedgerTables, heads: Iterable[Checkpoint], size: int) -> None:
    edge, good = Frontier(), 0
    waiting = iter(heads)
    head = next(waiting)
    for index in _sizes(tables, edge, size):
        while head.size == index:
            if edge.root() != head.root:
                raise _Bad(good, f"entries {good} to {index - 1} do not give the signed root")
            good = index
            if (following := next(waiting, None)) is None:
                break
            head = following
    beyond = tables.beyond(size)
    if beyond is not None:
        raise _Bad(min(max(beyond, 0), size), f"entry {beyond} stands under no signed checkpoint")


def _sizes(tables: LedgerTables, edge: Frontier, size: int) -> Iterator[int]:
    """Grow `edge` entry by entry; yield each size it reaches, from 0."""
    yield 0
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        rows = {row.index: row for row in tables.entries(start, stop)}
        stored = tables.stored_hashes(0, start, stop)
        for index in range(start, stop):
            above = edge.append(_checked(index, rows.get(index), stored.get(index)))
            for tile in above:
                _check_above(tables, tile, index)
            yield index + 1


def _checked(index: int, row: Row | None, stored: bytes | None) -> bytes:
    """Steps 1 and 2."""
    if row is None:
        raise _Bad(index, f"entry {index} is missing")
    found = leaf_hash(row.entry)
    if found != stored:
        raise _Bad(index, f"entry {index} does not have the leaf hash stored for it")
    if row.output_key != _output_key(index, row.entry):
        raise _Bad(index, f"entry {index} is not found by the picture it speaks of")
    return found


def _output_key(index: int, entry: bytes) -> int | None:
    try:
        leaf = json.loads(entry)
        output = output_of(leaf) if isinstance(leaf, dict) else b""
    except (ValueError, LedgerError) as exc:
        raise _Bad(index, f"entry {index} is signed, but is no entry of ours: {exc}") from exc
    return find_key(output) if output else None


def _check_above(tables: LedgerTables, tile: TileHash, index: int) -> None:
    """Step 3."""
    stored = tables.stored_hashes(tile.level, tile.index, tile.index + 1)
    if stored.get(tile.index) != tile.hash:
        first = index + 1 - (1 << 8 * tile.level)
        raise _Bad(first, f"hash {tile.index} of level {tile.level} is not that of its entries")
