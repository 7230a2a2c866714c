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
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
)

from sdk.certs import load_chain
from sdk.errors import AuditError
from sdk.keys import SigningCredential

TYPE = "audit-report+jws"
_NAMES = {"es256": "ES256", "es384": "ES384", "es512": "ES512", "ps256": "PS256"}
_NAMES |= {"ed25519": "EdDSA"}
"""C2PA's names of algorithms → those of RFC 7518 section 3.1 and RFC 8037 section 3.1."""
_ELLIPTIC: dict[str, tuple[str, int, hashes.HashAlgorithm]] = {
    "ES256": ("secp256r1", 32, hashes.SHA256()),
    "ES384": ("secp384r1", 48, hashes.SHA384()),
    "ES512": ("secp521r1", 66, hashes.SHA512()),
}
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)


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
        AuditError: the key is not at hand (it lies in a token or a service).
    """
    if not credential.key:
        raise AuditError(
            "asked to sign a report, found a key in a token or service; give a key file, or sign "
            "the file with that service"
        )
    chain = [c.public_bytes(Encoding.DER) for c in load_chain(credential.chain)]
    header = {
        "alg": _NAMES[credential.alg],
        "typ": TYPE,
        "x5c": [base64.b64encode(der).decode() for der in chain],
    }
    head = _url(json.dumps(header, separators=(",", ":")).encode())
    message = f"{head}.{_url(data)}".encode()
    private: Any = load_pem_private_key(credential.key, password=None)
    return f"{head}..{_url(_signed(private, header['alg'], message))}\n"  # type: ignore[arg-type]


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
    try:
        _verify(leaf.public_key(), alg, value, f"{head}.{_url(data)}".encode())
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as exc:
        raise AuditError(
            "asked to check the signature of a report, found that it does not fit; the report or "
            "the signature was changed"
        ) from exc
    now = datetime.now(UTC)
    return Signer(
        subject=leaf.subject.rfc4514_string(),
        alg=alg,
        trusted=bool(roots) and _ends_in(chain, load_chain(roots)),
        expired=not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc,
    )


def _signed(private: Any, alg: str, message: bytes) -> bytes:
    if alg in _ELLIPTIC:
        _, size, digest = _ELLIPTIC[alg]
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    rsa_ = alg == "PS256"
    return bytes(private.sign(message, _PSS, hashes.SHA256()) if rsa_ else private.sign(message))


def _verify(public: object, alg: str, value: bytes, message: bytes) -> None:
    """Check with the algorithm that the key has; the header cannot choose another."""
    if alg in _ELLIPTIC and isinstance(public, ec.EllipticCurvePublicKey):
        curve, size, digest = _ELLIPTIC[alg]
        if public.curve.name != curve or len(value) != 2 * size:
            raise ValueError("another curve")
        r, s = int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big")
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
    elif alg == "PS256" and isinstance(public, rsa.RSAPublicKey):
        public.verify(value, message, _PSS, hashes.SHA256())
    elif alg == "EdDSA" and isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(value, message)
    else:
        raise ValueError("another algorithm than the key's")


def _ends_in(chain: list[x509.Certificate], roots: list[x509.Certificate]) -> bool:
    """Whether each certificate issued the one before it, up to one of the roots."""
    steps = [_issued(chain[i], chain[i + 1]) for i in range(len(chain) - 1)]
    return all(steps) and any(chain[-1] == root or _issued(chain[-1], root) for root in roots)


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    """Whether `parent` may issue certificates, and issued this one."""
    try:
        limits = parent.extensions.get_extension_for_class(x509.BasicConstraints).value
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return limits.ca


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unurl(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
