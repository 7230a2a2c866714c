"""Adds a time-stamp to a file that was signed without one.

An update manifest (C2PA 2.2, 11.2.3) says nothing about the picture; its `c2pa.time-stamp`
assertion holds an RFC 3161 token for the signature of the manifest below.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sdk import ManifestStore, VerifyError, media_type_of, read_manifests

from .manifest import SPEC_VERSION

if TYPE_CHECKING:
    from c2pa import Signer

_EXPIRED = "signingCredential.expired"
_SETTINGS = {
    "version": 1,
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {
        "thumbnail": {"enabled": False},
        "auto_timestamp_assertion": {"enabled": True, "fetch_scope": "parent"},
    },
}


def add_timestamp(data: bytes, signer: Signer) -> bytes:
    """Return the file with an update manifest; `signer` must know a time-stamp authority.

    Raises:
        VerifyError: there is no manifest to date, it does not verify, or its certificate expired.
    """
    import c2pa

    media_type = media_type_of(data[:64])
    store = read_manifests(data, media_type)
    if store is None or store.broken:
        found = f"one that does not verify ({store.broken[0].code})" if store else "none"
        raise VerifyError(f"asked to date a manifest, found {found}; give a signed, unchanged file")
    if not is_dated(store) and any(s.code == _EXPIRED and not s.recorded for s in store.failures):
        raise VerifyError(
            "asked to date a manifest, found that its certificate has expired; a time-stamp of "
            "today would prove nothing"
        )
    said = {
        "claim_generator_info": [
            {"name": "Responsible Generation SDK", "specVersion": SPEC_VERSION},
        ]
    }
    out = io.BytesIO()
    with c2pa.Builder(said, c2pa.Context.from_dict(_SETTINGS)) as builder:
        builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
        builder.sign(signer, media_type, io.BytesIO(data), out)
    return out.getvalue()


def is_dated(store: ManifestStore) -> bool:
    """Whether the active manifest has a time-stamp, by whomever."""
    found = (s for s in store.statuses if s.manifest == store.active and not s.recorded)
    return any(status.code.startswith("timeStamp.") for status in found)


def c2pa_errors() -> tuple[type[Exception], ...]:
    """Return what the library raises, without importing it early."""
    import c2pa

    return (c2pa.C2paError, ValueError, OSError)
