"""Signs a statement so that anybody can check it offline: JWS with the signer's certificates.

    text = signed(statement, SigningCredential.open("chain.pem", "key.pem"))
    checked(text).leads_to(roots)

Flattened JSON serialization (RFC 7515, 7.2.2) with `x5c` (4.1.6); ES256, ES384, ES512 and PS256
(RFC 7518), EdDSA with Ed25519 (RFC 8037).  A time-stamp, where there is one, stands in the
unprotected header and is over the signature.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from sdk.certprofile import leads_to
from sdk.certs import algorithm_of, load_chain
from sdk.errors import SealError, VerifyError
from sdk.keys import SigningCredential
from sdk.report import harmless
from sdk.signatures import fits
from sdk.types import JSON

TYPE = "detection-result+jws"
MAX_BYTES = 4 * 1024 * 1024
_NAMES = {"es256": "ES256", "es384": "ES384", "es512": "ES512", "ps256": "PS256"} | {
    "ed25519": "EdDSA"
}
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A signed statement whose signature fits."""

    statement: Mapping[str, JSON]
    """Its strings are hostile until the signer is trusted."""
    chain: tuple[x509.Certificate, ...]
    """Leaf first."""
    signature: bytes
    stamp: bytes
    """An RFC 3161 response over `signature`; empty when there is none."""

    @property
    def signer(self) -> str:
        """Who signed, harmless."""
        return harmless(self.chain[0].subject.rfc4514_string())

    def valid_at(self, when: datetime) -> bool:
        """Whether every certificate counts at a time."""
        return all(c.not_valid_before_utc <= when <= c.not_valid_after_utc for c in self.chain)

    def leads_to(self, roots: Sequence[x509.Certificate]) -> bool:
        """Whether one of the roots vouches for the signer, whenever they counted."""
        return leads_to(self.chain, roots)


def signed(statement: Mapping[str, JSON], credential: SigningCredential) -> dict[str, JSON]:
    """Return the JWS of a statement.

    Raises:
        SealError: a key that lies elsewhere did not sign.
    """
    chain = load_chain(credential.chain)
    header = {
        "alg": _NAMES[credential.alg],
        "typ": TYPE,
        "x5c": [base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in chain],
    }
    protected, payload = _encoded(header), _encoded(statement)
    return {
        "protected": protected,
        "payload": payload,
        "signature": _b64(credential.sign(f"{protected}.{payload}".encode())),
    }


def stamped(document: Mapping[str, JSON], response: bytes) -> dict[str, JSON]:
    """Return the JWS with an RFC 3161 response over its signature."""
    return {**document, "header": {"sigTst": base64.b64encode(response).decode("ascii")}}


def signature_of(document: Mapping[str, JSON]) -> bytes:
    """Return the bytes that a time-stamp is made over."""
    return _unb64(document.get("signature"))


def checked(text: str) -> Checked:
    """Read a JWS and check that the signature fits; who signed is for the caller to trust.

    Raises:
        VerifyError: it is no such document, or was changed.
    """
    asked = "asked to check a signed result, found"
    if len(text) > MAX_BYTES:
        raise VerifyError(f"{asked} more than {MAX_BYTES:,} characters; give a signed result")
    try:
        document = cast("dict[str, JSON]", json.loads(text))
        protected, payload = str(document["protected"]), str(document["payload"])
        header = json.loads(_unb64(protected))
        if header["typ"] != TYPE or "crit" in header:
            raise ValueError(f"type {header['typ']!r}")
        chain = tuple(
            x509.load_der_x509_certificate(base64.b64decode(der, validate=True))
            for der in header["x5c"][:_LONGEST_CHAIN]
        )
        signature, name = _unb64(document["signature"]), str(header["alg"])
        key = chain[0].public_key()
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, UnsupportedAlgorithm) as e:
        why = harmless(f"{type(e).__name__}: {e}")
        raise VerifyError(
            f"{asked} no signed result ({why}); give what --signed-result wrote"
        ) from e
    if not _fits(key, name, signature, f"{protected}.{payload}".encode()):
        raise Changed(f"{asked} a signature that does not fit; it was changed after it was signed")
    return Checked(
        statement=_statement(payload, asked),
        chain=chain,
        signature=signature,
        stamp=_stamp(document),
    )


class Changed(VerifyError):
    """A signed result was changed."""


def _statement(payload: str, asked: str) -> dict[str, JSON]:
    try:
        found = json.loads(_unb64(payload))
        if not isinstance(found, dict):
            raise TypeError("no object")
    except (ValueError, TypeError, RecursionError) as exc:
        raise VerifyError(f"{asked} a signed text that is no statement ({exc})") from exc
    return found


def _stamp(document: Mapping[str, JSON]) -> bytes:
    header = document.get("header")
    given = header.get("sigTst") if isinstance(header, dict) else None
    try:
        return base64.b64decode(given, validate=True) if isinstance(given, str) else b""
    except ValueError:
        return b"unreadable"


def _fits(key: object, name: str, signature: bytes, message: bytes) -> bool:
    """Whether a signature fits under the one algorithm that this kind of key may use."""
    try:
        return name == _NAMES[algorithm_of(key)] and fits(key, signature, message)
    except SealError:  # a key that C2PA does not know
        return False


def _encoded(value: object) -> str:
    return _b64(json.dumps(value, separators=(",", ":"), sort_keys=True).encode("utf-8"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unb64(text: JSON) -> bytes:
    """Decode base64url without padding, and nothing else (RFC 7515, 2)."""
    if not isinstance(text, str) or _b64(found := base64.urlsafe_b64decode(text + "==")) != text:
        raise ValueError("not base64url")
    return found


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)
