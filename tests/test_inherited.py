"""What a picture takes over from its inputs: labels and reservations stay, words do not."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace

import pytest
from sample_claim import CLAIM
from small_parts import House, Noise

from sdk.claims import aigc_labels, unsigned_claims
from sdk.contract import sample
from sdk.encode import SUFFIXES, encode
from sdk.inherited import inherited
from sdk.inputs import InputImage
from sdk.manifests import read_manifests
from sdk.optout import reservation
from sdk.registry import Registry
from sdk.request import Request
from sdk.xmp import EDITED, GENERATED, AigcLabel, xmp_packet

LABEL = AigcLabel(content_producer="001191110108MA01KP2T5U00000", produce_id="abc-1")
AI_TRAINING = "DMI-PROHIBITED-AIMLTRAINING"


def picture(media_type: str = "image/png", **said: object) -> bytes:
    packet = xmp_packet(digital_source_type=GENERATED, ai_system="another", **said)  # type: ignore[arg-type]
    return encode(sample(64, 64), media_type, xmp=packet)


def plain() -> bytes:
    return encode(sample(64, 64), "image/png")


def with_chunk(data: bytes, text: bytes) -> bytes:
    chunk = b"tEXt" + text
    whole = struct.pack(">I", len(text)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + whole + data[33:]


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_label_and_reservation_are_found_in_every_format(media_type: str) -> None:
    found = inherited([picture(media_type, aigc=LABEL, data_mining=AI_TRAINING)])
    assert json.loads(found.label) == LABEL.fields
    assert found.data_mining == AI_TRAINING


def test_a_label_in_a_text_chunk_is_found_and_a_picture_without_any_has_none() -> None:
    body = b"AIGC\x00" + json.dumps(LABEL.fields).encode()
    assert json.loads(inherited([plain(), with_chunk(plain(), body)]).label) == LABEL.fields
    assert inherited([plain()]) == inherited([])
    assert (inherited([]).label, inherited([]).data_mining) == ("", "")


def test_what_forbids_most_counts() -> None:
    one = picture(data_mining=AI_TRAINING)
    other = picture(data_mining="DMI-PROHIBITED-GENAIMLTRAINING")
    elsewhere = picture(data_mining="DMI-PROHIBITED-SEECONSTRAINT")
    assert inherited([one, one]).data_mining == AI_TRAINING
    assert inherited([one, other]).data_mining == "DMI-PROHIBITED"
    assert inherited([elsewhere]).data_mining == "DMI-PROHIBITED"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"Label"',
        b'{"Label":1}',
        b'{"Label":{}}',
        b'{"Label":"' + b"1" * 300 + b'"}',
        b'{"Label":"drawn by hand"}',
    ],
)
def test_what_is_no_label_is_not_taken_over(body: bytes) -> None:
    assert inherited([with_chunk(plain(), b"AIGC\x00" + body)]).label == ""


def test_a_hostile_label_cannot_break_out_of_the_packet(house: House) -> None:
    bad = {"Label": "1", "ContentProducer": "</TC260:AIGC>\u202e\x1b[31m", "Prompt": "secret"}
    body = b"AIGC\x00" + json.dumps(bad, ensure_ascii=True).encode()
    data = released(house, with_chunk(plain(), body))
    assert b"secret" not in data
    assert b"\x1b" not in xmp_of(data)
    label = next(iter(aigc_labels(data)))
    assert label == {key: bad[key] for key in ("Label", "ContentProducer")}


def xmp_of(data: bytes) -> bytes:
    return data[data.index(b"<x:xmpmeta") : data.index(b"</x:xmpmeta>")]


def released(house: House, given: bytes, **changes: object) -> bytes:
    keys = {"home": str(house.home / "keys"), "training_mining": "allowed"}
    house.add("signer", Registry().make("signer", "c2pa", keys), "c2pa")
    backend = Noise()
    backend.capabilities = replace(backend.capabilities, tasks=frozenset({"image-to-image"}))
    house.add("backend", backend, "edits")
    studio = house.studio(backend={"plugin": "edits"}, signer={"plugin": "c2pa"}, **changes)
    request = Request(prompt="a cat", init_image=InputImage.decode(given))
    return studio.generate(request).image.data


def mining(data: bytes) -> set[str]:
    store = read_manifests(data, "image/png")
    assert store is not None
    (entries,) = store.assertions("cawg.training-mining")
    return {entry["use"] for entry in entries["entries"].values()}


def test_the_label_of_an_input_stays_and_the_source_type_says_composite(house: House) -> None:
    data = released(house, picture(aigc=LABEL))
    assert next(iter(aigc_labels(data))) == LABEL.fields
    says = {(c.kind, c.says) for c in unsigned_claims(data, "image/png")}
    assert ("iptc", "edited-with-AI") in says
    assert ("aigc", "generated") in says
    assert mining(data) == {"allowed"}


def test_the_producers_own_label_names_that_of_the_input_by_its_digest(house: House) -> None:
    data = released(house, picture(aigc=LABEL), output={"aigc_producer": "LAB"})
    (label, *_) = aigc_labels(data)
    assert (label["ContentProducer"], len(label["ReservedCode1"])) == ("LAB", 64)
    data = released(house, plain(), output={"aigc_producer": "LAB"})
    assert next(iter(aigc_labels(data)))["ReservedCode1"] == ""


@pytest.mark.parametrize("by", ["xmp", "manifest"])
def test_an_opt_out_of_an_input_is_carried_over_whatever_the_settings_allow(
    house: House, by: str
) -> None:
    given = picture(data_mining=AI_TRAINING)
    if by == "manifest":
        signer = Registry().make("signer", "c2pa", {"home": str(house.home / "other")})
        given = signer.seal(plain(), CLAIM)
    data = released(house, given)
    assert mining(data) == {"notAllowed"}
    assert b"ldf/vocab/DMI-PROHIBITED" in xmp_of(data)
    assert reservation(data)
    assert mining(released(house, plain())) == {"allowed"}


def test_a_claim_of_an_input_that_forbids_is_signed_as_forbidden(tmp_path) -> None:
    signer = Registry().make(
        "signer", "c2pa", {"home": str(tmp_path), "training_mining": "allowed"}
    )
    claim = replace(
        CLAIM,
        edited=True,
        digital_source_type=EDITED,
        parent=plain(),
        parent_media_type="image/png",
        data_mining="DMI-PROHIBITED",
    )
    assert mining(signer.seal(plain(), claim)) == {"notAllowed"}
