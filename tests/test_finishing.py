"""How pictures leave: what a policy's [output] says is what the file is."""

import pytest
from small_parts import policy_of

from sdk.claims import unsigned_claims
from sdk.errors import SDKError
from sdk.request import Request

REQUEST = Request(prompt="a red apple", seed=7)


def made(house, **output: object) -> bytes:
    with house.studio(watermark={"plugin": "lowbits"}, output=output) as studio:
        return studio.generate(REQUEST).image.data


def test_the_label_of_china_is_written_when_the_policy_names_a_producer(house) -> None:
    labels = [c for c in unsigned_claims(made(house), "image/png") if c.kind == "aigc"]
    assert labels == []
    data = made(house, aigc_producer="001191110000")
    (label,) = [c for c in unsigned_claims(data, "image/png") if c.kind == "aigc"]
    assert label.says == "generated"
    assert "001191110000" in label.detail
    assert b"a red apple" not in data


def test_webp_leaves_lossless_when_the_policy_says_so(house) -> None:
    signer = {"plugin": "c2pa", "settings": {"home": str(house.home)}}
    output = {"media_type": "image/webp", "lossless": True}
    with house.studio(signer=signer, output=output) as studio:
        released = studio.generate(REQUEST).image
    assert released.data[12:16] in (b"VP8L", b"VP8X")
    assert b"VP8L" in released.data


@pytest.mark.parametrize(
    "output",
    [
        {"quality": 0},
        {"quality": 101},
        {"quality": "high"},
        {"chroma": "4:1:1"},
        {"aigc_producer": "Lab AI"},
        {"aigc_producer": "实验室"},
    ],
)
def test_a_wrong_output_setting_is_refused_by_the_policy(output: dict[str, object]) -> None:
    with pytest.raises((SDKError, ValueError), match=next(iter(output))):
        policy_of(output=output)
