"""Reads C2PA manifest stores out of files; whatever is wrong with them becomes a status.

    store = read_manifests(data, "image/png", anchors=roots_pem)
    store.state                     # trusted | valid | invalid | unreadable
    store.broken                    # statuses that say "changed", in any ancestor

No network: remote manifests and OCSP are never fetched.  Two points where the library alone
would mislead (measured with c2pa-python 0.38.1): a picture made from a tampered parent still
counts as Trusted, because the damage is written in the ingredient, and an expired or untrusted
certificate is listed as a failure like a changed pixel.  `broken` walks the chain and keeps
them apart.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, cast

from sdk.engine import context
from sdk.types import JSON

TRUST_PREFIXES = ("signingCredential.", "timeStamp.", "timeOfSigning.", "cawg.", "claimSignature.o")
"""Codes that say who signed and when, not whether something changed (`claimSignature.o` is
outsideValidity); `timeStamp.mismatch` does say so."""
_REMOTE = "Remote: must fetch remote manifests from url "
"""How c2pa-python 0.38 says so; it has a class for that error and does not use it."""
UNREADABLE = "manifest.unreadable"
"""Our own code: a manifest store is there, but cannot be parsed."""


class State(StrEnum):
    """The library's verdict over the active manifest alone."""

    TRUSTED = "trusted"
    VALID = "valid"
    INVALID = "invalid"
    UNREADABLE = "unreadable"


class Outcome(StrEnum):
    """How a validation status counts."""

    SUCCESS = "success"
    INFORMATIONAL = "informational"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One validation status of the C2PA specification, and where it was found."""

    code: str
    outcome: Outcome
    manifest: str
    """Label of the manifest it is about."""
    explanation: str
    recorded: bool = False
    """Found by who signed the child manifest, at that time, not by us now."""

    @property
    def concerns_trust(self) -> bool:
        """Whether it is about who signed and when; anything else is about the content."""
        return self.code.startswith(TRUST_PREFIXES) and self.code != "timeStamp.mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestStore:
    """All manifests of a file with what validation found."""

    state: State
    active: str
    """Label of the active manifest; empty when unreadable."""
    manifests: Mapping[str, Mapping[str, JSON]]
    """Label → manifest as c2pa-rs prints it.  Its strings are hostile."""
    statuses: tuple[Status, ...]
    signatures: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict)
    """Label → certificate and time-stamp in the words of crJSON; only read with `details`."""
    remote_url: str = ""
    """Where a manifest that is not in the file is said to lie; never fetched."""

    @property
    def manifest(self) -> Mapping[str, JSON]:
        """The active manifest; empty when unreadable."""
        return self.manifests.get(self.active, {})

    @property
    def failures(self) -> tuple[Status, ...]:
        """Every failure, of the file and of all its ancestors."""
        return tuple(s for s in self.statuses if s.outcome is Outcome.FAILURE)

    @property
    def broken(self) -> tuple[Status, ...]:
        """The failures that say something was changed, in the file or in an ancestor."""
        return tuple(s for s in self.failures if not s.concerns_trust)

    def assertions(self, label: str, manifest: str = "") -> tuple[Mapping[str, JSON], ...]:
        """Return the data of the assertions whose label is `label` or `label.v2`, `label__1` …"""
        listed = as_list(self.manifests.get(manifest or self.active, {}).get("assertions"))
        return tuple(
            as_object(entry.get("data"))
            for entry in map(as_object, listed)
            if _base(str(entry.get("label"))) == label
        )


def read_manifests(
    source: bytes | BinaryIO,
    media_type: str,
    *,
    anchors: bytes = b"",
    identities: bytes = b"",
    manifest: bytes | None = None,
    details: bool = False,
) -> ManifestStore | None:
    """Return the manifest store of a file; None when it has none.

    `anchors` are PEM root certificates; without them nothing is trusted.  `identities` are those
    for CAWG identity assertions, which c2pa-rs 0.91.3 takes for signers as well.  `manifest` is a
    store that lies beside the file, `details` adds the dates of certificates.  Never raises for
    what the file holds.
    """
    import c2pa

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    under = context(anchors, identities)
    try:
        with c2pa.Reader(media_type, stream, manifest, context=under) as r:
            text, extra = r.json(), r.crjson() if details else "{}"
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError.NotSupported:
        return None
    except (c2pa.C2paError, OSError, ValueError) as exc:
        said = str(exc)
        remote = said if said.startswith(_REMOTE) else ""
        return _unreadable(said, remote=remote.removeprefix(_REMOTE))
    try:
        return _store(_object(text), _object(extra))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        return _unreadable(f"{type(exc).__name__}: {exc}")


def as_object(value: JSON) -> dict[str, JSON]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: JSON) -> list[JSON]:
    """Return a JSON array; an empty one for anything else."""
    return value if isinstance(value, list) else []


def _object(text: str) -> dict[str, JSON]:
    return as_object(cast("JSON", json.loads(text)))


def _store(found: dict[str, JSON], extra: dict[str, JSON]) -> ManifestStore:
    active = str(found.get("active_manifest") or "")
    manifests = {label: as_object(m) for label, m in as_object(found["manifests"]).items()}
    statuses = [*_results(as_object(found.get("validation_results")), active, recorded=False)]
    for label, manifest in manifests.items():
        for ingredient in map(as_object, as_list(manifest.get("ingredients"))):
            parent = str(ingredient.get("active_manifest") or label)
            results = as_object(ingredient.get("validation_results"))
            statuses += _results(results, parent, recorded=True)
            statuses += _old_results(as_list(ingredient.get("validation_status")), parent)
    return ManifestStore(
        state=State(str(found.get("validation_state", "Invalid")).lower()),
        active=active,
        manifests=manifests,
        statuses=tuple(statuses),
        signatures={
            str(entry.get("label")): as_object(entry.get("signature"))
            for entry in map(as_object, as_list(extra.get("manifests")))
        },
    )


def _results(results: dict[str, JSON], active: str, *, recorded: bool) -> Iterator[Status]:
    """Yield a `validation_results` object: the manifest's own codes, then its ingredients'."""
    yield from _codes(as_object(results.get("activeManifest")), active, recorded=recorded)
    for delta in map(as_object, as_list(results.get("ingredientDeltas"))):
        about = _label(str(delta.get("ingredientAssertionURI")), active)
        yield from _codes(as_object(delta.get("validationDeltas")), about, recorded=recorded)


def _codes(group: dict[str, JSON], manifest: str, *, recorded: bool) -> Iterator[Status]:
    for outcome in Outcome:
        for entry in map(as_object, as_list(group.get(outcome))):
            yield Status(
                code=str(entry.get("code")),
                outcome=outcome,
                manifest=_label(str(entry.get("url", "")), manifest),
                explanation=str(entry.get("explanation", "")),
                recorded=recorded,
            )


def _old_results(listed: list[JSON], manifest: str) -> Iterator[Status]:
    """Yield the `validation_status` of ingredients before C2PA 2.0, which lists both kinds."""
    for entry in map(as_object, listed):
        good = entry.get("success") is True or str(entry.get("code")) in _OLD_SUCCESS
        yield Status(
            code=str(entry.get("code")),
            outcome=Outcome.SUCCESS if good else Outcome.FAILURE,
            manifest=_label(str(entry.get("url", "")), manifest),
            explanation=str(entry.get("explanation", "")),
            recorded=True,
        )


_OLD_SUCCESS = frozenset(
    {
        "claimSignature.validated",
        "signingCredential.trusted",
        "timeStamp.trusted",
        "assertion.hashedURI.match",
        "assertion.dataHash.match",
        "assertion.bmffHash.match",
        "assertion.accessible",
    }
)
"""C2PA 1.x, table "Validation success codes"."""


def _label(url: str, default: str) -> str:
    """Return the manifest's label in a JUMBF URI such as self#jumbf=/c2pa/LABEL/c2pa.claim."""
    _, found, rest = url.partition("/c2pa/")
    return rest.split("/", 1)[0] if found else default


def _base(label: str) -> str:
    plain = label.split("__", 1)[0]
    head, _, tail = plain.rpartition(".v")
    return head if tail.isdigit() else plain


def _unreadable(why: str, remote: str = "") -> ManifestStore:
    status = Status(code=UNREADABLE, outcome=Outcome.FAILURE, manifest="", explanation=why)
    return ManifestStore(
        state=State.UNREADABLE, active="", manifests={}, statuses=(status,), remote_url=remote
    )
