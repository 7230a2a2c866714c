"""A signing key in a PKCS #11 token, such as a hardware security module; it never leaves it.

    uri = "pkcs11:token=lab;object=signing?module-path=/usr/lib/libx.so&pin-source=file:/run/pin"
    TokenKey(uri).sign(data, "es256")

The URI is that of RFC 7512 with exactly these four attributes; the PIN stands in a file, never in
the URI.  Needs the extra `hsm`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import load_der_public_key

from sdk.errors import SealError
from sdk.report import harmless

SCHEME = "pkcs11"
HASHES = {"es256": "sha256", "es384": "sha384", "es512": "sha512", "ps256": "sha256"}
ATTRIBUTES = ("module-path", "token", "object", "pin-source")
"""RFC 7512, 2.3 and 2.4; all four are needed."""
_STARTED: dict[str, int] = {}
"""PKCS #11 library → process that started it."""
_T = TypeVar("_T")


class TokenKey:
    """One private key of a token."""

    def __init__(self, uri: str) -> None:
        """Take a `pkcs11:` URI; the token is not opened yet.

        Raises:
            SealError: an attribute is missing or unknown.
        """
        given = _attributes(uri)
        wrong = sorted({*ATTRIBUTES} ^ given.keys())
        if wrong:
            raise SealError(
                f"asked for a key in a token, found {harmless(', '.join(wrong))} missing or "
                "unknown; give pkcs11:token=TOKEN;object=KEY?module-path=LIBRARY"
                "&pin-source=file:PIN_FILE"
            )
        self._module, self._token, self._key = (given[name] for name in ATTRIBUTES[:3])
        self._pin_file = Path(given["pin-source"].removeprefix("file:")).expanduser()
        self._turns: dict[int, threading.Lock] = {}
        self._sessions: dict[int, Any] = {}
        self._keys: dict[int, Any] = {}

    def sign(self, data: bytes, alg: str) -> bytes:
        """Return the token's signature over `data`, r‖s for ECDSA; threads take turns.

        Raises:
            SealError: the token said no; its own words are in the message.
        """
        if alg not in HASHES:
            raise SealError(f"asked for {alg} in a token; use es256, es384, es512 or ps256")
        digest = hashlib.new(HASHES[alg], data).digest()
        return self._ask("sign with", lambda session: self._signed(session, digest, alg))

    def public_key(self) -> object:
        """Return the public half, which must lie in the token under the same label.

        Raises:
            SealError: it does not, or the token said no.
        """
        return load_der_public_key(self._ask("show the public half of", self._public))

    def _ask(self, what: str, work: Callable[[Any], _T]) -> _T:
        try:
            import pkcs11
        except ImportError as exc:
            raise SealError(
                "asked for a key in a token, found no python-pkcs11; "
                "run: pip install 'responsible-generation-sdk[hsm]'"
            ) from exc
        turn = self._turns.setdefault(os.getpid(), threading.Lock())  # a fork inherits locks shut
        try:
            with turn:
                return work(self._sessions.get(os.getpid()) or self._open())
        except pkcs11.exceptions.PKCS11Error as exc:
            said = harmless(f"{type(exc).__name__} {exc}".strip())
            raise SealError(
                f"asked token {self._token!r} to {what} key {self._key!r}, found {said}; "
                "check module, labels and PIN"
            ) from exc

    def _open(self) -> Any:
        """Log in.  The login counts for the whole process, so a second one is no error."""
        import pkcs11

        library = pkcs11.lib(self._module)
        if _STARTED.setdefault(self._module, os.getpid()) != os.getpid():
            library.reinitialize()  # a forked process must start the library anew
            _STARTED[self._module] = os.getpid()
        token = library.get_token(token_label=self._token)
        try:
            session = token.open(user_pin=self._pin())
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            session = token.open()
        return self._sessions.setdefault(os.getpid(), session)

    def _pin(self) -> str:
        try:
            return self._pin_file.read_text("utf-8").strip()
        except (OSError, ValueError) as exc:
            raise SealError(
                f"asked to read the PIN in {self._pin_file}, found {exc}; check the path"
            ) from exc

    def _signed(self, session: Any, digest: bytes, alg: str) -> bytes:
        import pkcs11

        key = self._keys.get(os.getpid()) or self._keys.setdefault(
            os.getpid(), session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=self._key)
        )
        if alg != "ps256":
            return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        pss = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
        mechanism = pkcs11.Mechanism.RSA_PKCS_PSS
        return bytes(key.sign(digest, mechanism=mechanism, mechanism_param=pss))

    def _public(self, session: Any) -> bytes:
        import pkcs11
        from pkcs11.util.ec import encode_ec_public_key
        from pkcs11.util.rsa import encode_rsa_public_key

        key = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, label=self._key)
        is_rsa = key.key_type is pkcs11.KeyType.RSA
        return bytes(encode_rsa_public_key(key) if is_rsa else encode_ec_public_key(key))


def _attributes(uri: str) -> Mapping[str, str]:
    path, _, query = uri.removeprefix(f"{SCHEME}:").partition("?")
    pairs = [part.partition("=") for part in (*path.split(";"), *query.split("&")) if part]
    return {name: unquote(value) for name, _, value in pairs}
