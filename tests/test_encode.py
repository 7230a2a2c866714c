import io
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from sdk import encode as room
from sdk.contract import sample
from sdk.encode import SUFFIXES, decode, encode
from sdk.errors import OutputError
from sdk.pixels import Pixels
from sdk.xmp import GENERATED, xmp_packet

XMP = xmp_packet(digital_source_type=GENERATED, ai_system="model")
SIZES = [(1, 1), (1, 7), (7, 1), (17, 33), (256, 256)]


def by_pillow(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("size", SIZES)
def test_a_png_decodes_to_the_same_pixels_here_and_in_pillow(size: tuple[int, int]) -> None:
    pixels = sample(*size)
    data = encode(pixels, "image/png", xmp=XMP)
    assert np.array_equal(by_pillow(data), pixels)
    assert room._unpng(data) is not None
    assert np.array_equal(decode(data), pixels)


def test_a_png_has_one_data_chunk_and_says_srgb() -> None:
    data = encode(sample(300, 200), "image/png", xmp=XMP)
    assert data.count(b"IDAT") == 1
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["srgb"] == 0


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_every_format_holds_the_packet_and_reads_back(media_type: str) -> None:
    pixels = sample(128, 96)
    data = encode(pixels, media_type, xmp=XMP)
    assert XMP in data
    assert decode(data).shape == pixels.shape
    assert np.abs(decode(data).astype(int) - pixels).mean() < 5
    assert XMP not in encode(pixels, media_type)


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_pillow_finds_the_packet_in_every_format(media_type: str) -> None:
    with Image.open(io.BytesIO(encode(sample(64, 64), media_type, xmp=XMP))) as image:
        image.load()
        found = image.info["xmp"]
    assert (found.encode() if isinstance(found, str) else found) == XMP


@pytest.mark.parametrize("options", [{}, {"lossless": True}])
def test_lossless_formats_change_nothing(options: dict[str, bool]) -> None:
    pixels = sample(65, 40)
    media_type = "image/webp" if options else "image/tiff"
    assert np.array_equal(decode(encode(pixels, media_type, **options)), pixels)


def test_quality_and_chroma_are_obeyed() -> None:
    pixels = sample(256, 256)
    small = encode(pixels, "image/jpeg", quality=50)
    half = encode(pixels, "image/jpeg", chroma="4:2:0")
    full = encode(pixels, "image/jpeg")
    assert len(small) < len(half) < len(full)


def test_without_isal_zlib_writes_and_reads_the_same_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = sample(64, 48)
    fast = encode(pixels, "image/png")
    monkeypatch.setitem(sys.modules, "isal", None)
    assert room._deflate() is zlib
    slow = encode(pixels, "image/png")
    for data in (fast, slow):
        assert np.array_equal(decode(data), pixels)


@pytest.mark.parametrize(
    ("media_type", "options"),
    [
        ("image/gif", {}),
        ("", {}),
        ("image/jpeg", {"quality": 0}),
        ("image/jpeg", {"quality": 101}),
        ("image/jpeg", {"quality": True}),
        ("image/jpeg", {"quality": 90.5}),
        ("image/jpeg", {"chroma": "4:1:1"}),
    ],
)
def test_an_unknown_format_or_setting_is_refused(
    media_type: str, options: dict[str, object]
) -> None:
    with pytest.raises(OutputError, match="asked"):
        encode(sample(8, 8), media_type, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        None,
        "picture",
    ],
)
def test_what_is_no_picture_is_refused(pixels: object) -> None:
    with pytest.raises(OutputError, match="picture"):
        encode(pixels, "image/png")  # type: ignore[arg-type]


def test_a_view_with_strides_is_written_as_it_looks() -> None:
    pixels = sample(64, 64)[::2, ::-1]
    assert np.array_equal(decode(encode(pixels, "image/png")), pixels)


def test_an_encoder_that_fails_is_our_error() -> None:
    too_wide = np.zeros((1, 17_000, 3), np.uint8)  # WebP holds 16,383 pixels
    with pytest.raises(OutputError, match="image/webp"):
        encode(too_wide, "image/webp")


def test_a_damaged_png_is_refused_wherever_it_is_damaged() -> None:
    data = encode(sample(16, 16), "image/png")
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            pixels = decode(changed)
        except OutputError:
            continue
        assert np.array_equal(pixels, sample(16, 16)), f"byte {at} changed the picture unseen"


@pytest.mark.parametrize("keep", [0, 7, 8, 20, 33, 60, -1, -12, -13])
def test_a_truncated_png_is_refused(keep: int) -> None:
    data = encode(sample(64, 64), "image/png")
    with pytest.raises(OutputError):
        decode(data[:keep])


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    honest = encode(sample(8, 8), "image/png")
    header = b"IHDR" + (60_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00"
    bomb = honest[:12] + header + zlib.crc32(header).to_bytes(4) + honest[33:]
    with pytest.raises(OutputError):
        decode(bomb)
