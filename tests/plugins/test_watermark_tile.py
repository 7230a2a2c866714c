"""The tile watermark: what it writes can be read, and what it reads was written."""

import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sdk_watermark_tile import TileWatermark
from sdk_watermark_tile.coding import LIST, code_length, decode, encode, likeliest
from sdk_watermark_tile.keys import BANK, DEMO_KEY, Key, carriers
from sdk_watermark_tile.search import MAX_DECODES, Search
from sdk_watermark_tile.spectrum import lock_log10_p
from sdk_watermark_tile.tile import coefficients

from sdk import MarkError, PluginError, Presence, Registry
from sdk.contract import check_watermark, sample
from sdk.endurance import examined

ID = bytes.fromhex("0123456789abcdef")
KEY = "11" * 32


@pytest.fixture(scope="module")
def mark():
    return TileWatermark(key=KEY)


@pytest.fixture(scope="module")
def marked(mark):
    return mark.embed(picture(), ID)


def picture(width=512, height=512, seed=3):
    """Smooth colour fields, a few edges, some grain."""
    return sample(width, height, seed)


def jpeg(pixels, quality):
    return encoded(pixels, "jpeg", quality)


def encoded(pixels, kind, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return np.asarray(Image.open(file))


def resized(pixels, width, height):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def emoji(size=512):
    """A flat disc with two eyes on pure white, as the starter model draws them."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    out = np.full((size, size, 3), 255, np.uint8)
    out[x * x + y * y < 0.16] = (250, 200, 60)
    for side in (-0.13, 0.13):
        out[(x - side) ** 2 + (y + 0.08) ** 2 < 0.002] = (90, 50, 20)
    return out


@pytest.mark.parametrize(
    "payload_bytes",
    [pytest.param(4, marks=pytest.mark.slow), 8, pytest.param(16, marks=pytest.mark.slow)],
)
def test_the_mark_keeps_the_contract(payload_bytes):
    check_watermark("tile", {"key": KEY, "payload_bytes": payload_bytes}, registry=registry())


def registry():
    import sdk_watermark_tile

    made = Registry()
    made.add(sdk_watermark_tile, "tile")
    return made


def test_the_same_picture_key_and_payload_give_the_same_pixels(mark, marked):
    assert np.array_equal(mark.embed(picture(), ID), marked)
    assert np.array_equal(TileWatermark(key=KEY).embed(picture(), ID), marked)


def test_two_pictures_with_one_payload_get_different_marks(mark, marked):
    other = picture(seed=4)
    first = marked.astype(int) - picture()
    second = mark.embed(other, ID).astype(int) - other
    assert abs(np.corrcoef(first.reshape(-1), second.reshape(-1))[0, 1]) < 0.05


@pytest.mark.parametrize("quality", [90, 75, 50])
def test_the_mark_survives_jpeg(mark, marked, quality):
    assert mark.detect(jpeg(marked, quality)).payload == ID


@pytest.mark.parametrize("side", [1024, 700, 384, 256])
def test_the_mark_survives_resizing(mark, marked, side):
    assert mark.detect(resized(marked, side, side)).payload == ID


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_mark_survives_turning_and_mirroring(mark, marked, quarter_turns, flipped):
    turned = np.rot90(marked[:, ::-1] if flipped else marked, quarter_turns)
    found = mark.detect(np.ascontiguousarray(turned))
    assert found.payload == ID
    assert found.transform.flipped is flipped
    expected = 90 * quarter_turns % 360
    assert round(found.transform.angle_deg) % 360 == expected


def test_the_mark_survives_a_crop_at_an_unknown_place(mark, marked):
    assert mark.detect(np.ascontiguousarray(marked[61:430, 97:466])).payload == ID


def test_the_mark_survives_any_rotation_and_reports_it(mark, marked):
    turned = Image.fromarray(marked).rotate(17, Image.Resampling.BICUBIC)
    found = mark.detect(np.asarray(turned))
    assert found.payload == ID
    assert found.transform.angle_deg == pytest.approx(17, abs=0.5)


def test_the_mark_survives_another_aspect_ratio(mark, marked):
    assert mark.detect(resized(marked, 640, 512)).payload == ID


@pytest.fixture(scope="module")
def small(mark):
    return mark.embed(picture(256, 256), ID)


def test_a_small_mark_survives_a_screenshot_with_a_frame(mark, small):
    shown = resized(resized(small, 212, 212), 233, 233)
    framed = np.pad(shown, ((9, 9), (9, 9), (0, 0)), constant_values=255)
    assert mark.detect(jpeg(framed, 85)).payload == ID


@pytest.mark.parametrize("size", [(333, 256), (256, 300), (234, 234)])
def test_a_small_mark_survives_stretching_and_odd_scales(mark, small, size):
    assert mark.detect(resized(small, *size)).payload == ID


def test_a_small_mark_survives_rotation(mark, small):
    turned = Image.fromarray(small).rotate(5, Image.Resampling.BICUBIC)
    assert mark.detect(np.asarray(turned)).payload == ID


def text_page(size=512):
    """Black words on white, as Pillow's own font draws them."""
    page = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(page)
    for line in range(size // 26):
        draw.text((12, 8 + 26 * line), "Black words on white paper. " * 3, "black", font_size=16)
    return np.asarray(page)


@pytest.mark.parametrize("draw", [emoji, text_page])
def test_flat_art_and_text_survive_the_encoders_that_round_most_away(mark, draw):
    pixels = mark.embed(draw(), ID)
    for kind, quality in (("jpeg", 75), ("jpeg", 50), ("webp", 80)):
        assert mark.detect(encoded(pixels, kind, quality)).payload == ID, (kind, quality)
    assert examined(mark, pixels).weak is False


@pytest.mark.parametrize("level", [255, 128, 0])
def test_a_picture_of_one_colour_is_marked_and_read_back(mark, level):
    flat = np.full((512, 512, 3), level, np.uint8)
    pixels = mark.embed(flat, ID)
    assert mark.detect(pixels).payload == ID
    assert mark.detect(jpeg(pixels, 75)).payload == ID
    assert np.abs(pixels.astype(int) - level).max() <= 10
    assert abs(pixels.astype(int).mean() - level) <= 5


@pytest.mark.parametrize("level", [255, 200])
def test_a_mark_that_re_encoding_would_erase_is_reported_weak(mark, level):
    pixels = mark.embed(np.full((256, 256, 3), level, np.uint8), ID)
    worn = [encoded(pixels, "jpeg", 75), encoded(pixels, "webp", 80)]
    if not examined(mark, pixels).weak:
        assert [mark.detect(w).payload for w in worn] == [ID, ID]
    assert not examined(mark, mark.embed(picture(), ID)).weak


def test_a_faint_mark_is_weak():
    """Half of a mark can still be read; re-encoding erases it, and the detector says so."""
    part = TileWatermark(key=KEY)
    art = emoji()
    faint = art + np.trunc((part.embed(art, ID).astype(float) - art) / 2).astype(np.int16)
    found = examined(part, faint.astype(np.uint8))
    assert found.payload == ID
    assert found.weak
    assert part.detect(encoded(faint.astype(np.uint8), "webp", 80)).payload is None


@pytest.mark.parametrize(
    "size",
    [
        (300, 257),
        (260, 1040),
        (1024, 1536),
        pytest.param((1333, 401), marks=pytest.mark.slow),
        pytest.param((2051, 2333), marks=pytest.mark.slow),
    ],
)
def test_any_shape_from_256_pixels_is_marked(mark, size):
    assert mark.detect(mark.embed(picture(*size), ID)).payload == ID


def test_a_retired_key_still_finds_old_marks_and_a_new_key_marks(marked):
    rotated = TileWatermark(key="22" * 32, retired=[KEY])
    assert rotated.detect(marked).payload == ID
    new = rotated.embed(picture(), ID)
    assert TileWatermark(key=KEY).detect(new).presence is not Presence.PRESENT
    assert TileWatermark(key="22" * 32).detect(new).payload == ID


@pytest.mark.parametrize(
    "size",
    [(512, 512), (700, 900), (1536, 1024), pytest.param((4096, 4096), marks=pytest.mark.slow)],
)
def test_what_is_untouched_is_read_from_few_pixels_whatever_the_size(mark, size):
    pixels = mark.embed(picture(*size), ID)
    search = Search(keys=[Key(bytes.fromhex(KEY))])
    assert search.run(pixels, natural=4).frame.payload == ID
    assert search.hypotheses == len(BANK) * 5 // 4


def test_a_weak_mark_stays_weak_when_it_was_only_seen_in_part(mark, marked):
    crop = np.ascontiguousarray(marked[61:430, 97:466])
    found = mark.detect(crop)
    assert mark.is_weak(crop, replace(found, weak=True))
    assert not mark.is_weak(crop, found)


def test_a_foreign_key_sees_nothing(marked):
    assert TileWatermark(key="33" * 32).detect(marked).presence is Presence.ABSENT


def test_a_key_can_be_read_from_a_file(tmp_path, marked):
    file = tmp_path / "tile.hex"
    file.write_text(KEY + "\n")
    assert TileWatermark(key=str(file)).detect(marked).payload == ID


@pytest.mark.parametrize("key", ["11" * 15, "no such file", "zz" * 32])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(PluginError, match="32 hex digits"):
        TileWatermark(key=key)


def test_an_odd_payload_size_is_refused():
    with pytest.raises(PluginError, match="4, 8 or 16"):
        TileWatermark(payload_bytes=7)


def test_a_picture_too_small_is_refused(mark):
    with pytest.raises(MarkError, match="short side of 256"):
        mark.embed(picture(512, 255), ID)


def test_a_payload_of_the_wrong_length_is_refused(mark):
    with pytest.raises(MarkError, match="7 bytes"):
        mark.embed(picture(), ID[1:])


def test_an_unmarked_picture_is_absent_with_an_ordinary_p(mark):
    found = mark.detect(picture())
    assert found.presence is Presence.ABSENT
    assert found.payload is None
    assert found.log10_p > -4


@pytest.mark.parametrize("payload_bytes", [4, 8, 16])
def test_decoding_corrects_a_fifth_of_the_code_bits(payload_bytes):
    rng = np.random.default_rng(payload_bytes)
    payload = rng.bytes(payload_bytes)
    soft = 1 - 2 * encode(payload).astype(np.float32)
    soft += rng.normal(0, 0.9, len(soft)).astype(np.float32)
    assert (soft < 0).astype(int).sum() != encode(payload).sum()
    assert decode(soft, payload_bytes).payload == payload


def test_noise_is_not_decoded():
    rng = np.random.default_rng(1)
    for _ in range(200):
        assert decode(rng.normal(size=code_length(8)).astype(np.float32), 8) is None


def digest(values, kind):
    return hashlib.sha256(np.asarray(values).astype(kind).tobytes()).hexdigest()


def test_the_test_vectors_of_the_specification_hold():
    """docs/watermark/tile.md, section 7; they also pin the key schedule for other languages."""
    key = Key(bytes(range(32)))
    assert len(carriers()) == 1778
    assert digest(carriers(), ">i2") == (
        "71642646192627d948f93c62e10cb8e0c8dea2e2a363c7ec91c5f81563531e9e"
    )
    assert key.pilots[:8].tolist() == [2, 3, 6, 7, 11, 15, 31, 34]
    assert digest(key.pilots, ">u2") == (
        "aa111c61041529a4e6af3b1dc9322fa0681aeabea8c50cc26479dbeacc61eb58"
    )
    assert key.pilot_signs[2][:4].tolist() == [-1 - 1j, 1 + 1j, -1 + 1j, -1 - 1j]
    which, signs = key.slots(2)
    assert which[:8].tolist() == [203, 14, 217, 196, 137, 218, 315, 140]
    assert signs[:8].tolist() == [-1, 1, -1, 1, -1, 1, -1, -1]
    assert digest(which, ">u2") == (
        "5902e45b59bfa5f2971902d29f7123e417accef9c1ed89670fecba1dd3897e6b"
    )
    assert np.packbits(encode(ID).astype(np.uint8)).tobytes().hex() == (
        "007772b3074909e482ff97f802fadd4c02c151610aa712705a71877fdbac03557c047264f3874b7b80"
    )
    nonce = key.nonce(ID, b"")
    assert (nonce.member, nonce.dy, nonce.dx) == (5, 92, 53)
    values = coefficients(key, 2, ID)
    parts = np.stack([values.real, values.imag], axis=1)
    assert digest(parts, "i1") == "e21c953cd2c6615a16d0657388721e876030108837df5a71e7946c50b06d6640"
    assert DEMO_KEY.hex() == "c7014f17c0ae2350ab928b8bed9afaa06c2b9c504506fe63800042199b3eb485"


def test_flat_places_between_edges_get_no_grain(mark):
    y, x = np.mgrid[0:512, 0:512]
    rings = np.hypot(x % 96 - 48, y % 96 - 48) < 40
    art = np.where(rings[..., None], (92, 145, 59), (250, 220, 120)).astype(np.uint8)
    change = np.abs(mark.embed(art, ID).astype(int) - art).max(2)
    inside = np.hypot(x % 96 - 48, y % 96 - 48) < 26
    assert change[inside].max() <= 6


@pytest.mark.slow
def test_the_average_of_thirty_marked_pictures_does_not_hold_the_mark(mark):
    pixels = [picture(256, 256, seed) for seed in range(30)]
    marks = [mark.embed(p, ID).astype(float).mean(2) - p.mean(2) for p in pixels]
    mean = np.mean(marks, axis=0)
    alike = [np.corrcoef(mean.reshape(-1), m.reshape(-1))[0, 1] for m in marks]
    assert max(alike) < 0.45  # one of thirty equal shares: 1 / sqrt(30) = 0.18 on average
    assert np.mean(alike) < 0.25


def test_frames_beside_the_likeliest_are_tried():
    rng = np.random.default_rng(1)
    code = 1.0 - 2 * encode(ID)
    first = listed = 0
    for _ in range(40):
        soft = (0.75 * code + rng.normal(size=len(code))).astype(np.float32)
        frames = list(likeliest(soft))
        assert len({bits.tobytes() for bits in frames}) == LIST
        first += bool((frames[0] == frame_bits(ID)).all())
        found = decode(soft, len(ID))
        assert found is None or found.payload == ID
        listed += found is not None
    assert listed >= first + 4  # 13 to 19 on average: half a decibel


def test_a_mark_that_only_the_list_reads_is_not_strong_enough_to_be_let_go():
    rng = np.random.default_rng(1)
    code = 1.0 - 2 * encode(ID)
    for _ in range(40):
        soft = (0.75 * code + rng.normal(size=len(code))).astype(np.float32)
        strict = decode(soft, len(ID), 1)
        assert (strict is not None) == bool((next(likeliest(soft)) == frame_bits(ID)).all())


def frame_bits(payload):
    """The frame without its tail, decoded where there is no noise."""
    return next(likeliest((1 - 2 * encode(payload)).astype(np.float32)))


def test_the_false_accept_bound_stays_below_one_in_a_billion():
    assert MAX_DECODES * LIST * 2.0**-36 < 1e-9


def test_p_falls_with_the_lock_and_rises_with_what_was_searched():
    assert lock_log10_p(12, 8) < lock_log10_p(8, 8) < lock_log10_p(8, 1000) < -6
    assert lock_log10_p(4, 1000) == 0


def test_the_specification_prints_the_values_that_the_tests_hold():
    root = Path(__file__).parents[2]
    page = (root / "docs/watermark/tile.md").read_text("utf-8")
    held = re.findall(r'"([0-9a-f]{64,})"', Path(__file__).read_text("utf-8"))
    assert len(held) == 6
    assert [value for value in held if value not in page] == []
