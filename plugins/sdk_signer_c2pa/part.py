"""The signer part: seals encoded files and reads the seals back."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdk import (
    Claim,
    ManifestStore,
    PluginError,
    Seal,
    SealError,
    SigningCredential,
    media_type_of,
    read_manifests,
)

from .manifest import definition, parent, soft_binding
from .remote import RemoteKey, token_uri
from .settings import one_of, read_pem
from .update import add_timestamp, c2pa_errors, is_dated

if TYPE_CHECKING:
    from c2pa import Context, Signer

log = logging.getLogger(__name__)

MEDIA_TYPES = frozenset(
    {*(f"image/{kind}" for kind in ("png", "jpeg", "webp", "avif", "tiff", "gif")), "video/mp4"}
)
TAMPERED_PARENT = ("refuse", "record")
TIMESTAMP = ("require", "best-effort")
TRAINING_MINING = ("notAllowed", "allowed")
_PROBE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVQIHWNgAAAAAgABz8g15QAAAABJRU5ErkJggg=="
)  # a PNG of one pixel


@dataclass(frozen=True, slots=True)
class _Engine:
    """The library's objects; they do not survive a fork."""

    context: Context
    signer: Signer


class C2PASigner:
    """Signs with a certificate chain and a key from files, or with a development credential."""

    media_types = MEDIA_TYPES
    provides = frozenset({"c2pa"})
    """With a time-stamp authority that must answer, `time-stamp` too."""

    def __init__(
        self,
        certificate: str = "",
        key: str = "",
        trust: str = "",
        home: str = "",
        training_mining: str = "notAllowed",
        tampered_parent: str = "refuse",
        timestamp_url: str = "",
        timestamp: str = "require",
        pkcs11: Mapping[str, object] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Take PEM files: chain (leaf first), private key, and roots that `check` trusts.

        Without certificate and key a development credential in `home` is used, made on first
        use.  `training_mining` says what others may do with the pictures (`notAllowed`,
        `allowed`); `tampered_parent` says what happens to an input picture whose credentials do
        not verify (`refuse`, `record`).  `timestamp_url` is an RFC 3161 authority, the only
        network address that is ever called; where it does not answer, `timestamp` = `require`
        refuses the picture and `best-effort` signs it without a time-stamp.  `key` may also be
        the URI of a key that lies elsewhere (`awskms:…`, `pkcs11:…`, `sdk.outside`).  Instead,
        `pkcs11` names a token (`module`, `token`, `key`, `pin_file`), or `sign` is a function
        that signs: for other key services, from Python.

        Raises:
            PluginError: a setting is not one of its values, or certificate and key are not both
                given.
            SealError: certificate or key cannot be read, or c2pa refuses them.
        """
        one_of("training_mining", training_mining, TRAINING_MINING)
        one_of("tampered_parent", tampered_parent, TAMPERED_PARENT)
        one_of("timestamp", timestamp, TIMESTAMP)
        if timestamp_url and not timestamp_url.startswith(("https://", "http://")):
            raise PluginError(f"asked for timestamp_url = {timestamp_url!r}; give an http address")
        if sum(map(bool, (key, pkcs11, sign))) != bool(certificate):
            raise PluginError(
                "asked for only a part of the credential; give `certificate` with one of `key`, "
                "`pkcs11` and `sign`, or none of them for a development certificate"
            )
        if timestamp_url and timestamp == "require":
            self.provides = frozenset({"c2pa", "time-stamp"})
        key = token_uri(pkcs11) if pkcs11 else key
        if certificate and sign is not None:
            self.credential = SigningCredential.outside(read_pem(certificate), sign)
        elif certificate:
            self.credential = SigningCredential.open(certificate, key)
        else:
            place = Path(home).expanduser() if home else None
            self.credential = SigningCredential.development(place)
        self._remote = None if self.credential.key else RemoteKey(self.credential.sign)
        self._anchors = read_pem(trust) if trust else b""
        self._mining = training_mining
        self._records_tampered = tampered_parent == "record"
        self._timestamp_url = timestamp_url
        self._needs_timestamp = timestamp == "require"
        self._engines: dict[tuple[int, bool], _Engine] = {}
        self._probe()

    def seal(self, data: bytes, claim: Claim) -> bytes:
        """Return `data` with a signed manifest in it; pixels and metadata stay as they are.

        Raises:
            SealError: the file carries credentials already, its format or claim cannot be
                signed, the input picture was tampered with, or c2pa failed.
        """

        self._check_file(data, claim)
        if claim.parent is not None:
            self._check_parent(claim.parent, claim.parent_media_type)
        stamped = bool(self._timestamp_url)
        try:
            return self._sign(data, claim, stamped=stamped)
        except SealError as exc:
            if not stamped or self._needs_timestamp:
                raise
            log.warning("signed without a time-stamp, which best-effort allows: %s", exc)
        return self._sign(data, claim, stamped=False)

    def _sign(self, data: bytes, claim: Claim, *, stamped: bool) -> bytes:
        import c2pa

        engine = self._engine(stamped)
        said = definition(claim, mining=self._mining)
        out = io.BytesIO()
        try:
            with c2pa.Builder(said, engine.context) as builder:
                if claim.parent is not None:
                    stream = io.BytesIO(claim.parent)
                    builder.add_ingredient(
                        json.dumps(parent(claim)), claim.parent_media_type, stream
                    )
                builder.sign(engine.signer, claim.media_type, io.BytesIO(data), out)
        except (c2pa.C2paError, ValueError, TypeError, OSError) as exc:
            by = f" with a time-stamp of {self._timestamp_url}" if stamped else ""
            raise SealError(
                f"asked to sign {claim.media_type} as {self.credential.subject}{by}, "
                f"found: {self._why(exc)}; "
                "check certificate, clock, claim and the time-stamp authority"
            ) from exc
        return out.getvalue()

    def timestamp(self, data: bytes) -> bytes:
        """Return a signed file with an update manifest that dates what is below it.

        For files that were signed without a time-stamp: with it they stay trusted when their
        certificate expires.  Only the manifest grows; the picture stays as it is.

        Raises:
            SealError: no `timestamp_url` is set, or the authority does not answer.
            VerifyError: the file carries no manifest or a broken one, or its certificate expired.
        """
        if not self._timestamp_url:
            raise SealError("asked for a time-stamp, found no timestamp_url; name an authority")
        engine = self._engine(stamped=True)
        try:
            return add_timestamp(data, engine.signer)
        except c2pa_errors() as exc:
            raise SealError(
                f"asked {self._timestamp_url} for a time-stamp, found: {self._why(exc)}; "
                "try again later"
            ) from exc

    def check(self, data: bytes) -> Seal:
        """Read the manifest of final bytes; `trusted` only under the roots in `trust`.

        Raises:
            SealError: no manifest is there, or it cannot be read.
        """
        store = read_manifests(data, media_type_of(data[:64]), anchors=self._anchors)
        if store is None or not store.active:
            why = store.failures[0].explanation if store else "none"
            raise SealError(f"asked to check a manifest, found {why}; sign the file again")
        own = [s for s in store.broken if not s.recorded]
        signature = store.manifest.get("signature_info")
        issuer = signature.get("issuer") if isinstance(signature, dict) else None
        return Seal(
            intact=not own,
            manifest=store.active,
            issuer=str(issuer or ""),
            trusted=store.state == "trusted" and not own,
            soft_binding_value=soft_binding(store),
            note=self._note(store),
            undated=bool(self._timestamp_url) and not is_dated(store),
        )

    def _note(self, store: ManifestStore) -> str:
        notes = sorted({status.code for status in store.failures})
        if self.credential.is_development:
            notes.append("signed with an UNTRUSTED development certificate")
        return "; ".join(notes)

    def _check_file(self, data: bytes, claim: Claim) -> None:
        found = media_type_of(data[:64])
        if claim.media_type not in MEDIA_TYPES or found != claim.media_type:
            raise SealError(
                f"asked to sign {claim.media_type!r}, found {found or 'an unknown format'}; "
                f"give one of {', '.join(sorted(MEDIA_TYPES))}"
            )
        if read_manifests(data, found) is not None:
            raise SealError(
                "asked to sign a file that carries Content Credentials, which would be lost; "
                "give the picture as the claim's parent and sign a fresh encoding"
            )

    def _check_parent(self, data: bytes, media_type: str) -> None:
        found = media_type_of(data[:64])
        if not found or found != media_type:
            raise SealError(
                f"asked to sign with an input picture of {media_type!r}, found "
                f"{found or 'an unknown format'}; give the input's bytes as they were"
            )
        store = read_manifests(data, media_type)
        if store is None or store.remote_url or not store.broken or self._records_tampered:
            return
        status = store.broken[0]
        raise SealError(
            f"asked to open an input picture, found that its Content Credentials do not verify "
            f"({status.code}: {status.explanation!r}); give the original, or set "
            "tampered_parent = 'record'"
        )

    def _engine(self, stamped: bool) -> _Engine:
        """Return this process's engine; two threads may both make one, and one is kept."""
        key = (os.getpid(), stamped)
        found = self._engines.get(key)
        return found or self._engines.setdefault(key, self._make(stamped=stamped))

    def _make(self, *, verify: bool = False, stamped: bool = False) -> _Engine:
        """Make context and signer.  Thumbnails would cost 100 ms and 200 KB a picture."""
        import c2pa

        settings: dict[str, object] = {
            "version": 1,
            "verify": {
                "verify_after_sign": verify,  # 2 ms a picture; the pipeline calls `check` anyway
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            },
            "builder": {"thumbnail": {"enabled": False}},
        }
        own = self.credential
        url = self._timestamp_url if stamped else None
        if self._remote is not None:
            alg = c2pa.C2paSigningAlg[own.alg.upper()]
            signer = c2pa.Signer.from_callback(self._remote, alg, own.chain.decode(), url)
        else:
            encoded = url.encode() if url else None
            info = c2pa.C2paSignerInfo(own.alg, own.chain, own.key, encoded)
            signer = c2pa.Signer.from_info(info)
        return _Engine(c2pa.Context.from_dict(settings), signer)

    def _why(self, exc: Exception) -> str:
        """Say what failed: what the key itself said, where it said anything."""
        said = self._remote.take_error() if self._remote is not None else None
        return f"{said}" if said is not None else f"{exc}"

    def _probe(self) -> None:
        """Sign one pixel and verify it, so that a useless certificate is said at the start."""
        import c2pa

        action: dict[str, object] = {
            "action": "c2pa.created",
            "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation",
        }
        probe = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}
        try:
            engine = self._make(verify=True)
            with c2pa.Builder(probe, engine.context) as builder:
                builder.sign(engine.signer, "image/png", io.BytesIO(_PROBE), io.BytesIO())
        except c2pa.C2paError as exc:
            raise SealError(
                f"asked to sign as {self.credential.subject}, c2pa refuses: {self._why(exc)}; "
                "check the certificate's extensions and dates, and that the key is its key"
            ) from exc
