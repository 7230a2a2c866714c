"""Adds a time-stamp to a file that was signed without one.

An update manifest (C2PA 2.2, 11.2.3) says nothing about the picture; its `c2pa.time-stamp`
assertion holds an RFC 3161 token for the signature of the manifest below.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sdk import SealError, media_type_of, read_manifests

from .manifest import SPEC_VERSION

if TYPE_CHECKING:
    from c2pa import Signer

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
        SealError: there is no manifest to date, or it does not verify.
    """
    import c2pa

    media_type = media_type_of(data[:64])
    store = read_manifests(data, media_type)
    if store is None or store.broken:
        found = f"one that does not verify ({store.broken[0].code})" if store else "none"
        raise SealError(f"asked to date a manifest, found {found}; give a signed, unchanged file")
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


def c2pa_errors() -> tuple[type[Exception], ...]:
    """Return what the library raises, without importing it early."""
    import c2pa

    return (c2pa.C2paError, ValueError, OSError)
