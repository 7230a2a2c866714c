"""What a picture's file says about training on it.

    reservation(data)       # "cawg.training-mining: ai_training notAllowed"; "" where nothing is

Read: C2PA `c2pa.training-mining` (C2PA 1.4, 18.21) and `cawg.training-mining` (CAWG 1.1) in any
manifest of the chain; IPTC Data Mining (Photo Metadata 2023.1, PLUS LDF `DMI-…`) and TDMRep's
`tdm:reservation` in XMP.  What is not clear counts as no: constrained uses, and manifests that
cannot be read.  A file without a signal says nothing; that is not permission, its licence is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from contextlib import suppress

from sdk.formats import HEAD_BYTES, media_type_of
from sdk.ifds import bloated
from sdk.manifests import State, as_object, read_manifests

_USES = ("ai_generative_training", "ai_training", "data_mining")
"""Entries that concern training; `ai_inference` does not."""
_ASSERTIONS = ("c2pa.training-mining", "cawg.training-mining")
_DMI = re.compile(rb"ldf/vocab/(DMI-PROHIBITED[A-Z-]*)")
_TDM_XMP = re.compile(rb"""\btdm(?:rep)?:reservation\s*(?:=\s*["']|>)\s*1\b""", re.IGNORECASE)


def reservation(data: bytes) -> str:
    """Say which signal in a file forbids training on it; empty where none does."""
    return _in_manifests(data) or _in_xmp(data)


def _in_manifests(data: bytes) -> str:
    media_type = media_type_of(data[:HEAD_BYTES])
    store = read_manifests(data, media_type) if media_type else None
    if store is None:
        return ""
    if store.state is State.UNREADABLE:
        return "c2pa manifest that cannot be read"
    for label in store.manifests:
        for assertion in _ASSERTIONS:
            for found in store.assertions(assertion, label):
                if why := _forbidden(as_object(found.get("entries"))):
                    return f"{assertion}: {why}"
    return ""


def _forbidden(entries: Mapping[str, object]) -> str:
    for name, entry in entries.items():
        kind = name.rsplit(".", 1)[-1]
        use = entry.get("use") if isinstance(entry, dict) else entry
        if kind in _USES and use != "allowed":
            return f"{kind} {use}"
    return ""


def _in_xmp(data: bytes) -> str:
    """Look at the file as it is, then at the packet that Pillow unpacks (compressed in PNG)."""
    from PIL import Image

    packets = [data]
    with suppress(Exception):  # whoever decodes the picture says what is wrong with it
        with Image.open(io.BytesIO(b"" if bloated(data) else data)) as image:
            packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        packets.append(packet.encode() if isinstance(packet, str) else bytes(packet))
    for raw in packets:
        plain = raw.replace(b"\0", b"")  # UTF-16 packets
        if found := _DMI.search(plain):
            return f"iptc {found[1].decode('ascii')}"
        if _TDM_XMP.search(plain):
            return "tdm:reservation in xmp"
    return ""
