"""Signs a report beside it, so that anybody with a JOSE library can check it offline.

    text = sign(data, SigningCredential.open("chain.pem", "key.pem"))     # report.json.jws
    check(data, text).subject

A detached JSON Web Signature (RFC 7515, compact serialization, appendix F): the middle part, the
payload, is left out and is the bytes of the report.  The header carries the certificates (x5c,
section 4.1.6).  Keys are those that sign manifests (`sdk.keys`).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from sdk.certprofile import leads_to
from sdk.certs import algorithm_of, load_chain
from sdk.errors import AuditError, SealError
from sdk.keys import SigningCredential
from sdk.signatures import fits

TYPE = "audit-report+jws"
_NAMES = {"es256": "ES256", "es384": "ES384", "es512": "ES512", "ps256": "PS256"}
_NAMES |= {"ed25519": "EdDSA"}
"""C2PA's names of algorithms → those of RFC 7518 section 3.1 and RFC 8037 section 3.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed a report."""

    subject: str
    alg: str
    trusted: bool
    """Whether the chain ends in a root that was given."""
    expired: bool
    """Whether the certificate is out of its time now."""


def sign(data: bytes, credential: SigningCredential) -> str:
    """Return the detached signature of a report.

    Raises:
        SealError: a key that lies elsewhere did not sign.
    """
    chain = [c.public_bytes(Encoding.DER) for c in load_chain(credential.chain)]
    header = {
        "alg": _NAMES[credential.alg],
        "typ": TYPE,
        "x5c": [base64.b64encode(der).decode() for der in chain],
    }
    head = _url(json.dumps(header, separators=(",", ":")).encode())
    message = f"{head}.{_url(data)}".encode()
    return f"{head}..{_url(credential.sign(message))}\n"


def check(data: bytes, signature: str, *, roots: bytes = b"") -> Signer:
    """Return who signed these bytes; `roots` are PEM certificates that the caller trusts.

    Raises:
        AuditError: no detached signature, of other bytes, or by another key than its certificate.
    """
    try:
        head, middle, tail = signature.strip().split(".")
        header = json.loads(_unurl(head))
        alg, names = header["alg"], header["x5c"]
        chain = [x509.load_der_x509_certificate(base64.b64decode(n, validate=True)) for n in names]
        leaf, value = chain[0], _unurl(tail)
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as exc:
        raise AuditError(
            "asked to check a signature, found no detached JWS with certificates; give the .jws "
            "file of this report"
        ) from exc
    if middle:
        raise AuditError("asked to check a detached signature, found one with a payload of its own")
    if not _fits(leaf, alg, value, f"{head}.{_url(data)}".encode()):
        raise AuditError(
            "asked to check the signature of a report, found that it does not fit; the report or "
            "the signature was changed"
        )
    now = datetime.now(UTC)
    return Signer(
        subject=leaf.subject.rfc4514_string(),
        alg=alg,
        trusted=bool(roots) and leads_to(chain, load_chain(roots)),
        expired=not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc,
    )


def _fits(leaf: x509.Certificate, alg: str, value: bytes, message: bytes) -> bool:
    """Check with the algorithm that the key has; the header cannot choose another."""
    try:
        public = leaf.public_key()
        return alg == _NAMES[algorithm_of(public)] and fits(public, value, message)
    except (SealError, UnsupportedAlgorithm, ValueError):  # a key that C2PA does not know
        return False


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unurl(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
