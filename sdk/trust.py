"""Whom the user trusts: lists of root certificates, kept apart by purpose.

    trust = Trust(signers=TrustList.open("C2PA-TRUST-LIST.pem"),
                  tsas=TrustList.open("C2PA-TSA-TRUST-LIST.pem"))

A list is a PEM file, or the JSON form of the C2PA programme (ETSI TS 119 602), which also says
when it was issued and until when it counts.  Nothing is bundled and nothing is fetched here: who is
trusted is the user's choice, and `sdk.trust_store` keeps what was chosen.  A root for time-stamps
never vouches for a signer; c2pa-rs 0.91.3 accepts that in its settings but does not enforce it, so
each kind is asked for by itself.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from sdk.errors import VerifyError
from sdk.report import harmless
from sdk.types import JSON

MAX_BYTES = 16 * 1024 * 1024
KEPT = "io.github.responsible-generation-sdk.kept"
"""Key of a kept list under which stands where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """Root (and issuing) certificates that the user trusts for one purpose."""

    name: str
    """File name, or the one that a kept list came with."""
    pem: bytes
    count: int
    """Certificates in it."""
    issued: datetime | None = None
    """When the list was issued, where it says so."""
    next_update: datetime | None = None
    """Until when it counts, where it says so."""

    @classmethod
    def open(cls, path: str | Path) -> TrustList:
        """Read a list; a PEM list takes its dates from a JSON file of the same name beside it.

        Raises:
            VerifyError: it cannot be read, or holds no certificate.
        """
        path = Path(path).expanduser()
        return cls.beside(path, contents(path))

    @classmethod
    def beside(cls, path: Path, data: bytes) -> TrustList:
        """Read the bytes of a list that lies there, with the dates beside it as `open` does.

        Raises:
            VerifyError: they hold no certificate.
        """
        found = cls.read(path.name, data)
        beside = path.with_suffix(".json")
        if beside == path or not beside.is_file() or found.issued or found.next_update:
            return found
        issued, next_update = _dates(_document(beside.name, contents(beside)))
        return replace(found, issued=issued, next_update=next_update)

    @classmethod
    def read(cls, name: str, data: bytes) -> TrustList:
        """Read the bytes of a list.

        Raises:
            VerifyError: they hold no certificate.
        """
        if not data.lstrip().startswith(b"{"):
            return _from_pem(name, data, None, None)
        document = _document(name, data)
        blocks = [
            f"-----BEGIN CERTIFICATE-----\n{value}\n-----END CERTIFICATE-----\n"
            for value in _certificates(document)
        ]
        return _from_pem(_named(document) or name, "".join(blocks).encode(), *_dates(document))

    def overdue(self, at: datetime) -> bool:
        """Whether the list should have been renewed by then."""
        return self.next_update is not None and at > self.next_update

    def subjects(self) -> list[str]:
        """Return who is on it: subject, last day and SHA-256 of each certificate."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        return [
            f"{harmless(c.subject.rfc4514_string())}, until {c.not_valid_after_utc:%F}, "
            f"SHA-256 {c.fingerprint(hashes.SHA256()).hex()}"
            for c in x509.load_pem_x509_certificates(self.pem)
        ]

    def described(self) -> str:
        """Name, date and next update, for people."""
        date = f" of {self.issued:%F}" if self.issued else ", no date"
        until = f", next update {self.next_update:%F}" if self.next_update else ""
        return f"{self.name}{date}{until} ({self.count} certificates)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The lists of one verification, apart by purpose."""

    signers: TrustList | None = None
    """Who may sign manifests."""
    tsas: TrustList | None = None
    """Whose time-stamps count."""
    identities: TrustList | None = None
    """Who issues the certificates of CAWG identity assertions."""


NO_TRUST = Trust()


def contents(path: Path) -> bytes:
    """Return the bytes of a list, at most `MAX_BYTES`.

    Raises:
        VerifyError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise VerifyError(f"asked to read trust list {path}, found no file; check the path")
        if path.stat().st_size > MAX_BYTES:
            raise VerifyError(
                f"asked to read trust list {path}, found more than {MAX_BYTES:,} bytes"
            )
        return path.read_bytes()
    except OSError as exc:
        raise VerifyError(
            f"asked to read trust list {path}, found {exc.strerror}; check the path"
        ) from exc


def _from_pem(
    name: str, data: bytes, issued: datetime | None, next_update: datetime | None
) -> TrustList:
    from cryptography import x509  # 39 ms that a verification without lists does not pay
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as exc:
        raise VerifyError(
            f"asked to read trust list {name}, found {exc}; give PEM certificates or a C2PA list"
        ) from exc
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    return TrustList(
        name=harmless(name),
        pem=pem,
        count=len(certificates),
        issued=issued,
        next_update=next_update,
    )


def _document(name: str, data: bytes) -> JSON:
    try:
        return cast("JSON", json.loads(data))
    except (ValueError, RecursionError) as exc:
        raise VerifyError(
            f"asked to read trust list {name}, found no JSON ({exc}); fetch it again"
        ) from exc


def _named(document: JSON) -> str:
    """Return the name that `sdk.trust_store` wrote into a list; empty for others'."""
    kept = document.get(KEPT) if isinstance(document, dict) else None
    return harmless(kept.get("name", "")) if isinstance(kept, dict) else ""


def _certificates(value: JSON) -> Iterator[str]:
    """Yield the base64 of every `X509Certificates[].val`, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            yield from _certificates(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key == "X509Certificates" and isinstance(item, list):
            yield from (_base64(entry.get("val")) for entry in item if isinstance(entry, dict))
        else:
            yield from _certificates(item)


def _base64(value: JSON) -> str:
    try:
        return base64.encodebytes(base64.b64decode(str(value), validate=True)).decode().strip()
    except (ValueError, binascii.Error) as exc:
        raise VerifyError(
            f"asked to read a trust list, found a damaged certificate ({exc}); fetch it again"
        ) from exc


def _dates(document: JSON) -> tuple[datetime | None, datetime | None]:
    scheme = document
    for key in ("LoTE", "ListAndSchemeInformation"):
        scheme = scheme.get(key) if isinstance(scheme, dict) else None
    if not isinstance(scheme, dict):
        return None, None
    return _date(scheme.get("ListIssueDateTime")), _date(scheme.get("NextUpdate"))


def _date(value: JSON) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
