"""The lists that the user chose to trust, kept in the home folder, and the ones before them.

    change = planned(home, "signers", take("C2PA-TRUST-LIST.json"))
    change.added, change.removed        # to be shown before
    keep(home, change)
    kept(home, "signers")               # a path for TrustList.open; None when no list is loaded

A kept list is one JSON file in the form of the C2PA programme, with where it came from beside it.
It is replaced whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sdk.durable import write_whole
from sdk.errors import VerifyError
from sdk.trust import KEPT, TrustList
from sdk.types import JSON

if TYPE_CHECKING:
    from sdk.trust_source import Taken  # urllib takes 20 ms, which `sdk verify` does not pay

KINDS = ("signers", "tsas", "identities")
"""Who may sign, whose time-stamps count, who issues identities: never mixed."""
FOLDER = "trust"
_ORIGIN = ("name", "source", "came_from", "sha256", "taken_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would be kept, and how it differs from what is kept now."""

    kind: str
    before: TrustList | None
    after: TrustList
    origin: Mapping[str, str]
    """Where it came from: `name`, `source`, `came_from`, `sha256`, `taken_at`."""
    added: tuple[str, ...]
    """Subject, last day and SHA-256 of each new certificate."""
    removed: tuple[str, ...]

    @property
    def is_older(self) -> bool:
        """Whether a list issued later is kept already."""
        before = self.before.issued if self.before else None
        return before is not None and (self.after.issued is None or self.after.issued < before)


def kept(home: Path, kind: str) -> Path | None:
    """Return where the kept list lies; None when none is loaded."""
    path = _path(home, kind)
    return path if path.exists() else None


def origin(home: Path, kind: str) -> Mapping[str, str]:
    """Return where the kept list came from; empty without one.

    Raises:
        VerifyError: it cannot be read.
    """
    path = kept(home, kind)
    if path is None:
        return {}
    try:
        found = json.loads(path.read_bytes())[KEPT]
        return {name: str(found[name]) for name in _ORIGIN}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise VerifyError(
            f"asked to read {path}, found no kept list ({exc}); load it again"
        ) from exc


def planned(home: Path, kind: str, taken: Taken, *, add: bool = False) -> Change:
    """Say what keeping a list would change; with `add` what is kept stays in it.

    Raises:
        VerifyError: the list that is kept cannot be read.
    """
    path = kept(home, kind)
    before = TrustList.open(path) if path else None
    after, name = taken.listed, taken.listed.name
    if add and before is not None:
        after = _joined(before, after)
        name = before.name if name in before.name.split(" + ") else f"{before.name} + {name}"
    had = set(before.subjects()) if before else set()
    has = set(after.subjects())
    return Change(
        kind=kind,
        before=before,
        after=replace(after, name=name),
        origin={
            "name": name,
            "source": taken.source,
            "came_from": taken.came_from,
            "sha256": taken.sha256,
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        added=tuple(sorted(has - had)),
        removed=tuple(sorted(had - has)),
    )


def keep(home: Path, change: Change) -> Path:
    """Keep the list; the one before it stays for `back`.

    Raises:
        VerifyError: it cannot be written; what was kept is still kept.
    """
    path = _path(home, change.kind)
    if path.exists():
        _write(_path(home, change.kind, last=True), path.read_bytes())
    _write(path, json.dumps(_document(change), indent=1).encode())
    return path


def back(home: Path, kind: str) -> tuple[TrustList, TrustList]:
    """Swap the kept list and the one before it; returns what was kept and what is.

    Raises:
        VerifyError: there is no list to go back to, or it cannot be written.
    """
    now, last = _path(home, kind), _path(home, kind, last=True)
    if not now.exists() or not last.exists():
        raise VerifyError(
            f"asked to go back to the {kind} before, found no such list; load one with "
            "`sdk trust update`"
        )
    left, returns = TrustList.open(now), TrustList.open(last)
    ours, theirs = now.read_bytes(), last.read_bytes()
    _write(now, theirs)
    _write(last, ours)
    return left, returns


def _path(home: Path, kind: str, *, last: bool = False) -> Path:
    if kind not in KINDS:
        raise VerifyError(f"asked for the trust list of {kind!r}; give one of {', '.join(KINDS)}")
    return home / FOLDER / f"{kind}{'.before' if last else ''}.json"


def _joined(before: TrustList, added: TrustList) -> TrustList:
    """Return both lists in one, each certificate once; the dates are those of the first."""
    end = b"-----END CERTIFICATE-----\n"
    blocks = [block + end for block in (before.pem + added.pem).split(end)[:-1]]
    once = list(dict.fromkeys(blocks))
    return replace(before, pem=b"".join(once), count=len(once))


def _document(change: Change) -> dict[str, JSON]:
    listed = change.after
    dates = {"ListIssueDateTime": listed.issued, "NextUpdate": listed.next_update}
    values = [
        "".join(block.partition("-----BEGIN CERTIFICATE-----")[2].split())
        for block in listed.pem.decode("ascii").split("-----END CERTIFICATE-----")[:-1]
    ]
    named: JSON = {name: date.isoformat() for name, date in dates.items() if date}
    certificates = cast("JSON", [{"val": value} for value in values])
    return {
        KEPT: dict(change.origin),
        "LoTE": {
            "ListAndSchemeInformation": named,
            "TrustedEntitiesList": [{"X509Certificates": certificates}],
        },
    }


def _write(path: Path, data: bytes) -> None:
    write_whole(path, lambda new: new.write_bytes(data), error=VerifyError)
