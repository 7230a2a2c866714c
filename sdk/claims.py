"""What unsigned metadata says about where a picture comes from.

    unsigned_claims(data, "image/png")      # [Claimed(kind="iptc", says="generated", …)]

Anybody can write, change or copy these fields, so they are reported and never believed:
IPTC DigitalSourceType and AISystemUsed in XMP, China's AIGC label (XMP and its Annex B places),
and the text chunks of A1111, ComfyUI and InvokeAI.  Prompts in them are not shown.

Read by searching the bytes, not by an XML parser: packets are found in every format alike, and
entity bombs have no effect.  At most `MAX_SCAN` bytes are looked at.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from sdk.report import harmless
from sdk.types import JSON

MAX_SCAN = 8 * 1024 * 1024
"""Bytes at the start of the file that are searched; metadata stands there."""
_MAX_CHUNKS = 4096
_MAX_TEXT = 1024 * 1024

_GENERATED = {
    "trainedAlgorithmicMedia": "generated",
    "compositeWithTrainedAlgorithmicMedia": "edited-with-AI",
    "compositeSynthetic": "edited-with-AI",
    "algorithmicallyEnhanced": "enhanced",
    "algorithmicMedia": "generated without AI",
}
_XMP_OPENS, _XMP_CLOSES = b"<x:xmpmeta", b"</x:xmpmeta>"
_MAX_PACKETS = 4
_MAX_PACKET = 256 * 1024
AIGC_FIELDS = (
    *("Label", "ContentProducer", "ProduceID", "ReservedCode1"),
    *("ContentPropagator", "PropagateID", "ReservedCode2"),
)
"""GB 45438-2025, Annex E."""
_AIGC = re.compile(r'\{[^{}]{0,64}"Label"[^{}]{0,2048}\}')
_GENERATORS = {
    b"parameters": ("png-text", "A1111 or a program like it"),
    b"prompt": ("png-text", "ComfyUI"),
    b"workflow": ("png-text", "ComfyUI"),
    b"invokeai_metadata": ("png-text", "InvokeAI"),
    b"sd-metadata": ("png-text", "InvokeAI"),
    b"Dream": ("png-text", "InvokeAI"),
}
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One unsigned statement about the origin; its texts are harmless."""

    kind: str
    """`iptc`, `aigc` or `png-text`."""
    says: str
    """`generated`, `edited-with-AI`, `enhanced`, or what else the field says."""
    detail: str
    """The field's value, or the program that writes it."""

    def to_json(self) -> Mapping[str, JSON]:
        """Return it as it stands in the report."""
        return {"kind": self.kind, "says": self.says, "detail": self.detail, "signed": False}

    @property
    def is_ai(self) -> bool:
        """Whether it says that AI drew the picture or a part of it."""
        return self.says in ("generated", "edited-with-AI")


def unsigned_claims(data: bytes, media_type: str) -> tuple[Claimed, ...]:
    """Return what the unsigned metadata of a file claims, without repetitions."""
    head = data[:MAX_SCAN]
    found = [*_from_xmp(head), *_from_text_label(head)]
    if media_type == "image/png":
        found += _from_png(data)
    return tuple(dict.fromkeys(found))


def _from_xmp(head: bytes) -> Iterator[Claimed]:
    for packet in islice(_packets(head), _MAX_PACKETS):
        text = packet.decode("utf-8", "replace")
        kind = _property(text, "DigitalSourceType")
        if kind:
            code = kind.rsplit("/", 1)[-1]
            says = _GENERATED.get(code, harmless(code))
            yield Claimed(kind="iptc", says=says, detail=harmless(kind))
        system = _property(text, "AISystemUsed")
        if system:
            yield Claimed(kind="iptc", says="generated", detail=f"AISystemUsed {harmless(system)}")
        label = _property(text, "AIGC")
        if label:
            yield from _aigc(html.unescape(label))


def _packets(head: bytes) -> Iterator[bytes]:
    """Find packets by their ends, so that a thousand beginnings are not a thousand searches."""
    after = 0
    while (end := head.find(_XMP_CLOSES, after)) >= 0:
        start = head.rfind(_XMP_OPENS, max(after, end - _MAX_PACKET), end)
        after = end + len(_XMP_CLOSES)
        if start >= 0:
            yield head[start:after]


def _property(packet: str, name: str) -> str:
    """Return an XMP property, written as element, attribute or rdf:resource."""
    element = re.search(rf"<[\w-]{{1,32}}:{name}(?:\s[^<>]*)?>([^<]{{1,4096}})</", packet)
    if element:
        return html.unescape(element[1]).strip()
    given = (
        rf"""(?<![\w-])[\w-]{{1,32}}:{name}\s*(?:=|\srdf:resource=)\s*["']([^"'<]{{1,4096}})["']"""
    )
    attribute = re.search(given, packet)
    return html.unescape(attribute[1]).strip() if attribute else ""


def _from_text_label(head: bytes) -> Iterator[Claimed]:
    for text in _label_texts(head):
        yield from _aigc(text)


def _label_texts(head: bytes) -> Iterator[str]:
    """Find the label where Annex B puts it: a text chunk, or the EXIF user comment."""
    for at in [m.start() for m in re.finditer(rb"AIGC", head)][:8]:
        found = _AIGC.search(head[at : at + 4096].decode("latin-1"))
        if found:
            yield found[0]


def aigc_labels(data: bytes) -> Iterator[Mapping[str, str]]:
    """Yield the AIGC labels of a file as they stand there, the same one perhaps twice.

    Their texts are hostile; keys that GB 45438-2025 does not have are left out.
    """
    head = data[:MAX_SCAN]
    packets = (packet.decode("utf-8", "replace") for packet in islice(_packets(head), _MAX_PACKETS))
    for text in (*(html.unescape(_property(p, "AIGC")) for p in packets), *_label_texts(head)):
        label = _label(text)
        found = {k: v for k in AIGC_FIELDS if isinstance(v := label.get(k), str) and len(v) <= 256}
        if "Label" in found:
            yield found


def _label(text: str) -> Mapping[str, JSON]:
    """Return the JSON object that a label is; empty for anything else."""
    try:
        label = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return label if isinstance(label, dict) and "Label" in label else {}


def _aigc(text: str) -> Iterator[Claimed]:
    label = _label(text)
    if not label:
        return
    says = {"1": "generated", "2": "may be generated", "3": "suspected to be generated"}
    producer = harmless(label.get("ContentProducer", ""))
    known = says.get(str(label["Label"]), harmless(label["Label"]))
    yield Claimed(kind="aigc", says=known, detail=f"ContentProducer {producer}")


def _from_png(data: bytes) -> Iterator[Claimed]:
    for key, size in _png_texts(data):
        if key in _GENERATORS:
            kind, program = _GENERATORS[key]
            shown = f"text chunk {key.decode()!r} of {size:,} bytes, written by {program}"
            yield Claimed(kind=kind, says="generated", detail=shown)


def _png_texts(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield keyword and size of every text chunk; walks chunk by chunk, bounded."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        length = int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8]
        if len(name) < 4 or name == b"IEND":
            return
        if name in _TEXT_CHUNKS:
            body = data[at + 8 : at + 8 + min(length, _MAX_TEXT)]
            yield body[:80].split(b"\x00", 1)[0], len(body)
        at += 12 + length
