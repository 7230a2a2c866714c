"""The certificate chain and private key that sign manifests.

    SigningCredential.open("chain.pem", "key.pem")                  # yours
    SigningCredential.open("chain.pem", "awskms:///alias/signing")  # yours, and never here
    SigningCredential.development(home)                 # made on first use, untrusted for ever

A development credential lets everything run on a fresh machine.  Its names say UNTRUSTED, no
trust list will ever hold its root, and the keys of its root and intermediate are thrown away.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from sdk.certprofile import examine
from sdk.certs import Key, NewChain, algorithm_of, load_chain, new_chain
from sdk.errors import SealError
from sdk.keyfile import OWNER_ONLY, read_keyfile
from sdk.outside import is_outside, open_key
from sdk.signatures import fits, raw, sign

DEVELOPMENT = "UNTRUSTED development certificate"
"""Organization of every development chain; whoever reads it knows that nobody vouches."""
FOLDER = "c2pa-development"
_DAYS = 3 * 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCredential:
    """Who signs: a chain that was examined, and the key that fits its leaf."""

    chain: bytes
    """PEM, leaf first, without the root."""
    key: bytes = field(repr=False)
    """PEM, PKCS #8; empty where the key lies in a token or a service."""
    alg: str
    """`es256`, `es384`, `es512`, `ps256` or `ed25519`."""
    subject: str
    """Organization and common name of the leaf."""
    not_after: datetime
    """When the leaf expires, UTC."""
    is_development: bool = False
    ask: Callable[[bytes], bytes] | None = field(default=None, repr=False, compare=False)
    """Signs where the key lies elsewhere; ECDSA as r‖s or DER."""

    @classmethod
    def open(cls, chain: str | Path, key: str | Path) -> SigningCredential:
        """Read a chain from a PEM file; its key from another, or where a URI says (`sdk.outside`).

        Raises:
            SealError: a file is missing or open to others, key and leaf do not fit, or C2PA
                would refuse the leaf; the message names the wrong extension.
        """
        if isinstance(key, str) and is_outside(key):
            found, pem = open_key(key), read_chain(chain)
            alg = algorithm_of(load_chain(pem)[0].public_key())
            return cls.outside(pem, lambda data: found.sign(data, alg))
        return cls.make(read_chain(chain), read_keyfile(Path(key).expanduser(), error=SealError))

    @classmethod
    def make(cls, chain: bytes, key: bytes) -> SigningCredential:
        """Check that a PEM chain and key fit each other and what C2PA asks for."""
        leaf = load_chain(chain)[0]
        examined = cls._examined(chain)
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise SealError(
                f"asked to read a signing key, found {exc}; give a PEM key without password"
            ) from exc
        if _spki(private.public_key()) != _spki(leaf.public_key()):
            raise SealError(
                "asked to sign with a key that does not belong to the first certificate of the "
                "chain; give the leaf first, and its own key"
            )
        return replace(examined, key=key)

    @classmethod
    def outside(cls, chain: bytes, ask: Callable[[bytes], bytes]) -> SigningCredential:
        """Check a PEM chain whose key lies elsewhere; `ask` signs, and `key` is empty."""
        return replace(cls._examined(chain), ask=ask)

    def sign(self, data: bytes) -> bytes:
        """Return the leaf's signature over `data`, ECDSA as r‖s (RFC 7518, 3.4).

        Raises:
            SealError: a key elsewhere said no, or it is not the leaf's.
        """
        public = load_chain(self.chain)[0].public_key()
        if self.ask is None:
            return sign(cast("Key", load_pem_private_key(self.key, password=None)), data)
        signature = raw(public, self.ask(data))
        if not fits(public, signature, data):
            raise SealError(
                f"asked to sign as {self.subject}, found a signature by another key; give the "
                "certificate of this key, or the key of this certificate"
            )
        return signature

    @classmethod
    def _examined(cls, chain: bytes) -> SigningCredential:
        leaf = load_chain(chain)[0]
        wrong = [str(complaint) for complaint in examine(chain) if complaint.fatal]
        if wrong:
            raise SealError(
                f"asked to sign as {leaf.subject.rfc4514_string()}, "
                f"found a certificate that C2PA refuses: {' / '.join(wrong)}"
            )
        return cls(
            chain=chain,
            key=b"",
            alg=algorithm_of(leaf.public_key()),
            subject=leaf.subject.rfc4514_string(),
            not_after=leaf.not_valid_after_utc,
            is_development=DEVELOPMENT in leaf.subject.rfc4514_string(),
        )

    @classmethod
    def development(cls, home: Path | None = None) -> SigningCredential:
        """Return the development credential in `home`; make it on first use.

        Processes that start at once end with the same one: the folder appears whole.

        Raises:
            SealError: it cannot be written or read, or it expired.
        """
        folder = (home or default_home()) / FOLDER
        try:
            if not folder.exists():
                chain = new_chain(
                    organization=DEVELOPMENT, common_name="UNTRUSTED development", days=_DAYS
                )
                _make_folder(folder, files_of(chain))
        except OSError as exc:
            raise SealError(
                f"asked to make a development certificate in {folder}, found {exc.strerror}; "
                "give a folder that can be written, or a certificate and key of your own"
            ) from exc
        return cls.open(folder / "chain.pem", folder / "key.pem")


def read_chain(path: str | Path) -> bytes:
    """Return the bytes of a certificate file.

    Raises:
        SealError: it cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        raise SealError(
            f"asked to read certificate chain {path}, found {exc.strerror}; check the path"
        ) from exc


def default_home() -> Path:
    """Return where keys and state lie: $SDK_HOME, or the user's data folder (XDG)."""
    named = os.environ.get("SDK_HOME")
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "responsible-generation-sdk"


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder of PEM files; it appears whole, and `key.pem` is its owner's alone.

    Raises:
        SealError: the folder is there already, or cannot be written.
    """
    try:
        if folder.exists():
            raise SealError(
                f"asked to make {folder}, found that it exists; keys are never overwritten, "
                "name another folder"
            )
        _make_folder(folder, files)
    except OSError as exc:
        raise SealError(
            f"asked to make {folder}, found {exc.strerror}; give a folder that can be written"
        ) from exc


def files_of(chain: NewChain) -> Mapping[str, bytes]:
    """Return the files of a fresh chain by name; no key.pem where the key lies elsewhere."""
    files = {"root.pem": chain.root_pem, "chain.pem": chain.chain_pem}
    return files | ({"key.pem": chain.key_pem} if chain.key_pem else {})


def _make_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    fresh.mkdir(mode=0o700)
    try:
        for name, data in files.items():
            _write(fresh / name, data, OWNER_ONLY if name == "key.pem" else 0o644)
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.exists():  # else another process was first: its files count
            raise


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _spki(key: object) -> bytes:
    public: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return public
