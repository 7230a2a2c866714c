"""Audio, video, PDF and drawings are judged like pictures; what cannot be read says so."""

from __future__ import annotations

import io
import json
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from sdk.batch.asked import Asked
from sdk.batch.examiner import Examiner
from sdk.formats import media_type_of
from sdk.keys import SigningCredential
from sdk.render import render_text
from sdk.verify import verify

CONTENT = b"what is heard and seen " * 8
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def wav() -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(CONTENT)
    return made.getvalue()


def mp3() -> bytes:
    """Eight frames of MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes each."""
    return (b"\xff\xfb\x90\x64" + CONTENT.ljust(413, b"\0")) * 8


def pdf() -> bytes:
    stream = b"<</Length %d>>stream\n%s\nendstream" % (len(CONTENT), CONTENT)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>",
        stream,
    ]
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 5\n0000000000 65535 f \n" + table
    tail = b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + head + tail


def mp4(brand: bytes) -> bytes:
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    rates = struct.pack(">IIIH", 1000, 0, 0x10000, 0x100)
    head = bytes(12) + rates + bytes(10) + matrix + bytes(24) + struct.pack(">I", 1)
    kind = box(b"ftyp", brand + bytes(4) + brand + b"mp42")
    return kind + box(b"moov", box(b"mvhd", head)) + box(b"mdat", CONTENT)


def avi() -> bytes:
    lists = [b"hdrl", b"movi" + b"00dc" + struct.pack("<I", len(CONTENT)) + CONTENT]
    body = b"AVI " + b"".join(b"LIST" + struct.pack("<I", len(x)) + x for x in lists)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif() -> bytes:
    made = io.BytesIO()
    Image.frombytes("L", (16, 8), CONTENT[:128]).save(made, "GIF")
    return made.getvalue()


def svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg"><text>' + CONTENT + b"</text></svg>"


MADE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "wav": ("audio/wav", wav),
    "mp3": ("audio/mpeg", mp3),
    "m4a": ("audio/mp4", lambda: mp4(b"M4A ")),
    "mp4": ("video/mp4", lambda: mp4(b"isom")),
    "mov": ("video/quicktime", lambda: mp4(b"qt  ")),
    "avi": ("video/avi", avi),
    "pdf": ("application/pdf", pdf),
    "gif": ("image/gif", gif),
    "svg": ("image/svg+xml", svg),
}


@pytest.fixture(scope="module")
def credential(tmp_path_factory: pytest.TempPathFactory) -> SigningCredential:
    return SigningCredential.development(tmp_path_factory.mktemp("home"))


def jpg() -> bytes:
    made = io.BytesIO()
    Image.frombytes("L", (16, 8), CONTENT[:128]).save(made, "JPEG")
    return made.getvalue()


def signed(name: str, credential: SigningCredential, elsewhere: str = "") -> bytes:
    """Sign one of `MADE`; with `elsewhere` only the address of the manifest is put into it."""
    media_type, make = MADE.get(name, ("image/jpeg", jpg))
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE}
    actions = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [action]}}
    manifest = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "assertions": [actions],
    }
    plain = {"version": 1, "builder": {"thumbnail": {"enabled": False}}}
    info = c2pa.C2paSignerInfo(b"es256", credential.chain, credential.key, None)
    out = io.BytesIO()
    builder = c2pa.Builder(json.dumps(manifest), context=c2pa.Context.from_dict(plain))
    if elsewhere:
        builder.set_no_embed()
        builder.set_remote_url(elsewhere)
    builder.sign(c2pa.Signer.from_info(info), media_type, io.BytesIO(make()), out)
    return out.getvalue()


@pytest.mark.parametrize("name", MADE)
def test_every_kind_of_media_is_judged_intact_and_changed(
    tmp_path: Path, credential: SigningCredential, name: str
) -> None:
    data = signed(name, credential)
    path = tmp_path / "file"  # its name says nothing
    path.write_bytes(data)
    report = verify(path)
    assert report.media_type in (MADE[name][0], "audio/mpeg")
    assert (report.exit_code, report.axes["integrity"].state) == (5, "intact")
    assert report.axes["ai"].state == "generated"
    at = data.rindex(MADE[name][1]()[-40:-20] if name == "gif" else b"heard")
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    path.write_bytes(changed)
    report = verify(path)
    assert (report.exit_code, report.axes["integrity"].state) == (4, "content-changed")


@pytest.mark.parametrize("name", MADE)
def test_no_truncation_of_media_is_intact_or_an_error_of_another(
    tmp_path: Path, credential: SigningCredential, name: str
) -> None:
    data = signed(name, credential)
    path = tmp_path / "file"
    for keep in range(1, len(data) - 1, max(1, len(data) // 25)):
        path.write_bytes(data[:keep])
        assert verify(path).exit_code in (3, 4), keep


def test_a_manifest_that_lies_elsewhere_is_named_and_not_fetched(
    tmp_path: Path, credential: SigningCredential
) -> None:
    url = "https://manifests.example.org/a.c2pa"
    (tmp_path / "x.jpg").write_bytes(signed("jpg", credential, url))
    report = verify(tmp_path / "x.jpg")
    assert report.axes["provenance"].state == "remote"
    assert report.axes["provenance"].more["url"] == url
    assert report.axes["integrity"].state == "unchecked"
    assert report.headline.startswith("Names a manifest that lies elsewhere")
    assert report.exit_code == 3
    pytest.importorskip("encypher_c2pa", reason="the extra `engines` is not installed")
    both = verify(tmp_path / "x.jpg", second=True)
    assert both.axes["integrity"].more["second_opinion"]["agrees"]


@pytest.mark.parametrize(
    "data", [b"<?xml version='1.0'?><MPD/>", b"RIFF\x04\0\0\0WAVEjunk", b"II*\0" + bytes(9)]
)
def test_a_damaged_file_without_a_word_of_c2pa_has_no_credentials(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "x").write_bytes(data)
    report = verify(tmp_path / "x")
    assert report.axes["provenance"].state == "absent"
    assert report.exit_code == 3
    (tmp_path / "x").write_bytes(data + b"c2pa")
    if "damaged" in report.axes["provenance"].reason:
        assert verify(tmp_path / "x").axes["integrity"].state == "unreadable"


def test_media_have_no_thumbnail_and_no_pixels_and_that_is_no_error(
    tmp_path: Path, credential: SigningCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "x").write_bytes(signed("mp4", credential))
    with Examiner.open(Asked(thumbnails=True)) as examiner:
        outcome = examiner.examine(str(tmp_path / "x"))
    assert outcome.thumbnail == b""
    assert outcome.report.axes["watermark"].state == "unchecked"
    assert "could not be read" in outcome.report.axes["watermark"].reason


@pytest.mark.parametrize(("data", "kind"), [(b"BM" + bytes(60), "image/bmp"), (b"?", "unknown")])
def test_a_kind_of_file_that_is_not_read_is_said_to_be_none(
    tmp_path: Path, data: bytes, kind: str
) -> None:
    (tmp_path / "x").write_bytes(data)
    report = verify(tmp_path / "x")
    assert (report.exit_code, report.axes["provenance"].state) == (3, "absent")
    said = f"manifests in files of this kind ({kind}) are not read"
    assert said in render_text(report)


@pytest.mark.parametrize("head", [b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"ID3"])
def test_every_beginning_of_an_mp3_is_known(head: bytes) -> None:
    assert media_type_of(head + bytes(60)) == "audio/mpeg"
