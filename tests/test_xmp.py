import json
from xml.etree import ElementTree

import pytest

from sdk.errors import OutputError
from sdk.xmp import GENERATED, AigcLabel, xmp_packet

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
TC260 = "{http://www.tc260.org.cn/ns/AIGC/1.0/}"


def read(packet: bytes) -> dict[str, str]:
    description = ElementTree.fromstring(packet)[0][0]
    return {child.tag: child.text or "" for child in description}


def test_the_packet_names_source_type_system_and_version() -> None:
    found = read(
        xmp_packet(digital_source_type=GENERATED, ai_system="a<b>&c", ai_system_version="1.0")
    )
    assert found == {
        IPTC + "DigitalSourceType": GENERATED,
        IPTC + "AISystemUsed": "a<b>&c",
        IPTC + "AISystemVersionUsed": "1.0",
    }


def test_the_packet_is_well_formed_with_every_property_and_any_script() -> None:
    label = AigcLabel(content_producer="001191110000", produce_id="abc-1", reserved_code1="<&>")
    packet = xmp_packet(
        digital_source_type=GENERATED,
        ai_system="模型 تفاحة ]]>",
        creator_tool="sdk 0.1",
        created_at="2026-11-23T00:00:00Z",
        aigc=label,
    )
    found = read(packet)
    assert found[IPTC + "AISystemUsed"] == "模型 تفاحة ]]>"
    assert json.loads(found[TC260 + "AIGC"]) == label.fields
    assert found["{http://ns.adobe.com/xap/1.0/}CreatorTool"] == "sdk 0.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"content_producer": ""},
        {"content_producer": "Lab AI"},
        {"produce_id": "中文"},
        {"label": "4"},
        {"reserved_code1": "a\nb"},
    ],
)
def test_an_aigc_label_outside_the_standard_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(OutputError, match="AIGC"):
        AigcLabel(**{"content_producer": "x", "produce_id": "y"} | wrong)


def test_a_bare_source_type_code_is_refused() -> None:
    with pytest.raises(OutputError, match="full URI"):
        xmp_packet(digital_source_type="trainedAlgorithmicMedia", ai_system="m")


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "\ud800", "\ufffe"])
def test_a_character_that_xml_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(OutputError, match="XML"):
        xmp_packet(digital_source_type=GENERATED, ai_system=text)
