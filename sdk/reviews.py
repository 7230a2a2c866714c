"""The review queue: what a person must look at, what they decided, and what it is good for.

    item = reviews.add(refusal, subject_matter, …)       # the pipeline, when the verdict is review
    reviews.vote(item.id, "approve", "anna", ledger)     # a person
    studio.generate(replace(request, approvals=(item.id,)))

An approval is no way around the policy: the call runs again, every control is asked again, and only
a verdict `review` of the very rules that were approved counts as approved.  It is good for exactly
one request (its commitment), under one policy, for some days, and for one release.  A block or an
error is never lifted.  Votes and appeals are in the ledger; names of reviewers, and nothing that
was asked, are in this database.  What was asked is where the policy puts it: the vault, or nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

from sdk.canonical import canonical
from sdk.errors import ReviewError
from sdk.ledger_writer import Receipt
from sdk.review_item import APPROVED, REJECTED, WAITING, About, Review
from sdk.sql import Database, Session, open_database
from sdk.types import JSON

TABLES = (
    """CREATE TABLE IF NOT EXISTS reviews (
        id TEXT PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, receipt TEXT NOT NULL,
        about TEXT NOT NULL, salt {blob} NOT NULL, commitment {blob} NOT NULL,
        status TEXT NOT NULL, used_by TEXT NOT NULL, picture {blob})""",
    """CREATE TABLE IF NOT EXISTS review_votes (
        review TEXT NOT NULL, at TEXT NOT NULL, reviewer TEXT NOT NULL, vote TEXT NOT NULL,
        receipt TEXT NOT NULL, PRIMARY KEY (review, reviewer))""",
)
ITEM = "SELECT id, at, kind, receipt, about, salt, commitment, status, used_by FROM reviews"
VOTES = ("approve", "reject")
_SALT = 32


class Appends(Protocol):
    """What a vote needs of a ledger."""

    def append(self, leaf: Mapping[str, object], /) -> Receipt:
        """Put one entry on disk."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What the queue says was approved; the ledger must say so too."""

    id: str
    rules: tuple[str, ...]
    commitment: str
    receipts: tuple[str, ...]
    """Leaf hashes of the votes."""


class Reviews:
    """A queue in a database."""

    def __init__(self, database: Database) -> None:
        """Use `open`."""
        self._database = database
        with database.write("make the review queue") as session:
            for table in TABLES:
                session.run(table.format(**database.dialect))

    @classmethod
    def open(cls, url: str | Path) -> Self:
        """Open a queue; make it where there is none.

        Raises:
            ReviewError: it cannot be opened.
        """
        with ExitStack() as undo:
            database = open_database(url, error=ReviewError, private=True)
            undo.callback(database.close)
            queue = cls(database)
            undo.pop_all()
            return queue

    def add(
        self,
        about: About,
        matter: Mapping[str, JSON],
        *,
        receipt: str,
        kind: str = "review",
        picture: bytes = b"",
    ) -> str:
        """Put something before a person; returns its id.  Of `matter` only a commitment is kept."""
        salt, id_ = os.urandom(_SALT), secrets.token_hex(6)
        row = (
            id_,
            _now(),
            kind,
            receipt,
            json.dumps(about.as_json()),
            salt,
            _commitment(salt, matter),
            WAITING,
            "",
            picture or None,
        )
        with self._database.write("put a call before a person") as session:
            session.insert("reviews", [row])
        return id_

    def items(self, status: str = "") -> tuple[Review, ...]:
        """Return the queue, oldest first; only of one status where it is given."""
        with self._database.read("read the review queue") as session:
            where = " WHERE status = :status" if status else ""
            rows = session.all(f"{ITEM}{where} ORDER BY at, id", status=status)
            return tuple(_review(row, _votes(session, str(row[0]))) for row in rows)

    def item(self, id_: str) -> Review:
        """Return one item.

        Raises:
            ReviewError: there is none of this id.
        """
        with self._database.read("read a review") as session:
            return _review(_row(session, id_), _votes(session, id_))

    def picture(self, id_: str) -> bytes:
        """Return the review copy of a picture, a PNG; empty where none is kept."""
        with self._database.read("read a review copy") as session:
            _row(session, id_)
            found = session.all("SELECT picture FROM reviews WHERE id = :id", id=id_)
        kept = found[0][0]
        return kept if isinstance(kept, bytes) else b""

    def vote(self, id_: str, vote: str, reviewer: str, ledger: Appends) -> Review:
        """Record what one person decided, in the ledger and here; returns the item as it now is.

        One rejection rejects; an approval counts when `votes` different people gave it.

        Raises:
            ReviewError: no such item, already decided or expired, or this person has voted.
            LedgerError: the vote could not be written down; then it does not count.
        """
        if vote not in VOTES or not reviewer.strip():
            raise ReviewError(
                f"asked to vote {vote!r} by {reviewer!r}; say approve or reject, and who"
            )
        with self._database.write("record a vote") as session:
            row = _row(session, id_)
            item = _review(row, _votes(session, id_))
            _check_open(item, reviewer)
            given = sum(how == "approve" for _, _, how in item.votes) + (vote == "approve")
            status = REJECTED if vote == "reject" else WAITING
            status = APPROVED if given >= item.about.votes and vote == "approve" else status
            salt = _blob(row[5])
            receipt = ledger.append(
                {
                    "v": 1,
                    "type": "review",
                    "at": _now(),
                    "review": id_,
                    "about": item.receipt,
                    "commitment": _blob(row[6]).hex(),
                    "vote": vote,
                    "status": status,
                    "reviewer": hashlib.sha256(salt + reviewer.encode()).hexdigest(),
                    "policy": item.about.digest,
                    "rules": list(item.about.rules),
                }
            )
            session.insert("review_votes", [(id_, _now(), reviewer, vote, receipt.leaf_hash)])
            session.run("UPDATE reviews SET status = :status WHERE id = :id", status=status, id=id_)
            if status != WAITING:
                session.run("UPDATE reviews SET picture = NULL WHERE id = :id", id=id_)
            return _review(_row(session, id_), _votes(session, id_))

    def approved(
        self, id_: str, *, stage: str, digest: str, pixels: str, matter: Mapping[str, JSON]
    ) -> Approval | None:
        """Return an approval for exactly this request and policy; None if it is for another stage.

        Raises:
            ReviewError: it is not approved, used, expired, or about something else.
        """
        with self._database.read("look up an approval") as session:
            row = _row(session, id_)
            item = _review(row, ())
            votes = session.all("SELECT receipt FROM review_votes WHERE review = :id", id=id_)
        if item.about.stage != stage:
            return None
        found = "" if item.status == APPROVED else f"it is {item.status}"
        found = found or ("it was used" if item.used_by else "")
        found = found or ("it has expired" if datetime.now(UTC) > item.expires else "")
        found = found or (
            "" if item.about.digest == digest else "it was given under another policy"
        )
        same = hmac.compare_digest(_commitment(_blob(row[5]), matter), _blob(row[6]))
        found = found or ("" if same else "it was given for another request, or another seed")
        found = found or ("" if item.about.pixels == pixels else "the picture is another one")
        if found:
            raise ReviewError(f"asked to go on with approval {id_}, found that {found}; ask again")
        receipts = tuple(str(vote[0]) for vote in votes)
        return Approval(id_, item.about.rules, _blob(row[6]).hex(), receipts)

    def use(self, ids: Sequence[str], call: str) -> None:
        """Use approvals up for the release of one call.

        Raises:
            ReviewError: another call was released with one of them.
        """
        with self._database.write("use an approval") as session:
            for id_ in ids:
                session.run(
                    "UPDATE reviews SET used_by = :call WHERE id = :id AND used_by IN ('', :call)",
                    call=call,
                    id=id_,
                )
                if _row(session, id_)[8] != call:
                    raise ReviewError(
                        f"asked to release with approval {id_}, found that another call used it; "
                        "ask for a new review"
                    )

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _check_open(item: Review, reviewer: str) -> None:
    found = "" if item.status == WAITING else f"it is already {item.status}"
    found = found or ("it has expired" if datetime.now(UTC) > item.expires else "")
    if any(who == reviewer for _, who, _ in item.votes):
        found = f"{reviewer} has voted; another person must"
    if found:
        raise ReviewError(f"asked to vote on review {item.id}, found that {found}")


def _commitment(salt: bytes, matter: Mapping[str, JSON]) -> bytes:
    body = canonical(matter, asked="commit to a request", error=ReviewError)
    return hashlib.sha256(salt + body).digest()


def _row(session: Session, id_: str) -> Sequence[object]:
    rows = session.all(f"{ITEM} WHERE id = :id", id=id_)
    if not rows:
        raise ReviewError(f"asked for review {id_!r}, found none; sdk review list shows them")
    return rows[0]


def _votes(session: Session, id_: str) -> tuple[tuple[str, str, str], ...]:
    rows = session.all(
        "SELECT at, reviewer, vote FROM review_votes WHERE review = :id ORDER BY at", id=id_
    )
    return tuple((str(at), str(who), str(how)) for at, who, how in rows)


def _review(row: Sequence[object], votes: tuple[tuple[str, str, str], ...]) -> Review:
    try:
        about = json.loads(str(row[4]))
        lists = {key: tuple(about[key]) for key in ("rules", "categories")}
        lists["worded_by"] = tuple(about.get("worded_by", ()))  # older ones have none
        told = About(**{**about, **lists})
    except (ValueError, TypeError, KeyError) as exc:
        raise ReviewError(f"read review {row[0]}: it was changed; restore a backup") from exc
    return Review(
        id=str(row[0]),
        at=str(row[1]),
        kind=str(row[2]),
        receipt=str(row[3]),
        about=told,
        status=str(row[7]),
        used_by=str(row[8]),
        votes=votes,
    )


def _blob(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
