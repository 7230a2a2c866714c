"""Authenticated encryption of small records: AES-256-GCM, nonce first.

    sealed = seal(key, b"...", label)
    unseal(key, sealed, label, error=VaultError) == b"..."

The label (associated data) binds a record to its place, so that rows cannot be exchanged.
Random 96-bit nonces are safe for 2**32 records under one key (NIST SP 800-38D section 8.3);
a vault has one key per person.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sdk.errors import SDKError

KEY_SIZE = 32
NONCE_SIZE = 12


def seal(key: bytes, content: bytes, label: bytes) -> bytes:
    """Return nonce || ciphertext || tag."""
    nonce = os.urandom(NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, content, label)


def unseal(key: bytes, sealed: bytes, label: bytes, *, error: type[SDKError]) -> bytes:
    """Return what was sealed under this key and label, or raise `error`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], label)
    except (InvalidTag, ValueError) as exc:
        raise error(
            "open a sealed record: it was changed, or sealed under another key;"
            " give the key it was made with, or restore a backup"
        ) from exc
