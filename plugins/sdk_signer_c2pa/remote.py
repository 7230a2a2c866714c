"""Keys that stay where they are: a PKCS #11 token, or any function that signs.

c2pa calls back with the bytes to sign and says only "COSE signature invalid" when the function
raises; what it really raised is kept here and told to the user.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from sdk import PluginError, SealError

HASHES = {"es256": "sha256", "es384": "sha384", "es512": "sha512", "ps256": "sha256"}
_STARTED: dict[str, int] = {}
"""PKCS #11 library → process that started it."""
PKCS11_KEYS = ("module", "token", "key", "pin_file")


class RemoteKey:
    """A signing function that remembers what it raised in this thread."""

    def __init__(self, sign: Callable[[bytes], bytes]) -> None:
        self._sign = sign
        self._raised = threading.local()

    def __call__(self, data: bytes) -> bytes:
        """Return the signature over `data`: DER or r‖s for ECDSA, raw for the others."""
        self._raised.error = None
        try:
            return bytes(self._sign(data))
        except Exception as exc:
            self._raised.error = exc
            raise

    @property
    def error(self) -> Exception | None:
        """What the last call in this thread raised."""
        found: Exception | None = getattr(self._raised, "error", None)
        return found


class Token:
    """A private key in a PKCS #11 token; it never enters this process."""

    def __init__(self, settings: Mapping[str, object], alg: str) -> None:
        """Take `module` (library), `token` and `key` (labels), and `pin_file`.

        Raises:
            PluginError: a setting is missing or unknown, or the algorithm is not for tokens.
        """
        wrong = sorted({*PKCS11_KEYS} ^ settings.keys())
        if wrong:
            raise PluginError(
                f"asked for pkcs11 with {', '.join(settings) or 'nothing'}, "
                f"found {', '.join(wrong)} missing or unknown; give {', '.join(PKCS11_KEYS)}"
            )
        if alg not in HASHES:
            raise PluginError(f"asked for {alg} in a token; use es256, es384, es512 or ps256")
        self._module, self._token, self._key = (str(settings[n]) for n in PKCS11_KEYS[:3])
        self._pin_file = Path(str(settings["pin_file"])).expanduser()
        self._alg = alg
        self._turns: dict[int, threading.Lock] = {}
        self._opened: dict[int, object] = {}

    def sign(self, data: bytes) -> bytes:
        """Return the token's signature over `data`; threads take turns.

        Raises:
            SealError: the token said no; its own words are in the message.
        """
        import pkcs11

        digest = hashlib.new(HASHES[self._alg], data).digest()
        turn = self._turns.setdefault(os.getpid(), threading.Lock())  # a fork inherits locks shut
        try:
            with turn:
                key = self._opened.get(os.getpid()) or self._open()
                return self._ask(key, digest)
        except pkcs11.exceptions.PKCS11Error as exc:
            said = f"{type(exc).__name__} {exc}".strip()
            raise SealError(
                f"asked token {self._token!r} to sign with key {self._key!r}, found {said}; "
                "check module, labels and PIN"
            ) from exc

    def _open(self) -> object:
        """Find the key.  The login counts for the whole process, so a second one is no error."""
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
        key = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=self._key)
        self._opened[os.getpid()] = key
        return key

    def _pin(self) -> str:
        try:
            return self._pin_file.read_text("utf-8").strip()
        except (OSError, ValueError) as exc:
            raise SealError(
                f"asked to read the PIN in {self._pin_file}, found {exc}; check the path"
            ) from exc

    def _ask(self, key: object, digest: bytes) -> bytes:
        import pkcs11

        if self._alg != "ps256":
            signed = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)  # type: ignore[attr-defined]
            return bytes(signed)
        pss = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, 32)
        mechanism = pkcs11.Mechanism.RSA_PKCS_PSS
        signed = key.sign(digest, mechanism=mechanism, mechanism_param=pss)  # type: ignore[attr-defined]
        return bytes(signed)
