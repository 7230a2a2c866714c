"""Signals against training: seen wherever they stand, and nothing seen where none is."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from sample_claim import CLAIM

from sdk import DataError, Registry, do_not_train, reserved

PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description {}/></rdf:RDF>'
    "</x:xmpmeta>"
)
PLUS = 'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" plus:DataMining="http://ns.useplus.org/ldf/vocab/{}"'


def picture(form="PNG", xmp=None):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    stream = io.BytesIO()
    more = {}
    if xmp is not None and form == "PNG":
        from PIL.PngImagePlugin import PngInfo

        more["pnginfo"] = PngInfo()
        more["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    elif xmp is not None and form == "TIFF":
        more["tiffinfo"] = {700: xmp.encode()}
    elif xmp is not None:
        more["xmp"] = xmp.encode()
    Image.fromarray(pixels).save(stream, form, **more)
    return stream.getvalue()


@pytest.mark.parametrize(("use", "seen"), [("notAllowed", True), ("allowed", False)])
def test_a_manifest_that_forbids_training_is_honoured(tmp_path, use, seen):
    settings = {"home": str(tmp_path), "training_mining": use}
    part = Registry().make("signer", "c2pa", settings)
    found = do_not_train(part.seal(picture(), CLAIM))
    assert found.startswith("cawg.training-mining: ") is seen
    assert bool(found) is seen


def test_a_manifest_that_cannot_be_read_is_no_permission(tmp_path):
    sealed = Registry().make("signer", "c2pa", {"home": str(tmp_path)}).seal(picture(), CLAIM)
    at = sealed.index(b"c2pa.claim")
    broken = sealed[: at + 40] + b"\xff" * 400 + sealed[at + 440 :]
    assert do_not_train(broken)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("DMI-PROHIBITED", "iptc DMI-PROHIBITED"),
        ("DMI-PROHIBITED-GENAIMLTRAINING", "iptc DMI-PROHIBITED-GENAIMLTRAINING"),
        ("DMI-ALLOWED", ""),
        ("DMI-UNSPECIFIED", ""),
    ],
)
def test_iptc_data_mining_is_read_in_every_format(form, code, seen):
    assert do_not_train(picture(form, PACKET.format(PLUS.format(code)))) == seen


@pytest.mark.parametrize(("value", "seen"), [("1", True), ("0", False)])
def test_tdm_reservation_is_read_in_xmp(value, seen):
    space = 'xmlns:tdm="http://www.w3.org/ns/tdmrep/"'
    packet = PACKET.format(f'{space} tdm:reservation="{value}"')
    assert bool(do_not_train(picture("JPEG", packet))) is seen


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"X-Robots-Tag": "noindex, noai"}, "x-robots-tag: noai"),
        ({"robots": "otherbot: noimageai"}, "robots: noimageai"),
        ({"x_robots_tag": "noindex"}, ""),
        ({"X-Robots-Tag": "nonoaim"}, ""),
        ({"TDM-Reservation": "1"}, "tdm-reservation: 1"),
        ({"tdm-reservation": "0"}, ""),
        ({"noai": "True"}, "noai"),
        ({"noai": "false"}, ""),
        ({"DataMining": "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"}, "iptc DMI-PROHIBITED"),
        ({"caption": "a robot that says noai"}, ""),
    ],
)
def test_headers_and_columns_are_read(fields, seen):
    assert do_not_train(b"", fields) == seen


def test_a_plain_file_says_nothing():
    assert do_not_train(picture()) == ""
    assert do_not_train(b"not a picture") == ""


def test_rules_of_a_folder_hold_for_the_longest_pattern(tmp_path):
    (tmp_path / ".well-known").mkdir()
    rules = [
        {"location": "/art/*", "tdm-reservation": 1, "tdm-policy": "https://x/y"},
        {"location": "/art/free/*", "tdm-reservation": 0},
    ]
    (tmp_path / ".well-known" / "tdmrep.json").write_text(json.dumps(rules))
    (tmp_path / "ai.txt").write_text("User-Agent: *\nDisallow: *.webp # no webp\nAllow: /\n")
    forbids = reserved(tmp_path)
    assert forbids("art/a.png") == ".well-known/tdmrep.json: /art/*"
    assert forbids("art/free/a.png") == ""
    assert forbids("b.png") == ""
    assert forbids("b.webp") == "ai.txt: *.webp"


@pytest.mark.parametrize("text", ["{", '[{"location": "/"}]', '[{"tdm-reservation": "x"}]'])
def test_rules_that_cannot_be_read_are_an_error(tmp_path, text):
    (tmp_path / "tdmrep.json").write_text(text)
    with pytest.raises(DataError, match="must not be guessed"):
        reserved(tmp_path)
