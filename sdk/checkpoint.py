"""Signed checkpoints of a log, and offline receipts that hang on them.

    key = LogKey("example.com/log", private_key)
    note = key.sign(Checkpoint(origin=key.name, size=8, root=root))
    key.public.open(note).root == root

A receipt is a C2SP tlog-proof: index, inclusion path and checkpoint in one text file, which
anyone who knows the log's public key checks without the log (`check_proof`).

Sources: c2sp.org/signed-note (Ed25519, type 0x01), c2sp.org/tlog-checkpoint,
c2sp.org/tlog-proof; key text as `golang.org/x/mod/sumdb/note` writes it, so that the Go tools
of transparency logs read our keys.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from sdk.errors import LedgerError
from sdk.tlog import HASH_SIZE, check_inclusion, leaf_hash

ED25519 = b"\x01"
"""Signature type identifier of signed-note."""

MAX_NOTE = 1 << 20
"""Characters: signed-note tells verifiers to bound a note; 16 ML-DSA signatures are 80 KB."""

PROOF_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log at one size."""

    origin: str
    """The log's unique name, the first line of every checkpoint."""
    size: int
    """Number of entries."""
    root: bytes
    """RFC 6962 Merkle Tree Hash of these entries, 32 bytes."""

    @property
    def text(self) -> str:
        """The note text that is signed (tlog-checkpoint, "Note text")."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may sign checkpoints of a log: the name and key that a verifier was given."""

    name: str
    raw: bytes
    """Ed25519 public key, 32 bytes (RFC 8032)."""

    @property
    def id(self) -> bytes:
        """Key ID of signed-note, 4 bytes."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.raw).digest()[:4]

    @property
    def text(self) -> str:
        """`name+id+base64(type || key)`, one line to give to verifiers."""
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.raw)}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read what `text` wrote, or raise LedgerError."""
        asked = "read a log's public key"
        name, key_id, encoded = _three(text.strip().split("+", 2), asked)
        raw = _unbase64(encoded, asked)
        if not _is_name(name) or raw[:1] != ED25519 or len(raw) != 1 + HASH_SIZE:
            raise LedgerError(f"{asked}: not an Ed25519 key; expected name+id+base64")
        key = cls(name, raw[1:])
        if key_id != key.id.hex():
            raise LedgerError(f"{asked}: id {key_id[:16]!r} is not {key.id.hex()}; copy it again")
        return key

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in `note` if this key signed it for its own log.

        Raises:
            LedgerError: no signature of this key, a wrong one, or not a checkpoint.
        """
        asked = f"open a checkpoint of {self.name}"
        text, signatures = _split_note(note, asked)
        ours = [s for name, key_id, s in signatures if (name, key_id) == (self.name, self.id)]
        if not ours:
            raise LedgerError(f"{asked}: not signed by key {self.id.hex()}; use the key it names")
        for signature in ours:
            self._check(signature, text.encode(), asked)
        return _parse_checkpoint(text, self.name, asked)

    def _check(self, signature: bytes, message: bytes, asked: str) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as exc:
            raise LedgerError(
                f"{asked}: the signature does not fit the text; the checkpoint was changed"
            ) from exc


class LogKey:
    """The private half: what turns a checkpoint into a signed note."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        if not _is_name(name):
            raise LedgerError(
                f"name a log {name[:80]!r}: empty, or with a space, control character or plus;"
                " use a URL without scheme, like example.com/log"
            )
        self.public = PublicKey(name, private.public_key().public_bytes_raw())
        self._private = private

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the checkpoint as a signed note."""
        text = checkpoint.text
        signature = self.public.id + self._private.sign(text.encode())
        return f"{text}\n— {self.public.name} {_base64(signature)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An offline receipt (tlog-proof, "Format")."""

    index: int
    path: Sequence[bytes]
    """Inclusion path from the leaf's sibling up to the root's child."""
    note: str
    """The signed checkpoint, verbatim."""
    extra: bytes = b""
    """Not authenticated by the format; our ledger puts the entry here, which its hash does."""

    @property
    def text(self) -> str:
        """The .tlog-proof file."""
        extra = [f"extra {_base64(self.extra)}"] if self.extra else []
        head = [PROOF_HEADER, *extra, f"index {self.index}", *map(_base64, self.path)]
        return "\n".join(head) + "\n\n" + self.note

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Read a .tlog-proof file, or raise LedgerError."""
        asked = "read a receipt"
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        if len(text) > MAX_NOTE or lines.pop(0) != PROOF_HEADER or not note:
            raise LedgerError(f"{asked}: not a {PROOF_HEADER} text; give the .tlog-proof file")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _unbase64(lines.pop(0).removeprefix("extra "), asked)
        if not lines or not lines[0].startswith("index "):
            raise LedgerError(f"{asked}: no index line; the file was cut or changed")
        index = _decimal(lines.pop(0).removeprefix("index "), asked)
        path = tuple(_unbase64(line, asked) for line in lines)
        if any(len(step) != HASH_SIZE for step in path):
            raise LedgerError(f"{asked}: a path hash is not 32 bytes; the file was changed")
        return cls(index=index, path=path, note=note, extra=extra)


def check_proof(proof: str, entry: bytes, key: PublicKey) -> Checkpoint:
    """Return the checkpoint that proves `entry` is in the log of `key`, without the log.

    Raises:
        LedgerError: the proof, the entry, the checkpoint or the key does not fit the others.
    """
    parsed = Proof.parse(proof)
    checkpoint = key.open(parsed.note)
    check_inclusion(leaf_hash(entry), parsed.index, checkpoint.size, parsed.path, checkpoint.root)
    return checkpoint


def _split_note(note: str, asked: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Cut a signed note into its text and its (name, key id, signature) lines."""
    control = any(c < " " and c != "\n" for c in note)
    body, gap, tail = note.rpartition("\n\n")
    if len(note) > MAX_NOTE or control or not gap or not tail.endswith("\n"):
        raise LedgerError(f"{asked}: not a signed note; give the checkpoint file unchanged")
    return body + "\n", [_signature(line, asked) for line in tail[:-1].split("\n")]


def _signature(line: str, asked: str) -> tuple[str, bytes, bytes]:
    dash, name, encoded = _three(line.split(" "), asked)
    raw = _unbase64(encoded, asked)
    if dash != "—" or not _is_name(name) or len(raw) < 5:
        raise LedgerError(f"{asked}: a signature line is malformed; the file was changed")
    return name, raw[:4], raw[4:]


def _parse_checkpoint(text: str, origin: str, asked: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or "" in lines[:-1] or lines[0] != origin:
        raise LedgerError(f"{asked}: the signed text is no checkpoint of this log; use its own")
    root = _unbase64(lines[2], asked)
    if len(root) != HASH_SIZE:
        raise LedgerError(f"{asked}: the root hash is not 32 bytes; use a SHA-256 log")
    return Checkpoint(origin=origin, size=_decimal(lines[1], asked), root=root)


def _three(parts: list[str], asked: str) -> tuple[str, str, str]:
    if len(parts) != 3:
        raise LedgerError(f"{asked}: expected three parts, found {len(parts)}; copy it again")
    return parts[0], parts[1], parts[2]


def _is_name(name: str) -> bool:
    """signed-note: not empty, no Unicode space, no plus; control characters break the note."""
    return bool(name) and not any(c.isspace() or c == "+" or c < " " for c in name)


def _decimal(text: str, asked: str) -> int:
    if not (text.isascii() and text.isdigit()) or (text[0] == "0" and text != "0"):
        raise LedgerError(f"{asked}: {text[:20]!r} is not a decimal number; the file was changed")
    if len(text) > 19:
        raise LedgerError(f"{asked}: {text[:20]} is beyond 64 bits; the file was changed")
    return int(text)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unbase64(text: str, asked: str) -> bytes:
    """Strict RFC 4648 section 4: one text per value, so that no byte of a proof is idle."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise LedgerError(f"{asked}: not base64; the file was cut or changed") from exc
    if _base64(raw) != text:
        raise LedgerError(f"{asked}: not the one way to write base64; the file was changed")
    return raw
