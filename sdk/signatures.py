"""Signatures as JOSE and COSE write them, with the keys that C2PA knows.

    value = sign(private_key, data)                 # r‖s for ECDSA (RFC 7518, 3.4)
    assert fits(private_key.public_key(), value, data)

The key decides the algorithm: ES256, ES384 and ES512 by its curve, PS256 for RSA with a salt of 32
bytes (RFC 7518, 3.5), Ed25519 (RFC 8037).  A key that lies elsewhere may answer with DER; `raw`
turns that into r‖s.
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from sdk.certs import PSS, Key

_CURVES: Mapping[str, tuple[hashes.HashAlgorithm, int]] = {
    "secp256r1": (hashes.SHA256(), 32),
    "secp384r1": (hashes.SHA384(), 48),
    "secp521r1": (hashes.SHA512(), 66),
}
"""Curve → hash, and bytes of r and of s."""


def sign(key: Key, data: bytes) -> bytes:
    """Return the signature over `data`."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, PSS, hashes.SHA256())
    digest, _ = _CURVES[key.curve.name]
    return raw(key.public_key(), key.sign(data, ec.ECDSA(digest)))


def raw(public: object, signature: bytes) -> bytes:
    """Return r‖s of an ECDSA signature that may be DER; any other stays as it is."""
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return signature
    _, size = _CURVES[public.curve.name]
    if len(signature) == 2 * size:
        return signature  # DER this short would need 48 leading zero bits
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size) + s.to_bytes(size)
    except (ValueError, OverflowError):
        return signature  # and does not fit


def der(public: object, signature: bytes) -> bytes:
    """Return the DER form of r‖s, which X.509 and OpenSSF bundles hold; any other as it is."""
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return signature
    size = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))


def fits(public: object, signature: bytes, data: bytes) -> bool:
    """Whether this is the key's signature over `data`, r‖s for ECDSA."""
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, PSS, hashes.SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
            digest, size = _CURVES[public.curve.name]
            if len(signature) != 2 * size:
                return False
            public.verify(der(public, signature), data, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
