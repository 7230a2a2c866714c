"""What C2PA asks of a signing certificate, and what is wrong with one that it refuses.

    examine(chain_pem)                      # [] or one Complaint for each wrong extension
    may_sign(leaf)                          # whether a verifier takes it, whenever it counted
    leads_to(chain, roots)                  # whether roots vouch for it, whenever they counted

A signing certificate must have extensions that most certificates lack, and c2pa answers a wrong
one with "the certificate is invalid".  The rules here are those of the C2PA specification 2.2,
section 14.5.1, as c2pa-rs 0.91.3 enforces them (measured leaf by leaf, docs/provenance.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from sdk.certs import C2PA_CLAIM_SIGNING, EMAIL, algorithm_of, load_chain
from sdk.errors import SealError

_T = TypeVar("_T", bound=x509.ExtensionType)
WARN_DAYS = 30
"""A certificate that ends sooner is a warning."""
_ALLOWED = {
    EMAIL,
    C2PA_CLAIM_SIGNING,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
    x509.ObjectIdentifier("1.3.6.1.4.1.311.76.59.1.9"),
}
_ALONE = {
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One thing that is wrong with a certificate chain."""

    part: str
    """Extension or field: `extendedKeyUsage`, `validity`, `chain` …"""
    found: str
    do: str
    fatal: bool = True
    """False for a warning: signing works."""

    def __str__(self) -> str:
        return f"{self.part}: found {self.found}; {self.do}"


def examine(chain_pem: bytes, *, at: datetime | None = None) -> list[Complaint]:
    """Return everything that would make C2PA refuse this chain, then warnings."""
    chain = load_chain(chain_pem)
    leaf = chain[0]
    found = [
        *_version_and_key(leaf),
        *_usage(leaf),
        *_extended_usage(leaf),
        *_identifiers(leaf),
        *_validity(leaf, at or datetime.now(UTC)),
        *_links(chain),
    ]
    return sorted(found, key=lambda complaint: not complaint.fatal)


def may_sign(leaf: x509.Certificate) -> bool:
    """Whether the extensions are those of a signer, as `sdk verify` has c2pa judge them.

    Unlike `examine` it takes any of the accepted usages alone, such as documentSigning, and says
    nothing of time and issuer.

    Raises:
        ValueError: an extension cannot be read.
    """
    oids = set(_extension(leaf, x509.ExtendedKeyUsage) or ())
    barred = {ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, *_ALONE}
    complaints = (*_version_and_key(leaf), *_usage(leaf), *_identifiers(leaf))
    return bool(oids & _ALLOWED) and not oids & barred and not any(c.fatal for c in complaints)


def may_issue(_policy: object, _issuer: object, usage: x509.ExtendedKeyUsage | None) -> None:
    """Refuse an issuer for other purposes only, as cryptography's extension policies ask.

    Raises:
        ValueError: its extended key usage names purposes, and no signer's is among them.
    """
    if usage is not None and not {*usage} & {*_ALLOWED, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        raise ValueError("an issuer for other purposes")


def leads_to(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Whether the first may sign, and each certificate was issued by the next, up to a root.

    Of RFC 5280, 6 what needs no time: signatures, names, basicConstraints with their path length,
    key usages; Ed25519 too.  Other critical extensions, such as name constraints, are refused.
    """
    try:
        links = all(_issued(*pair, below) for below, pair in enumerate(pairwise(chain)))
        ends = any(chain[-1] == root or _issued(chain[-1], root, len(chain) - 1) for root in roots)
        return links and ends and may_sign(chain[0])
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm):
        return False


def _issued(child: x509.Certificate, parent: x509.Certificate, below: int) -> bool:
    """Whether `parent` may and did issue `child`; `below` is how many issuers stand beneath it."""
    limits, usage = _extension(parent, x509.BasicConstraints), _extension(parent, x509.KeyUsage)
    known = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
    if any(e.critical and not isinstance(e.value, known) for e in parent.extensions):
        return False
    if limits is None or not limits.ca or (usage is not None and not usage.key_cert_sign):
        return False
    if limits.path_length is not None and limits.path_length < below:
        return False
    may_issue(None, parent, _extension(parent, x509.ExtendedKeyUsage))
    try:
        child.verify_directly_issued_by(parent)
    except InvalidSignature:
        return False
    return True


def _version_and_key(leaf: x509.Certificate) -> Iterator[Complaint]:
    if leaf.version is not x509.Version.v3:
        yield Complaint(part="version", found=leaf.version.name, do="issue a v3 certificate")
    try:
        algorithm_of(leaf.public_key())
    except SealError as exc:
        yield Complaint(part="public key", found=type(leaf.public_key()).__name__, do=str(exc))
    basic = _extension(leaf, x509.BasicConstraints)
    if basic is not None and basic.ca:
        yield Complaint(part="basicConstraints", found="CA:TRUE", do="issue a leaf with CA:FALSE")


def _usage(leaf: x509.Certificate) -> Iterator[Complaint]:
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None:
        yield Complaint(
            part="keyUsage", found="no such extension", do="issue with digitalSignature, critical"
        )
    elif not usage.digital_signature:
        yield Complaint(part="keyUsage", found="no digitalSignature", do="issue with it")
    elif usage.key_cert_sign:
        yield Complaint(part="keyUsage", found="keyCertSign on a leaf", do="issue without it")


def _extended_usage(leaf: x509.Certificate) -> Iterator[Complaint]:
    part = "extendedKeyUsage"
    usage = _extension(leaf, x509.ExtendedKeyUsage)
    if usage is None:
        yield Complaint(part=part, found="no such extension", do="issue with emailProtection")
        return
    oids = set(usage)
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in oids:
        yield Complaint(
            part=part, found="anyExtendedKeyUsage", do="issue with emailProtection instead"
        )
    for oid in oids & _ALONE.keys():
        if len(oids) > 1:
            yield Complaint(part=part, found=f"{_ALONE[oid]} beside others", do="issue without it")
    if not oids & _ALLOWED:
        names = ", ".join(sorted(oid._name for oid in oids))
        yield Complaint(part=part, found=f"only {names}", do="issue with emailProtection")
    elif EMAIL not in oids:
        yield Complaint(
            part=part,
            found="no emailProtection",
            do="issue with it: c2pa with its default settings calls a signature by any other "
            "usage invalid",
        )


def _identifiers(leaf: x509.Certificate) -> Iterator[Complaint]:
    self_signed = leaf.issuer == leaf.subject
    if self_signed:
        yield Complaint(
            part="issuer",
            found="a self-signed certificate",
            do="have it issued by a CA: verifiers call it untrusted",
            fatal=False,
        )
    if _extension(leaf, x509.AuthorityKeyIdentifier) is None and not self_signed:
        yield Complaint(
            part="authorityKeyIdentifier", found="no such extension", do="issue with it"
        )
    if _extension(leaf, x509.SubjectKeyIdentifier) is None:
        yield Complaint(
            part="subjectKeyIdentifier", found="no such extension", do="issue with it", fatal=False
        )


def _validity(leaf: x509.Certificate, at: datetime) -> Iterator[Complaint]:
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if at < start:
        yield Complaint(part="validity", found=f"not valid before {start:%F %T} UTC", do="wait")
    elif at > end:
        yield Complaint(part="validity", found=f"expired on {end:%F %T} UTC", do="renew it")
    elif end - at < timedelta(days=WARN_DAYS):
        yield Complaint(
            part="validity",
            found=f"ends on {end:%F %T} UTC",
            do="renew it soon; pictures without a time-stamp stop verifying then",
            fatal=False,
        )


def _links(chain: list[x509.Certificate]) -> Iterator[Complaint]:
    for number, (child, issuer) in enumerate(pairwise(chain), start=1):
        try:
            child.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as exc:
            yield Complaint(
                part="chain",
                found=f"certificate {number} is not issued by certificate {number + 1} ({exc})",
                do="order the file leaf first, each followed by its issuer",
            )


def _extension(cert: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
