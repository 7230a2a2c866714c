"""A file that lost its manifest: found again, and never called more than it is."""

import io
import json
import random
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image
from strippers import CASES, STRIPPERS, png

import sdk
from sdk.certs import new_chain
from sdk.coded import Shell
from sdk.contract import sample
from sdk.credentials import Repository
from sdk.encode import SUFFIXES, decode, encode
from sdk.jumbf import manifest_store
from sdk.pixels import Picture, Pixels, admit_pixels
from sdk.recovery import restored
from sdk.registry import Registry
from sdk.render import render_text
from sdk.report import Report
from sdk.trust import Trust, TrustList
from sdk.types import Claim, Model
from sdk.verify import verify
from sdk.xmp import GENERATED, xmp_packet

SCHEMA = json.loads((Path(sdk.__file__).parent / "schemas" / "verify-1.json").read_text())
SIZE = 512
XMP = xmp_packet(digital_source_type=GENERATED, ai_system="x")


@dataclass(frozen=True)
class Lab:
    repository: Repository
    tile: object
    signer: object
    trust: Trust
    folder: Path

    def release(self, seed: int, media_type: str = "image/png") -> bytes:
        payload = seed.to_bytes(8, "big")
        pixels = self.tile.embed(sample(SIZE, SIZE, seed), payload)
        claim = Claim(
            title="x",
            media_type=media_type,
            created_at="2026-11-23T00:00:00Z",
            digital_source_type=GENERATED,
            edited=False,
            generator="Test SDK",
            generator_version="0.1.0",
            model=Model(name="starter"),
            soft_binding_alg=self.tile.algorithm,
            soft_binding_value=payload,
        )
        data = self.signer.seal(encode(pixels, media_type, xmp=XMP), claim)
        picture = Picture(decode(data))
        self.repository.keep(
            data, media_type, picture, algorithm=self.tile.algorithm, payload=payload
        )
        return data

    def judge(self, data: bytes, *, detect: bool = True) -> Report:
        path = self.folder / "judged"
        path.write_bytes(data)
        report = verify(
            path,
            trust=self.trust,
            detectors=[self.tile] if detect else [],
            credentials=self.repository,
        )
        jsonschema.validate(report.to_json(), SCHEMA)
        assert render_text(report)
        return report


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("lab")
    chain = new_chain(organization="Lab AI", common_name="Lab SDK")
    for name, pem in [("chain", chain.chain_pem), ("key", chain.key_pem)]:
        (folder / name).write_bytes(pem)
        (folder / name).chmod(0o600)
    settings = {"certificate": str(folder / "chain"), "key": str(folder / "key")}
    with Repository.open(folder / "credentials.db") as repository:
        yield Lab(
            repository=repository,
            tile=Registry().make("watermark", "tile", {"key": "ab" * 32}),
            signer=Registry().make("signer", "c2pa", settings),
            trust=Trust(signers=TrustList(name="lab.pem", pem=chain.root_pem, count=1)),
            folder=folder,
        )


def jpeg(pixels: Pixels, quality: int = 75) -> bytes:
    return encode(pixels, "image/jpeg", quality=quality)


@pytest.mark.parametrize(("media_type", "how"), CASES)
def test_a_stripped_file_is_restored_byte_for_byte(lab: Lab, media_type: str, how: str) -> None:
    data = lab.release(100 + CASES.index((media_type, how)), media_type)
    assert lab.judge(data).axes["integrity"].state == "intact"
    stripped = STRIPPERS[media_type][how](data)
    assert manifest_store(stripped, media_type) == b""
    report = lab.judge(stripped)
    assert report.axes["provenance"].state == "recovered:watermark"
    assert report.axes["content_match"].state == "bytes"
    assert report.axes["integrity"].state == "restorable"
    assert report.axes["signer"].state == "trusted"
    assert report.axes["watermark"].state == "matches"
    assert report.exit_code == 0
    assert "Stripped" in report.headline
    (known,) = lab.repository.by_pixels(Picture(decode(data)).sha256)
    assert restored(stripped, known) == data


ADDED = {
    "image/png": lambda d: d[:33] + CREDIT + d[33:],
    "image/jpeg": lambda d: d[:2] + b"\xff\xe1\x00\x0aExif\0\0II" + d[2:],
    "image/webp": lambda d: riff(d + b"EXIF\x04\0\0\0mine"),
    "image/avif": lambda d: d + b"\0\0\0\x0cuuidmine",
    "image/tiff": lambda d: d.replace(b"\x06\x01\x03\0\x01\0\0\0", b"\x0e\x01\x03\0\x01\0\0\0"),
}
"""Media type → something that was not in the signed file; for TIFF a tag of another name."""
CREDIT = b"\0\0\0\x09tEXtAuthor\0me\xd1\xa2\x0e\x07"


def riff(data: bytes) -> bytes:
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_what_was_added_while_stripping_is_not_put_back_over(lab: Lab, media_type: str) -> None:
    data = lab.release(200 + list(SUFFIXES).index(media_type), media_type)
    stripped = STRIPPERS[media_type]["manifest"](data)
    (known,) = lab.repository.by_pixels(Picture(decode(data)).sha256)
    assert restored(stripped, known) == data
    assert restored(ADDED[media_type](stripped), known) is None


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_shell_takes_damaged_files_for_none(lab: Lab, media_type: str) -> None:
    data = lab.release(300 + list(SUFFIXES).index(media_type), media_type)
    shell = Shell.of(data, media_type)
    assert shell is not None
    assert len(shell.data) < 0.6 * len(data) + 12_000
    assert shell.filled(data) == data
    assert Shell.of(data, "image/gif") is None
    rng = random.Random(0)
    for end in (*range(0, 400, 7), *rng.sample(range(len(data)), 60)):
        assert shell.filled(data[:end]) != data
        changed = bytearray(data)
        for _ in range(3):
            changed[rng.randrange(min(len(data), 12_000))] = rng.randrange(256)
        filled = shell.filled(bytes(changed))
        assert filled is None or len(filled) >= len(shell.data)


RESAVED = {
    "image/png": {},
    "image/webp": {"lossless": True},
    "image/tiff": {"compression": "tiff_deflate"},
}


@pytest.mark.parametrize("written", RESAVED)
@pytest.mark.parametrize("media_type", SUFFIXES)
def test_the_same_pixels_in_a_file_written_anew_are_recovered_and_not_intact(
    lab: Lab, media_type: str, written: str
) -> None:
    data = lab.release(400 + list(SUFFIXES).index(media_type), media_type)
    out = io.BytesIO()
    kind = written.removeprefix("image/").upper()
    Image.fromarray(decode(data)).save(out, kind, **RESAVED[written])
    report = lab.judge(out.getvalue(), detect=False)
    assert report.axes["provenance"].state == "recovered:pixels"
    assert report.axes["content_match"].state == "pixels"
    assert report.axes["integrity"].state == "not-embedded"
    assert report.headline.startswith("Recovered: pixels identical")
    assert report.exit_code == 3


def test_a_stripped_file_is_restored_without_a_detector_too(lab: Lab) -> None:
    data = lab.release(3)
    report = lab.judge(png(data, lambda name: name != b"caBX"), detect=False)
    assert report.axes["provenance"].state == "recovered:pixels"
    assert report.axes["content_match"].state == "bytes"


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_re_encoded_picture_is_similar_and_not_intact(lab: Lab, media_type: str) -> None:
    pixels = decode(lab.release(500 + list(SUFFIXES).index(media_type), media_type))
    half = Picture(pixels).resized(SIZE // 2)
    for data in (jpeg(pixels), jpeg(half)):
        report = lab.judge(data)
        assert report.axes["provenance"].state == "recovered:watermark"
        assert report.axes["content_match"].state == "similar"
        assert report.axes["integrity"].state == "not-embedded"
        assert report.headline.startswith("Recovered: similar (")
        assert "the pixels differ" in report.headline
        assert report.axes["content_match"].more["score"] > 0.9
        assert report.axes["ai"].state == "generated"
        assert report.exit_code == 3
        assert report.axes["signer"].state == "trusted"


def test_without_a_mark_the_fingerprint_finds_it(lab: Lab) -> None:
    pixels = decode(lab.release(7))
    report = lab.judge(jpeg(pixels), detect=False)
    assert report.axes["provenance"].state == "recovered:fingerprint"
    assert report.axes["content_match"].state == "similar"


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_a_mark_copied_onto_another_picture_is_a_conflict(lab: Lab, media_type: str) -> None:
    marked = decode(lab.release(8)).astype(int)
    residue = marked - sample(SIZE, SIZE, 8)
    other = np.clip(sample(SIZE, SIZE, 99)[::-1, ::-1].astype(int) + residue, 0, 255)
    report = lab.judge(encode(admit_pixels(other.astype(np.uint8)), media_type))
    assert report.axes["watermark"].state == "CONFLICT"
    assert report.axes["content_match"].state == "different"
    assert report.exit_code == 4
    assert "copied" in report.headline
    assert report.axes["signer"].state == "none"


def test_a_crop_is_not_called_a_forgery(lab: Lab) -> None:
    pixels = decode(lab.release(9))
    crop = admit_pixels(np.ascontiguousarray(pixels[: SIZE * 3 // 4, : SIZE * 3 // 4]))
    report = lab.judge(encode(crop, "image/png"))
    assert report.axes["content_match"].state in ("unclear", "similar")
    assert report.exit_code == 3


def test_a_strange_picture_is_not_recovered(lab: Lab) -> None:
    lab.release(10)
    report = lab.judge(encode(sample(SIZE, SIZE, 1234)[::-1], "image/png"))
    assert report.axes["provenance"].state == "absent"
    assert report.exit_code == 3


def test_a_changed_pixel_in_a_stripped_file_is_not_restorable(lab: Lab) -> None:
    data = lab.release(11)
    pixels = np.array(decode(data))
    pixels[5, 5] ^= 1
    report = lab.judge(encode(admit_pixels(pixels), "image/png"))
    assert report.axes["content_match"].state == "similar"
    assert report.axes["integrity"].state == "not-embedded"


def test_a_damaged_repository_is_said_and_does_not_stop_the_verdict(lab: Lab) -> None:
    class Broken:
        def by_mark(self, *_: object) -> object:
            raise sdk.SDKError("locked")

        by_pixels = by_fingerprint = by_mark

    data = lab.release(12)
    stripped = png(data, lambda name: name != b"caBX")
    report = replace(lab, repository=Broken()).judge(stripped)
    assert report.axes["provenance"].state == "absent"
    assert "locked" in report.axes["provenance"].reason


def test_an_intact_file_is_not_looked_up(lab: Lab) -> None:
    class Never:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    assert replace(lab, repository=Never()).judge(lab.release(13)).exit_code == 0


def test_a_tiff_whose_tags_share_their_bytes_unpacks_to_nothing() -> None:
    data = encode(sample(64, 64), "image/tiff")
    order = "<" if data[:2] == b"II" else ">"
    (table,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, table)
    tags = data[table + 2 : table + 2 + 12 * count]
    more = b"".join(struct.pack(order + "HHII", 60000 + n, 1, 9000, 8) for n in range(9))
    whole = struct.pack(order + "H", count + 9) + tags + more + bytes(4)
    data += bytes(len(data) % 2)
    assert Shell.of(data, "image/tiff") is not None
    bomb = data[:4] + struct.pack(order + "I", len(data)) + data[8:] + whole
    assert Shell.of(bomb, "image/tiff") is None
