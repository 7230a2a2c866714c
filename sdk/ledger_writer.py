"""One thread that writes entries in batches: a commit to disk is shared by all who wait.

While one batch is being synced the next one gathers, so throughput grows with load and a lone
caller never waits for company (group commit).  The batch is one transaction: entries, hashes
and a signed checkpoint appear together or not at all, also when the process is killed.

The writer signs only what extends what this log signed before (tlog-checkpoint, "Signatures"):
it keeps the edge of the tree it last saw, and refuses to go on from a database that went back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sdk.checkpoint import Checkpoint, LogKey
from sdk.errors import LedgerError, SDKError
from sdk.ledger_store import LedgerTables, NewEntry
from sdk.sql import Database
from sdk.tlog import Frontier, TileHash

MAX_BATCH = 1024
MAX_WAITING = 8 * MAX_BATCH
"""Entries in memory before `submit` makes its caller wait."""

CATCH_UP = 4096
"""Entries of other processes that are hashed one by one before the edge is read anew."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry is on disk, under a signed checkpoint."""

    index: int
    """Its place in the log, from 0."""
    leaf_hash: str
    """RFC 6962 leaf hash, hex: what `Ledger.prove` takes beside the index."""
    checkpoint: str
    """The signed note that covers it; keep one elsewhere to notice a log that was cut."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Entries that go to disk together, and who waits for them."""

    entries: Sequence[NewEntry]
    done: Callable[[Sequence[Receipt]], None]
    failed: Callable[[Exception], None]


class LedgerWriter:
    """The only way entries get into the tables."""

    def __init__(self, database: Database, key: LogKey) -> None:
        self._database, self._key = database, key
        self._edge = Frontier()
        self._note = ""
        self._unsettled: tuple[Frontier, str] | None = None
        self._waiting: list[Waiting] = []
        self._load = 0
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._drained = threading.Condition(self._lock)
        self._closed = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="sdk-ledger", daemon=True)
        self._thread.start()

    def submit(self, entry: NewEntry) -> Future[Receipt]:
        """Queue an entry; the future ends when it is on disk, or with the reason it is not."""
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can take it back
        self._put(Waiting((entry,), lambda all_: future.set_result(all_[0]), future.set_exception))
        return future

    def submit_all(self, entries: Sequence[NewEntry]) -> Future[Sequence[Receipt]]:
        """Queue entries that go to disk in one commit, all of them or none."""
        future: Future[Sequence[Receipt]] = Future()
        future.set_running_or_notify_cancel()
        self._put(Waiting(entries, future.set_result, future.set_exception))
        return future

    def _put(self, item: Waiting) -> None:
        if os.getpid() != self._pid:
            raise LedgerError(
                f"append to {self._database.name}: it was opened before a fork, which takes no"
                " threads along; open it again in this process"
            )
        with self._lock:
            while self._load >= MAX_WAITING and not self._closed:
                self._drained.wait()
            if self._closed:
                raise LedgerError("append a receipt: the ledger was closed; open it again")
            self._waiting.append(item)
            self._load += len(item.entries)
            self._filled.notify()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
            self._drained.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            entries = [entry for item in batch for entry in item.entries]
            self._unsettled = None
            try:
                self._commit(entries)
            except Exception as exc:  # noqa: BLE001 - handed to every caller who waits
                if (unwritten := self._settle(exc)) is not None:
                    _fail(batch, unwritten)
                    continue
            index = self._edge.size - len(entries)
            for item in batch:
                numbered = enumerate(item.entries, index)
                item.done([Receipt(i, entry.hash.hex(), self._note) for i, entry in numbered])
                index += len(item.entries)

    def _take(self) -> list[Waiting]:
        """Wait for work; return a batch, empty when closed."""
        with self._lock:
            while not self._waiting and not self._closed:
                self._filled.wait()
            room, number = MAX_BATCH, 0
            while number < len(self._waiting) and room > 0:
                room -= len(self._waiting[number].entries)
                number += 1
            batch, self._waiting = self._waiting[:number], self._waiting[number:]
            self._load -= MAX_BATCH - room
            self._drained.notify_all()
            return batch

    def _commit(self, entries: list[NewEntry]) -> None:
        """Write one batch, and move the edge to its end."""
        with self._database.write(f"append {len(entries)} receipts") as session:
            tables = LedgerTables(session)
            self._catch_up(tables)
            edge, above = self._edge.copy(), list[TileHash]()
            for entry in entries:
                above += edge.append(entry.hash)
            note = self._key.sign(
                Checkpoint(origin=self._key.public.name, size=edge.size, root=edge.root())
            )
            tables.add(self._edge.size, entries, above)
            tables.add_checkpoint(edge.size, note)
            self._unsettled = edge, note
        self._edge, self._note = edge, note

    def _settle(self, exc: Exception) -> Exception | None:
        """Find out whether a batch whose commit failed is there after all; None: it is.

        A server may have committed before the connection broke.  The signed note tells: only
        this batch has it.  Taking the write lock waits for a commit that is still under way.
        """
        if not isinstance(exc, SDKError):
            return exc
        if self._unsettled is None:
            return LedgerError(f"{exc}; nothing of it was written")
        edge, note = self._unsettled
        try:
            with self._database.write("look for an unfinished append") as session:
                written = LedgerTables(session).checkpoint_at(edge.size) == note
        except SDKError as blind:
            return LedgerError(
                f"{exc}; whether it was written is not known ({blind}):"
                " find the entry before you append it again"
            )
        if not written:
            return LedgerError(f"{exc}; nothing of it was written")
        self._edge, self._note = edge, note
        return None

    def _catch_up(self, tables: LedgerTables) -> None:
        """Follow what other processes wrote; refuse a log that is not the one we signed.

        Raises:
            LedgerError: the newest checkpoint is not ours, is older than one we saw, or its
                root is not that of the stored hashes.
        """
        note = tables.latest()
        if note == self._note:
            return
        head = self._key.public.open(note)
        behind = head.size - self._edge.size
        if behind < 0:
            raise LedgerError(
                f"append to {self._database.name}: it went back from {self._edge.size} entries"
                f" to {head.size}; restore what was cut off, and run the ledger's verify"
            )
        edge = self._edge.copy()
        if behind <= CATCH_UP:
            for leaf in tables.hashes(0, edge.size, head.size):
                edge.append(leaf)
        else:
            edge = Frontier.read(tables, head.size)
        if edge.root() != head.root:
            raise LedgerError(
                f"append to {self._database.name}: the stored hashes do not give the root that"
                f" was signed for {head.size} entries; run the ledger's verify"
            )
        self._edge, self._note = edge, note


def _fail(batch: list[Waiting], exc: Exception) -> None:
    """Give each caller an error of its own: the pipeline writes on it."""
    for item in batch:
        own = LedgerError(str(exc)) if isinstance(exc, LedgerError) else exc
        own.__cause__ = exc.__cause__ if own is exc else exc
        item.failed(own)
