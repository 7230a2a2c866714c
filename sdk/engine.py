"""The library that reads manifests, c2pa-rs: which files it reads, and under which roots.

    read_crjson(data, "image/png", anchors=roots_pem)

Nothing is fetched: neither remote manifests nor the status of certificates.
"""

from __future__ import annotations

import io
import json
import os
from functools import cache, lru_cache
from typing import TYPE_CHECKING, BinaryIO

from sdk.types import JSON

if TYPE_CHECKING:
    from c2pa import Context

EKUS = (
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.36",
    "1.3.6.1.4.1.62558.2.1",
    "1.3.6.1.4.1.311.76.59.1.9",
)
"""Accepted extended key usages: emailProtection, documentSigning, C2PA claim signing, Microsoft
claim signing.  The library's own list leaves out what Bing and Microsoft sign with."""


@cache
def _kinds() -> frozenset[str]:
    import c2pa

    return frozenset(c2pa.Reader.get_supported_mime_types())


def reads(media_type: str) -> bool:
    """Whether manifests in files of this type are looked for."""
    return media_type in _kinds()


def read_crjson(
    source: bytes | BinaryIO, media_type: str, *, anchors: bytes = b"", identities: bytes = b""
) -> dict[str, JSON] | None:
    """Return the manifests of a file as crJSON, the form that C2PA's conformance tools read.

    None when there are none, or they cannot be read.  Strings in it are hostile.
    """
    import c2pa

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        under = context(anchors, identities)
        with c2pa.Reader(media_type, stream, context=under) as reader:
            found = json.loads(reader.crjson())
    except (c2pa.C2paError, OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def context(anchors: bytes, identities: bytes) -> Context:
    """Return a context under these roots, PEM, for this process: one from a fork is not valid."""
    return _context(os.getpid(), anchors, identities)


@lru_cache(maxsize=64)
def _context(pid: int, anchors: bytes, identities: bytes) -> Context:
    import c2pa

    del pid
    trust: dict[str, object] = {}
    if anchors:
        trust["user_anchors"] = anchors.decode("ascii", "replace")
    if identities:
        pem = identities.decode("ascii", "replace")
        trust["anchors"] = [{"trust_kind": "cawg", "trust_anchors": pem}]
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": {**trust, "trust_config": "\n".join(EKUS)},
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        }
    )
