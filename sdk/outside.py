"""Signing keys that lie elsewhere, found by a URI: in a token, or in a cloud service.

    key = open_key("awskms:///alias/signing")       # or "pkcs11:token=lab;object=signing?…"
    key.sign(data, "es256")
    request = new_request(…, key=issuing(key))       # as cryptography's builders take it

The private key never enters this process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sdk.certs import Key, algorithm_of
from sdk.errors import SealError
from sdk.kms import KmsKey
from sdk.report import harmless
from sdk.signatures import der, fits, raw
from sdk.token import TokenKey


class OutsideKey(Protocol):
    """A private key that this process can use and cannot read."""

    def sign(self, data: bytes, alg: str) -> bytes:
        """Return the signature over `data` by a C2PA algorithm; ECDSA as r‖s or DER."""

    def public_key(self) -> object:
        """Return the public half."""


_SCHEMES: Mapping[str, Callable[[str], OutsideKey]] = {"awskms": KmsKey, "pkcs11": TokenKey}


def is_outside(key: str | Path) -> bool:
    """Whether this names a key elsewhere, and no file."""
    return isinstance(key, str) and key.partition(":")[0] in _SCHEMES


def open_key(uri: str) -> OutsideKey:
    """Return the key that a URI names; it is not asked for anything yet.

    Raises:
        SealError: no such kind of key, or a URI that does not name one.
    """
    scheme = uri.partition(":")[0]
    if scheme not in _SCHEMES:
        raise SealError(
            f"asked for the key {harmless(uri)}; give a URI that begins with "
            f"{' or '.join(f'{name}:' for name in _SCHEMES)}"
        )
    return _SCHEMES[scheme](uri)


def issuing(key: OutsideKey) -> Key:
    """Return the key as cryptography's builders of requests and certificates take it.

    Raises:
        SealError: the key cannot be asked, or C2PA does not know its kind.
    """
    public = key.public_key()
    alg = algorithm_of(public)
    kind = _RSA if alg == "ps256" else _Elliptic
    return cast("Key", kind(key, public, alg))


class _Issuing:
    """The two methods of a private key that a builder calls."""

    def __init__(self, key: OutsideKey, public: object, alg: str) -> None:
        self._key, self._public, self._alg = key, public, alg

    def public_key(self) -> object:
        return self._public

    def sign(self, data: bytes, *_: object) -> bytes:
        """Sign; hash and padding are those of the algorithm, whatever the builder names."""
        signature = raw(self._public, self._key.sign(data, self._alg))
        if not fits(self._public, signature, data):
            raise SealError(
                "asked a key elsewhere to sign, found a signature that does not fit its public "
                "half; look at the token or service"
            )
        return der(self._public, signature)


@ec.EllipticCurvePrivateKey.register
class _Elliptic(_Issuing):
    pass


@rsa.RSAPrivateKey.register
class _RSA(_Issuing):
    pass
