"""The XMP packet: says in plain, unsigned metadata what the manifest says under signature.

    xmp_packet(digital_source_type=GENERATED, ai_system="sdxl-turbo", ai_system_version="1.0")

Properties: IPTC Photo Metadata Standard 2025.1 (DigitalSourceType as full URI, AISystemUsed,
AISystemVersionUsed), the XMP basics CreateDate and CreatorTool, and on request the label of
GB 45438-2025 in the place that TC260-PG-20259A gives it.  AIPromptInformation and
AIPromptWriterName are personal data and are never written.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sdk.errors import OutputError

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC NewsCodes vocabulary; a bare code without it is a well-known bug of writers."""
GENERATED = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""Drawn from nothing but a text."""
EDITED = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
"""An existing picture with generated parts."""
ENHANCED = SOURCE_TYPES + "algorithmicallyEnhanced"
"""An existing picture, changed without generation."""

_NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
}
_PLUS_CODES = "http://ns.useplus.org/ldf/vocab/"
"""IPTC Photo Metadata 2023.1, Data Mining: a URI of the PLUS vocabulary."""
_URI = re.compile(r"https?://[!-~]+")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AIGC_VALUE = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AigcLabel:
    """China's implicit label (GB 45438-2025, 6.1), one for each file.

    Values are ASCII without spaces; companies use the code `001` + `1` + USCC + five digits.

    Raises:
        OutputError: a required value is empty, or a value has other characters.
    """

    label: str = "1"
    """`1` is generated, `2` may be, `3` is suspected to be."""
    content_producer: str
    """Name or code of who generated it."""
    produce_id: str
    """The producer's id of this content."""
    reserved_code1: str = ""
    """Free for the producer's digest or signature."""
    content_propagator: str = ""
    propagate_id: str = ""
    reserved_code2: str = ""

    def __post_init__(self) -> None:
        if self.label not in ("1", "2", "3"):
            raise OutputError(f"asked for an AIGC label {self.label!r}; give 1, 2 or 3")
        for name, value in self.fields.items():
            if not isinstance(value, str) or not _AIGC_VALUE.fullmatch(value):
                raise OutputError(
                    f"asked for AIGC {name} {value!r}; give ASCII letters, digits and signs "
                    "without spaces, such as the code 001 + 1 + USCC"
                )
        if not self.content_producer or not self.produce_id:
            raise OutputError("asked for an AIGC label without producer or id; give both")

    @property
    def fields(self) -> dict[str, str]:
        """The label as the standard names it."""
        return {
            "Label": self.label,
            "ContentProducer": self.content_producer,
            "ProduceID": self.produce_id,
            "ReservedCode1": self.reserved_code1,
            "ContentPropagator": self.content_propagator,
            "PropagateID": self.propagate_id,
            "ReservedCode2": self.reserved_code2,
        }


def xmp_packet(
    *,
    digital_source_type: str,
    ai_system: str,
    ai_system_version: str = "",
    creator_tool: str = "",
    created_at: str = "",
    aigc: AigcLabel | str | None = None,
    data_mining: str = "",
) -> bytes:
    """Return an XMP packet, UTF-8, marked read-only.

    `ai_system` is the model, `creator_tool` this product, `created_at` RFC 3339, `aigc` a label,
    or the JSON of one that came with an input; `data_mining` is a code of the PLUS vocabulary.

    Raises:
        OutputError: the source type is no URI, or a text holds what XML cannot.
    """
    if not _URI.fullmatch(digital_source_type):
        raise OutputError(
            f"asked for digitalSourceType {digital_source_type!r}; give the full URI, such as "
            f"{GENERATED}"
        )
    properties = {
        "Iptc4xmpExt:DigitalSourceType": digital_source_type,
        "Iptc4xmpExt:AISystemUsed": ai_system,
        "Iptc4xmpExt:AISystemVersionUsed": ai_system_version,
        "xmp:CreatorTool": creator_tool,
        "xmp:CreateDate": created_at,
        "plus:DataMining": f"{_PLUS_CODES}{data_mining}" if data_mining else "",
        "TC260:AIGC": _label(aigc) if isinstance(aigc, AigcLabel) else aigc or "",
    }
    lines = [_element(name, text) for name, text in properties.items() if text]
    used = {name.partition(":")[0] for name, text in properties.items() if text}
    spaces = "".join(f' xmlns:{p}="{uri}"' for p, uri in _NAMESPACES.items() if p in used)
    packet = [
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
        f'  <rdf:Description rdf:about=""{spaces}>',
        *lines,
        "  </rdf:Description>",
        " </rdf:RDF>",
        "</x:xmpmeta>",
        '<?xpacket end="r"?>',
    ]
    return "\n".join(packet).encode()


def _label(aigc: AigcLabel) -> str:
    return json.dumps(aigc.fields, separators=(",", ":"))


def _element(name: str, text: str) -> str:
    bad = _NOT_XML.search(text)
    if bad:
        raise OutputError(
            f"asked for {name} with the character U+{ord(bad[0]):04X}, which XML cannot hold; "
            "remove it"
        )
    return f"   <{name}>{escape(text)}</{name}>"
