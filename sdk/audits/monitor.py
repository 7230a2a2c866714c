"""Watches a stream of answers for drift, across restarts and processes.

    with Monitor.open("state/drift.db", {"perceived_gender": drift}) as monitor:
        for alarm in monitor.observe({"perceived_gender": "woman"}):
            record(ledger, alarm)

Each answer is one transaction: what is counted stays counted when the process dies, and nothing is
counted twice.  An alarm is given once; the state remembers it until `restart`.  Only counts are
kept, never a picture or a prompt.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sdk.audits.drift import Drift
from sdk.errors import DataError
from sdk.leaf import now
from sdk.ledger import Ledger
from sdk.ledger_writer import Receipt
from sdk.sql import Database, Session, open_database
from sdk.types import JSON

_TABLE = "drift"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The evidence of one attribute reached 1/alpha."""

    attribute: str
    drift: Drift
    """The state at that moment."""
    alpha: float
    at: str
    """RFC 3339, UTC."""

    def leaf(self) -> dict[str, JSON]:
        """The ledger entry: counts and shares, nothing of any picture."""
        shares = zip(self.drift.values, self.drift.shares, strict=True)
        return {
            "v": _VERSION,
            "type": "drift_alarm",
            "at": self.at,
            "attribute": self.attribute,
            "alpha": self.alpha,
            "log_evidence": round(self.drift.at, 6),
            "n": self.drift.n,
            "shares": {value: round(share, 6) for value, share in shares},
            "expected": {
                value: round(share, 6)
                for value, share in zip(self.drift.values, self.drift.expected, strict=True)
            },
            "tolerance": self.drift.tolerance,
        }


def record(ledger: Ledger, alarm: Alarm) -> Receipt:
    """Write the alarm into the ledger.

    Raises:
        LedgerError: it was not written.
    """
    return ledger.append(alarm.leaf())


class Monitor:
    """One e-process for each attribute, in an SQLite file or a PostgreSQL database."""

    def __init__(self, database: Database, watched: Mapping[str, Drift], alpha: float) -> None:
        self._database = database
        self._watched = dict(watched)
        self.alpha = alpha

    @classmethod
    def open(
        cls, place: str | Path, watched: Mapping[str, Drift], *, alpha: float = 0.05
    ) -> Monitor:
        """Open the state at `place`, or begin it; each attribute begins as its Drift says.

        `alpha` is the chance that an attribute whose shares stay as expected ever raises an alarm;
        for one bound over several attributes divide it by their number.

        Raises:
            DataError: alpha is not in (0, 1), nothing is watched, the place cannot be opened, or
                it holds a state with other values, shares or tolerance.
        """
        if not 0 < alpha < 1 or not watched:
            raise DataError(
                f"asked to watch {len(watched)} attributes with alpha {alpha!r}; give at least one "
                "attribute, and an alpha above 0 and below 1, such as 0.05"
            )
        database = open_database(place, error=DataError)
        monitor = cls(database, watched, alpha)
        try:
            with database.write("begin to watch for drift") as session:
                if not session.all(database.dialect["exists"], name=_TABLE):
                    session.run(
                        f"CREATE TABLE {_TABLE} (attribute TEXT PRIMARY KEY, state TEXT NOT NULL)"
                    )
                for attribute in watched:
                    monitor._read(session, attribute)
        except BaseException:
            database.close()
            raise
        return monitor

    def observe(self, answers: Mapping[str, str]) -> list[Alarm]:
        """Count one answer for each attribute; return the alarms that this answer raised.

        Raises:
            DataError: an attribute or value is not watched, or the state cannot be written; then
                nothing of this call was counted.
        """
        if unknown := sorted(set(answers) - set(self._watched)):
            raise DataError(
                f"asked to count {', '.join(unknown)}; watched are {', '.join(self._watched)}"
            )
        alarms = []
        with self._database.write("count an answer") as session:
            for attribute, value in answers.items():
                before = self._read(session, attribute)
                after = before.seen(value)
                self._write(session, attribute, after)
                if after.peak >= self._bound > before.peak:
                    alarms.append(
                        Alarm(attribute=attribute, drift=after, alpha=self.alpha, at=now())
                    )
        return alarms

    def state(self, attribute: str) -> Drift:
        """What is known about an attribute now.

        Raises:
            DataError: it is not watched, or the state cannot be read.
        """
        if attribute not in self._watched:
            raise DataError(f"asked for {attribute!r}; watched are {', '.join(self._watched)}")
        with self._database.read("read the drift state") as session:
            return self._read(session, attribute)

    def alarmed(self, attribute: str) -> bool:
        """Whether the evidence ever reached 1/alpha since the last restart."""
        return self.state(attribute).peak >= self._bound

    def restart(self, attribute: str) -> None:
        """Forget the answers so far, after the cause of an alarm was found.

        The bound on false alarms holds for each stretch by itself.
        """
        self.state(attribute)
        with self._database.write("watch anew") as session:
            self._write(session, attribute, self._watched[attribute])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @property
    def _bound(self) -> float:
        return math.log(1 / self.alpha)

    def _read(self, session: Session, attribute: str) -> Drift:
        query = f"SELECT state FROM {_TABLE} WHERE attribute = :attribute"  # noqa: S608  a name of ours
        rows = session.all(query, attribute=attribute)
        begun = self._watched[attribute]
        return _parsed(attribute, str(rows[0][0]), begun) if rows else begun

    def _write(self, session: Session, attribute: str, drift: Drift) -> None:
        kept = {
            "values": drift.values,
            "expected": drift.expected,
            "tolerance": drift.tolerance,
            "counts": drift.counts,
            "starts": drift.starts,
            "at": drift.at,
            "peak": drift.peak,
        }
        session.run(
            f"INSERT INTO {_TABLE} (attribute, state) VALUES (:attribute, :state) "  # noqa: S608
            "ON CONFLICT (attribute) DO UPDATE SET state = excluded.state",
            attribute=attribute,
            state=json.dumps(kept),
        )


def _parsed(attribute: str, text: str, begun: Drift) -> Drift:
    try:
        kept = json.loads(text)
        found = replace(
            begun,
            values=tuple(kept["values"]),
            expected=tuple(kept["expected"]),
            tolerance=kept["tolerance"],
            counts=tuple(kept["counts"]),
            starts=tuple((number, tuple(counts)) for number, counts in kept["starts"]),
            at=kept["at"],
            peak=kept["peak"],
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"asked for the drift state of {attribute}, found {type(exc).__name__}: {exc}; restore "
            "a backup, or begin a new state in another place"
        ) from exc
    same = (found.values, found.tolerance) == (begun.values, begun.tolerance) and all(
        math.isclose(a, b, abs_tol=1e-9)
        for a, b in zip(found.expected, begun.expected, strict=True)
    )
    if not same:
        raise DataError(
            f"asked to watch {attribute} for {dict(zip(begun.values, begun.expected, strict=True))}"
            f" within {begun.tolerance:g}, found a state for "
            f"{dict(zip(found.values, found.expected, strict=True))} within {found.tolerance:g}; "
            "evidence for one is none for the other: begin a new state in another place"
        )
    return found
