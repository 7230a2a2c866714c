"""Signs PNG files with an Ed25519 key, in a private chunk before the end.

policy:  signer = {plugin = "NAME", settings = {key = "64 hex digits"}}

A format of its own: only this plugin can read it.  For Content Credentials that others can
verify use the bundled plugin `c2pa`.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sdk import Claim, PluginError, Seal, SealError, Settings, Signer, hookimpl

PNG = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB\x60\x82"
CHUNK = b"\0\0\0\x40siGN"
"""Length 64, and a name that says: ancillary, private, not safe to copy after an edit (PNG 5.4)."""


class Ed25519Signer:
    """Signs the whole file but for the chunk that holds the signature."""

    media_types = frozenset({"image/png"})

    def __init__(self, *, key: str = "") -> None:
        if not isinstance(key, str) or (key and len(key) != 64):
            raise PluginError("asked for a key that is not 64 hex digits; give a secret of yours")
        seed = bytes.fromhex(key) if key else secrets.token_bytes(32)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._name = hashlib.sha256(self._key.public_key().public_bytes_raw()).hexdigest()[:16]

    def seal(self, data: bytes, claim: Claim, /) -> bytes:
        """Return the PNG with its signature; `claim` is not written: the chunk has no room."""
        if not (data.startswith(PNG) and data.endswith(END)) or CHUNK in data[-88:]:
            raise SealError("asked to sign something that is no unsigned PNG; encode it anew")
        body = CHUNK[4:] + self._key.sign(data)
        chunk = CHUNK[:4] + body + zlib.crc32(body).to_bytes(4, "big")
        return data[: -len(END)] + chunk + END

    def check(self, data: bytes, /) -> Seal:
        """Say whether this key signed exactly these bytes."""
        head, chunk, end = data[:-88], data[-88:-12], data[-12:]
        body = chunk[4:-4]
        whole = end == END and chunk[:8] == CHUNK and zlib.crc32(body).to_bytes(4) == chunk[-4:]
        return Seal(
            intact=whole and self._signed(body[4:], head + END),
            manifest=f"urn:sha256:{hashlib.sha256(data).hexdigest()}",
            issuer=f"Ed25519 key {self._name}",
            trusted=False,
        )

    def _signed(self, signature: bytes, data: bytes) -> bool:
        try:
            self._key.public_key().verify(signature, data)
        except InvalidSignature:
            return False
        return True


@hookimpl
def signer(settings: Settings) -> Signer:
    """Make the signer; setting: `key` (64 hex digits; a new one each run when left out)."""
    return Ed25519Signer(**settings)  # type: ignore[arg-type]
