"""Secrets in files that only their owner reads, made on first use and never overwritten.

    secret = keyfile("state/vault.key", make=lambda: os.urandom(32), error=VaultError)

Two processes that start at once end with the same key: the file appears whole, by a hard link
that fails if another was first.  Losing a key is the caller's affair; this room never makes a
new one over an old one.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sdk.errors import SDKError

OWNER_ONLY = 0o600
TOO_OPEN = 0o027
"""Write access for the group, or any access for others: the key may be known or replaced.
Group read stays allowed, because containers mount secrets as root:group 0440."""


def keyfile(path: str | Path, *, make: Callable[[], bytes], error: type[SDKError]) -> bytes:
    """Return the secret in `path`; make it first where the file does not exist."""
    path = Path(path)
    try:
        if not path.exists():
            _create(path, make())
    except OSError as exc:
        raise error(
            f"make key file {path}: {exc.strerror}; give a folder that can be written, or a key"
        ) from exc
    return read_keyfile(path, error=error)


def read_keyfile(path: Path, *, error: type[SDKError]) -> bytes:
    """Return the secret in `path`; refuse a file that others can read."""
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes()
    except OSError as exc:
        raise error(
            f"read key file {path}: {exc.strerror}; restore the file, or give another key"
        ) from exc
    if os.name == "posix" and mode & TOO_OPEN:
        raise error(
            f"read key file {path}: mode {mode & 0o777:o} lets others in;"
            f" run chmod 600 {path}, and change the key if someone may have read it"
        )
    if not secret:
        raise error(f"read key file {path}: it is empty; restore it from a backup")
    return secret


def ed25519_key(
    place: str | Path | Ed25519PrivateKey, *, make: bool, error: type[SDKError]
) -> Ed25519PrivateKey:
    """Return the signing key in a PEM file (PKCS #8); with `make`, make it on first use."""
    if isinstance(place, Ed25519PrivateKey):
        return place
    path = Path(place)
    pem = keyfile(path, make=_new_pem, error=error) if make else read_keyfile(path, error=error)
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise error(f"read key file {path}: not a PEM key without password; restore it") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise error(f"read key file {path}: a {type(key).__name__}; give an Ed25519 key")
    return key


def symmetric_key(place: bytes | str | Path, *, error: type[SDKError]) -> bytes:
    """Return 32 secret bytes: those given, or those in a file that is made on first use."""
    if isinstance(place, bytes):
        return _sized(place, "the caller", error)
    path = Path(place)
    return _sized(keyfile(path, make=lambda: secrets.token_bytes(32), error=error), path, error)


def environment_key(name: str, *, error: type[SDKError]) -> bytes:
    """Return the 32 secret bytes that an environment variable holds in base64."""
    try:
        return _sized(base64.b64decode(os.environ[name], validate=True), name, error)
    except binascii.Error as exc:
        raise error(f"read a key from {name}: not base64; set base64 of 32 random bytes") from exc


def _sized(key: bytes, place: str | Path, error: type[SDKError]) -> bytes:
    if len(key) != 32:
        raise error(f"read a key from {place}: {len(key)} bytes; give 32 random bytes")
    return key


def _new_pem() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _create(path: Path, secret: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(fresh, path)
    finally:
        fresh.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
