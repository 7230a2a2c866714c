"""An SQLite file behind the door of `sdk.sql`: WAL mode, synced to disk at each commit.

Several processes may write to one file; SQLite's own lock gives them turns.  The file must stay
where it is: one that is deleted or restored over takes no more rows.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from sdk.errors import SDKError

ROWS_AT_ONCE = (128, 16, 1)
"""Few sizes, so that the statements stay prepared; SQLite binds at most 999 values in old builds
(limit 9 of sqlite.org/limits.html), and our widest table has 4 columns."""

WAL_PAGES = 256
"""Pages before the write-ahead log is copied back, 1 MB.  SQLite's 1000 make fewer and longer
pauses: p99 of a batch of 128 was 8.2 ms with 1000, 4.1 ms with 300, at 12.7 and 14.1 us an entry.
Copying back in a thread of its own was no shorter and let the log grow without end."""

RETRY_S = (0.0005, 0.003)
"""Seconds between attempts to take the write lock: about the time of one commit."""

ADVICE = {
    "SQLITE_BUSY": "another process holds the write lock; end it or wait, then try again",
    "SQLITE_LOCKED": "another connection holds the write lock; end it or wait, then try again",
    "SQLITE_FULL": "make room on the disk or raise the file size limit, then try again",
    "SQLITE_READONLY": "make the file and its folder writable, or open it for reading",
    "SQLITE_CANTOPEN": "check that the folder exists and can be written",
    "SQLITE_IOERR": "check the disk and its free space, then run the ledger's verify",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup, then run verify",
    "SQLITE_NOTADB": "this is not an SQLite file, or its header is damaged; restore a backup",
}


class SqliteDatabase:
    """An SQLite file in WAL mode, synced to disk at each commit."""

    dialect: Mapping[str, str] = {
        "int": "INTEGER",
        "blob": "BLOB",
        "rowless": "WITHOUT ROWID",
        "exists": "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name",
    }

    def __init__(
        self,
        path: Path,
        error: type[SDKError],
        read_only: bool,
        busy_timeout_s: float,
        private: bool,
    ) -> None:
        self.name = str(path)
        self._path, self._error, self._read_only = path, error, read_only
        self._timeout_s, self._private = busy_timeout_s, private
        self._pid = os.getpid()
        self._turn = threading.Lock()
        with self._mapped("open a database"):
            if not read_only:
                _make_file(path, 0o600 if private else 0o666)
            self._file = _identity(path)
            self._idle: list[sqlite3.Connection] = []
            self._idle_file = self._file
            self._writer = self._connect()
            try:
                if not read_only:
                    self._prepare(self._writer)
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def write(self, asked: str) -> Iterator[SqliteSession]:
        """BEGIN IMMEDIATE … COMMIT: threads take turns here, processes in SQLite."""
        self._check_process(asked)
        with self._turn, self._mapped(asked):
            self._check_file(asked)
            self._begin()
            try:
                yield SqliteSession(self._writer)
                self._writer.execute("COMMIT")
                self._check_file(asked)
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _begin(self) -> None:
        """Take the write lock, asking often.

        SQLite's own busy handler sleeps up to 100 ms between attempts, so that whoever just
        wrote writes again: of four processes appending at once the slowest took 2,587 ms with
        it, 168 ms with this.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                    raise
            time.sleep(random.uniform(*RETRY_S))

    @contextmanager
    def read(self, asked: str) -> Iterator[SqliteSession]:
        """A connection of its own, so that no reader waits for another; it is used again.

        A new one takes 90 us, a look-up among 10 million rows 30 (benchmarks/recovery.py).
        """
        self._check_process(asked)
        with self._mapped(asked):
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield SqliteSession(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
            if self._is_frozen():
                connection.close()
            else:
                self._idle.append(connection)

    def _reader(self) -> sqlite3.Connection:
        """Return an idle connection to the file that lies there now, or a new one."""
        there = _identity(self._path)
        if there != self._idle_file:
            self._end_idle()
            self._idle_file = there
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _is_frozen(self) -> bool:
        """Whether connections are `immutable`: such a one would see no later change."""
        return self._read_only and not os.access(self._path.parent, os.W_OK)

    def scrub(self) -> None:
        """Deleted cells are zeroed as they go (secure_delete); empty the WAL of old copies."""
        with self._turn, self._mapped("empty the write-ahead log"):
            self._writer.execute(f"PRAGMA busy_timeout={int(self._timeout_s * 1000)}")
            busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._writer.execute("PRAGMA busy_timeout=0")
            if busy:
                raise sqlite3.OperationalError("another connection still reads old rows")

    def close(self) -> None:
        """Close the writing connection; the last one to close empties the WAL."""
        with self._turn, self._mapped("close"):
            self._end_idle()
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rw"
        uri = f"{self._path.as_uri()}?mode={mode}"
        if self._is_frozen() and not _has_wal(self._path):
            uri += "&immutable=1"  # WAL needs a shared-memory file that nobody could make here
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA query_only=" + ("ON" if self._read_only else "OFF"))
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set what durability needs; two processes may create the file at once."""
        deadline = time.monotonic() + self._timeout_s
        while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:  # the busy handler does not cover this pragma
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute("PRAGMA fullfsync=ON")  # macOS: fsync alone stops at the drive's cache
        if self._private:
            connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA busy_timeout=0")  # `_begin` waits by itself

    def _check_process(self, asked: str) -> None:
        if os.getpid() != self._pid:
            raise self._error(
                f"{asked}: {self.name} was opened before a fork; open it again in this process"
            )

    def _check_file(self, asked: str) -> None:
        """A file that was deleted or restored over would take rows that nobody sees again."""
        if not self._path.exists() or _identity(self._path) != self._file:
            raise self._error(
                f"{asked} in {self.name}: the file was removed or replaced while it was open;"
                " put the right file there and open it again"
            )

    @contextmanager
    def _mapped(self, asked: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise self._error(f"{asked} in {self.name}: {exc}; {_advice(exc)}") from exc
        except OSError as exc:
            raise self._error(
                f"{asked} in {self.name}: {exc.strerror}; check the path, its rights and the disk"
            ) from exc


class SqliteSession:
    """A transaction on an SQLite connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Add whole rows, many in one statement.

        `executemany` gives the interpreter lock away once a row and, beside a busy thread, waits
        up to 5 ms to get it back: 3,300 entries/s where this wrote 17,800 (benchmarks/ledger.py).
        """
        done = 0
        for size in ROWS_AT_ONCE:
            while len(rows) - done >= size:
                part = rows[done : done + size]
                marks = ", ".join([f"({', '.join('?' * len(part[0]))})"] * size)
                values = list(chain.from_iterable(part))
                # the table is a name of ours, never of a caller
                self._connection.execute(f"INSERT INTO {table} VALUES {marks}", values)  # noqa: S608
                done += size

    def run(self, statement: str, **values: object) -> None:
        """Execute a statement that finds nothing."""
        self._connection.execute(statement, values)

    def all(self, statement: str, **values: object) -> Sequence[Sequence[object]]:
        """Return every row that a query finds."""
        return self._connection.execute(statement, values).fetchall()


def _make_file(path: Path, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, mode))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


def _advice(exc: sqlite3.Error) -> str:
    name = getattr(exc, "sqlite_errorname", "")
    for prefix, advice in ADVICE.items():
        if name.startswith(prefix):
            return advice
    return "run the ledger's verify; restore a backup if it finds damage"
