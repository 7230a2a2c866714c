"""What was found out about a file before anything is concluded from it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from sdk.claims import Claimed
from sdk.manifests import ManifestStore, Status, as_list, as_object
from sdk.second_opinion import Opinion
from sdk.trust import Trust
from sdk.types import JSON, Detection

_HARD_BINDING = re.compile(r"assertion\.(data|bmff|boxes|collection|multiAsset)Hash\.")


class Entry(Protocol):
    """A ledger entry, as `sdk.ledger` returns it."""

    @property
    def index(self) -> int:
        """Where it stands."""

    @property
    def leaf_hash(self) -> str:
        """RFC 6962 leaf hash, hex."""


class Finder(Protocol):
    """What verification needs of a ledger."""

    def find(self, *, sha256: str) -> Sequence[Entry]:
        """Return the entries that speak of a file."""


class Detector(Protocol):
    """What verification needs of a watermark."""

    algorithm: str

    def detect(self, pixels: object, /) -> Detection:
        """Say whether a mark is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one detector said."""

    algorithm: str
    detection: Detection | None
    """None when it could not be asked."""
    problem: str = ""
    """Why it could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A manifest that was found outside the file."""

    by: str
    """`watermark`, `pixels` or `fingerprint`."""
    match: str
    """`bytes`: what was stripped, put back, gives the signed file; `pixels`, `similar`, `unclear`,
    `different`."""
    score: float
    """Likeness of the fingerprints, 0..1; 1 for bytes and pixels."""
    sha256: str
    """Of the file that was signed."""
    alone: bool = True
    """False where the file has more frames than the one that was compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything the axes are concluded from."""

    store: ManifestStore | None
    """Judged with the list of signers."""
    timed: ManifestStore | None
    """The same, judged with the list of time-stamp authorities alone."""
    named: ManifestStore | None = None
    """The same, judged with the list of identity issuers alone; only where one is claimed."""
    joint: ManifestStore | None = None
    """The same, judged with both lists at once; only where the stamp is trusted and the signer,
    judged as of now, is not."""
    chained: str = ""
    """Whether the signer's certificates, expired by now, led to the list of signers at `at`: `yes`
    or `no`; empty where it was not asked or cannot be told."""
    trust: Trust
    at: datetime
    """The moment to judge validity at."""
    claims: tuple[Claimed, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    entries: Sequence[Entry] | None = None
    """Ledger entries of this very file; None when no ledger was asked."""
    ledger_problem: str = ""
    recovered: Recovered | None = None
    opinion: Opinion | None = None
    """What a second engine says, where one was asked."""
    unread: str = ""
    """The kind of file, where manifests in files of this kind are not read."""
    damaged: str = ""
    """Why the file cannot be read, where nothing of C2PA is in it."""
    repository_problem: str = ""
    """Why the repository could not be asked."""

    @property
    def own(self) -> tuple[Status, ...]:
        """Failures of the active manifest that say something changed.

        When the manifest was recovered, that the file differs from the signed one is known
        already, and only what is wrong with the manifest itself counts.
        """
        if self.store is None:
            return ()
        found = [s for s in self.store.broken if _is_own(self.store, s)]
        if self.recovered is not None and self.recovered.match != "bytes":
            found = [s for s in found if not is_content(s)]
        return tuple(found)

    @property
    def inherited(self) -> tuple[Status, ...]:
        """Failures of ancestors, found now or recorded when the child was signed."""
        if self.store is None:
            return ()
        return tuple(s for s in self.store.broken if not _is_own(self.store, s))

    @property
    def unvouched(self) -> tuple[str, ...]:
        """Labels of ancestors whose signer is not on the list.

        c2pa-rs tells about an ancestor only what is not as its child recorded it.
        """
        if self.store is None:
            return ()
        judged = self.store.statuses
        now = {
            s.manifest for s in judged if s.code == "signingCredential.trusted" and not s.recorded
        }
        then = [s.manifest for s in judged if s.code == "signingCredential.untrusted"]
        return tuple(label for label in then if label not in {*now, self.store.active})

    @property
    def stamped_at(self) -> datetime | None:
        """When the active manifest was signed, by a time-stamp of an authority on the list."""
        if self.timed is None:
            return None
        for status in self.timed.statuses:
            good = status.code == "timeStamp.trusted" and status.outcome == "success"
            if good and status.manifest == self.timed.active and not _is_legacy(status):
                return moment(stamp(self.timed).get("timestamp"))
        return None

    @property
    def valid_until(self) -> datetime | None:
        """When the signing certificate expires."""
        return moment(self._validity.get("notAfter"))

    @property
    def valid_from(self) -> datetime | None:
        """When the signing certificate began to count."""
        return moment(self._validity.get("notBefore"))

    @property
    def expired(self) -> bool:
        """Whether the certificate was not valid when it counts: at the stamp, else at `at`."""
        when = self.stamped_at or self.at
        start, end = self.valid_from, self.valid_until
        return (end is not None and when > end) or (start is not None and when < start)

    @property
    def early(self) -> bool:
        """Whether the certificate did not count yet."""
        start = self.valid_from
        return start is not None and (self.stamped_at or self.at) < start

    @property
    def lapsed(self) -> bool:
        """Whether the certificate has expired by now, but counted at `at`, which nobody stamped."""
        return self.has("signingCredential.expired") and not self.expired and not self.stamped_at

    @property
    def vouched(self) -> bool:
        """Whether the list of signers vouches for the signer, at the time that counts.

        c2pa-rs judges an expired certificate at its time-stamp only when it trusts the stamp, so
        both lists must be given at once; what the list of authorities alone vouches for is no
        signer.
        """
        trusted = "signingCredential.trusted"
        if self.has(trusted):
            return True
        joint = replace(self, store=self.joint).has(trusted)
        return joint and not replace(self, store=self.timed).has(trusted)

    @property
    def _validity(self) -> dict[str, JSON]:
        if self.store is None:
            return {}
        signature = as_object(dict(self.store.signatures.get(self.store.active, {})))
        return as_object(as_object(signature.get("certificateInfo")).get("validity"))

    def has(self, code: str) -> bool:
        """Whether the active manifest itself got this status code."""
        return self.store is not None and any(
            s.code == code and not s.recorded and s.manifest == self.store.active
            for s in self.store.statuses
        )


def is_content(status: Status) -> bool:
    """Whether a status says that the file is not the one that was signed."""
    return _HARD_BINDING.match(status.code) is not None


def stamp(store: ManifestStore) -> dict[str, JSON]:
    """Return what crJSON says about the active manifest's time-stamp; empty when it has none."""
    signature = as_object(dict(store.signatures.get(store.active, {})))
    return as_object(signature.get("timeStampInfo"))


def moment(value: JSON) -> datetime | None:
    """Return an RFC 3339 time; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def content_manifest(store: ManifestStore) -> str:
    """Return the label of the manifest that is bound to the file's content.

    It is the active one, or what an update manifest (C2PA 2.2, 11.2.3) stands above.
    """
    bound = [s.manifest for s in store.statuses if is_content(s) and not s.recorded]
    return bound[0] if bound and bound[0] in store.manifests else store.active


def soft_bindings(store: ManifestStore) -> dict[str, set[bytes]]:
    """Return the watermarks that the manifest of the content names: algorithm → payloads."""
    found: dict[str, set[bytes]] = {}
    for data in store.assertions("c2pa.soft-binding", content_manifest(store)):
        values = found.setdefault(str(data.get("alg")), set())
        for block in map(as_object, as_list(data.get("blocks"))):
            try:
                values.add(base64.b64decode(str(block.get("value")), validate=True))
            except (ValueError, binascii.Error):
                values.add(str(block.get("value")).encode())
    return found


def _is_own(store: ManifestStore, status: Status) -> bool:
    """Whether a failure is about this file: its bytes, or its active manifest.

    Under an update manifest the binding to the bytes stands in the manifest below.
    """
    if status.recorded:
        return False
    return is_content(status) or not status.manifest or status.manifest == store.active


def _is_legacy(status: Status) -> bool:
    """Whether c2pa-rs calls a C2PA 1 time-stamp trusted without looking at any list (0.91.3)."""
    return status.explanation.startswith("legacy")
