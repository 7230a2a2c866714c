"""PostgreSQL behind the door of `sdk.sql`, through SQLAlchemy (extra `postgres`).

One writer at a time holds an advisory lock of its schema, so that many machines append to one
log; the primary keys refuse whatever would go around it.  Commits wait for the server's disk
even where the server's default is not to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from sdk.errors import SDKError

TAKE_TURN = text("""
SELECT set_config('lock_timeout', :timeout, true),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
           WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true),
       pg_advisory_xact_lock(hashtextextended(
           'responsible-generation-sdk ' || current_schema(), 0))
""")
READ_VIEW = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

ADVICE: Mapping[type[psycopg.Error], str] = {
    psycopg.errors.LockNotAvailable: "another writer holds the lock; end it or wait",
    psycopg.errors.ReadOnlySqlTransaction: "connect to the primary server, or open for reading",
    psycopg.errors.InsufficientPrivilege: "grant this user the right, or use another user",
    psycopg.errors.DiskFull: "make room on the server's disk, then try again",
    psycopg.errors.UniqueViolation: "someone wrote around the lock; run the ledger's verify",
}


class ServerDatabase:
    """The first schema in the search path of a PostgreSQL URL."""

    dialect: Mapping[str, str] = {
        "int": "BIGINT",
        "blob": "BYTEA",
        "rowless": "",
        # not to_regclass(): it answers from a cache that another session's CREATE leaves stale
        "exists": """SELECT 1 FROM pg_catalog.pg_tables
            WHERE schemaname = current_schema() AND tablename = :name""",
    }

    def __init__(
        self, url: str, error: type[SDKError], read_only: bool, busy_timeout_s: float
    ) -> None:
        parsed = _parse(url, error)
        self.name = parsed.set(query={}).render_as_string(hide_password=True)
        self._error, self._read_only = error, read_only
        self._timeout = f"{max(1, int(busy_timeout_s * 1000))}ms"
        self._pid = os.getpid()
        wait = {"connect_timeout": max(2, int(busy_timeout_s))}  # psycopg takes no less than 2 s
        self._engine = create_engine(parsed, pool_pre_ping=True, connect_args=wait)

    @contextmanager
    def write(self, asked: str) -> Iterator[ServerSession]:
        """One transaction under the schema's advisory lock."""
        self._check_process(asked)
        with self._mapped(asked), self._engine.begin() as connection:
            connection.execute(TAKE_TURN, {"timeout": self._timeout})
            yield ServerSession(connection)

    @contextmanager
    def read(self, asked: str) -> Iterator[ServerSession]:
        """One REPEATABLE READ transaction."""
        self._check_process(asked)
        with self._mapped(asked), self._engine.connect() as connection:
            connection.execute(READ_VIEW)
            yield ServerSession(connection)

    def scrub(self) -> None:
        """Ask the server to reclaim dead rows; its WAL and its backups are beyond our reach."""
        with self._mapped("vacuum"), self._engine.connect() as connection:
            own = connection.execution_options(isolation_level="AUTOCOMMIT")
            own.execute(text("VACUUM"))

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()

    def _check_process(self, asked: str) -> None:
        if os.getpid() != self._pid:
            raise self._error(
                f"{asked}: {self.name} was opened before a fork; open it again in this process"
            )

    @contextmanager
    def _mapped(self, asked: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            cause = getattr(exc, "orig", None) or exc
            found = str(cause).strip().partition("\n")[0]  # further lines may quote a row
            advice = next((a for kind, a in ADVICE.items() if isinstance(cause, kind)), "")
            raise self._error(
                f"{asked} in {self.name}: {found};"
                f" {advice or 'check that the server answers and the URL is right'}"
            ) from exc


class ServerSession:
    """A transaction on a pooled connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Add whole rows by COPY: one round trip for a batch."""
        driver = self._connection.connection.cursor()
        try:
            with driver.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as exc:  # SQLAlchemy does not see what it does not send
            raise DBAPIError.instance(f"COPY {table}", None, exc, psycopg.Error) from exc

    def run(self, statement: str, **values: object) -> None:
        """Execute a statement that finds nothing."""
        self._connection.execute(text(statement), values)

    def all(self, statement: str, **values: object) -> Sequence[Sequence[object]]:
        """Return every row that a query finds."""
        return [tuple(row) for row in self._connection.execute(text(statement), values)]


def _parse(url: str, error: type[SDKError]) -> URL:
    asked = "open a PostgreSQL database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # not chained: they quote the URL with its password
        raise error(f"{asked}: the URL cannot be read; use postgresql://USER@HOST/DB") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "postgresql+psycopg":
        raise error(f"{asked}: driver {parsed.drivername!r}; use postgresql+psycopg://…")
    return parsed
