"""One small door to SQLite and PostgreSQL: the same statements, durable on both.

    database = open_database("ledger.db", error=LedgerError)
    with database.write("append 3 receipts") as session:
        session.insert("t", [(1, "one"), (2, "two")])

`write` is one transaction of the one writer that the database admits at a time, on disk when
the block ends; `read` is one consistent view.  SQLite goes through the standard library,
because importing SQLAlchemy costs 335 ms and `sdk verify` may take 400; it is loaded for
PostgreSQL alone (`sdk.sql_server`).  Every failure leaves as `error`, in three parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from sdk.errors import SDKError
from sdk.sql_file import SqliteDatabase

Row = Sequence[object]

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for the others before it says so."""


class Session(Protocol):
    """One transaction."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add whole rows, in the order of the table's columns."""

    def run(self, statement: str, **values: object) -> None:
        """Execute a statement that finds nothing."""

    def all(self, statement: str, **values: object) -> Sequence[Row]:
        """Return every row that a query finds."""


class Database(Protocol):
    """A place to keep tables; safe to share between threads."""

    name: str
    """For messages: never holds a password."""
    dialect: Mapping[str, str]
    """How it spells the column types `int` and `blob`, the table suffix `rowless`, and the
    query `exists` for a table called :name."""

    def write(self, asked: str) -> AbstractContextManager[Session]:
        """Open the only writing transaction; durable when the block ends, or it raises."""

    def read(self, asked: str) -> AbstractContextManager[Session]:
        """Open a consistent view; other writers do not disturb it."""

    def scrub(self) -> None:
        """Overwrite or drop deleted rows where the database can (see docs/ledger.md)."""

    def close(self) -> None:
        """Let go of files and connections."""


def open_database(
    url: str | Path,
    *,
    error: type[SDKError],
    read_only: bool = False,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    private: bool = False,
) -> Database:
    """Open an SQLite file (path or `sqlite:///path`) or a `postgresql://` database.

    `private` makes a new SQLite file readable by its owner alone, and zeroes what is deleted.
    """
    if is_server_url(url):
        try:
            from sdk.sql_server import ServerDatabase
        except ImportError as exc:
            raise error(
                f"open a database server: {exc}; pip install 'responsible-generation-sdk[postgres]'"
            ) from exc
        return ServerDatabase(str(url), error, read_only, busy_timeout_s)
    return SqliteDatabase(sqlite_path(url, error), error, read_only, busy_timeout_s, private)


def is_server_url(url: str | Path) -> bool:
    """Tell a PostgreSQL URL from a file."""
    return isinstance(url, str) and url.startswith(("postgresql:", "postgresql+", "postgres:"))


def sqlite_path(url: str | Path, error: type[SDKError]) -> Path:
    """Return the file that an SQLite path or URL names."""
    text = str(url)
    if isinstance(url, str) and "://" in text:
        scheme, _, rest = text.partition("://")
        if scheme != "sqlite" or len(rest) < 2:
            raise error(
                f"open a database at {scheme}://…: not a place we can write to;"
                " give a file path, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
            )
        text = unquote(rest[1:])
    if not text or text.startswith(":memory:") or "\0" in text:
        raise error(f"open a database at {text!r}: not a file; give the path of a file")
    return Path(text).absolute()
