"""Constant marks of other programs: read as their library reads them, and claimed, never more."""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path
from types import ModuleType

import jsonschema
import numpy as np
import pytest
from PIL import Image

import sdk
from sdk.contract import sample
from sdk.errors import RequestError
from sdk.legacy import KNOWN, Message, carries, constant_marks, decode, order_log10_p
from sdk.robustness.patterns import PATTERNS, pattern
from sdk.types import Detection, Presence
from sdk.verify import verify

FOLDER = Path(__file__).parent / "legacy"
VECTORS = json.loads((FOLDER / "vectors.json").read_text())
SCHEMA = json.loads((Path(sdk.__file__).parent / "schemas" / "verify-1.json").read_text())
MARKED = {"sdxl.png": KNOWN[0], "invokeai.png": KNOWN[2]}


def drawn(number, width, height):
    """As in scripts/legacy_marks.py, which made the vectors."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    slow = np.stack([x * (3 + number) + y, y * 5 + 40 * number, x + y * 2], axis=2) // 4
    grain = (x * 7919 + y * 104729 + x * y * (31 + number)) // 13 % (4 + 9 * number)
    edges = ((x // (16 + number) + y // 24) % 2) * 9 * number
    return ((slow + grain[..., None] * [1, 2, 3] + edges[..., None]) % 256).astype(np.uint8)


def opened(name):
    return np.asarray(Image.open(FOLDER / name).convert("RGB"))


@pytest.mark.parametrize("method", ["dwtDct", "dwtDctSvd"])
def test_the_librarys_own_bits_come_out(method):
    """260 answers of invisible-watermark 0.2.0: 2 marked pictures and 24 others, 5 lengths."""
    rows = [row for row in VECTORS if row["method"] == method]
    assert len(rows) == 130
    for row in rows:
        name, length = row["picture"], row["length"]
        pixels = opened(name) if isinstance(name, str) else drawn(*name)
        bits = np.packbits(decode(pixels, length, method)).tobytes().hex()
        assert bits == row["bits"], (name, method, length)


def test_the_installed_library_agrees_where_there_is_one(monkeypatch):
    pytest.importorskip("cv2", reason="invisible-watermark is not installed")
    if "torch" not in sys.modules:
        monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    library = pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    for number in range(8):
        pixels = pattern(number, 320)[1] if number % 2 else sample(400, 300, number)
        bgr = np.ascontiguousarray(pixels[..., ::-1])
        found = library.WatermarkDecoder("bits", 48).decode(bgr, "dwtDct")
        assert np.array_equal(decode(pixels, 48), found)


@pytest.mark.parametrize("name", MARKED)
def test_a_constant_mark_is_named_with_its_p(name):
    (seen,) = constant_marks(opened(name))
    assert seen.message == MARKED[name]
    assert seen.log10_p < -8
    assert not seen.inverted
    assert seen.matching >= 0.8 * len(seen.message.bits)  # the ranks say more than the bits


def test_a_mark_that_is_turned_around_is_found():
    """What diffusers writes where blue is weak."""
    grey = np.repeat(opened("sdxl.png")[..., :1], 3, axis=2)
    blue = grey.copy().astype(int)
    votes = np.resize(1 - np.array(KNOWN[0].bits), 32 * 32).reshape(32, 32)
    blue[..., 2] = 120 + 27 * np.kron(votes, np.ones((8, 8), int))
    blue[..., :2] = 120
    seen = constant_marks(blue.astype(np.uint8))[0]
    assert seen.message == KNOWN[0]
    assert seen.inverted


@pytest.mark.parametrize("number", range(3 * len(PATTERNS)))
def test_what_was_never_marked_carries_nothing(number):
    assert constant_marks(pattern(number, 384)[1]) == ()
    assert constant_marks(sample(384, 384, number)) == ()


def test_a_message_of_ones_own_is_asked_for():
    own = Message(name="mine", bits=KNOWN[0].bits)
    assert carries(opened("sdxl.png"), own).log10_p < -8
    assert carries(opened("sdxl.png"), Message(name="other", bits=KNOWN[2].bits)).log10_p > -4


def test_ones_at_random_places_rank_as_the_exact_test_says():
    shares = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    wanted = np.array([0, 0, 1, 0, 1, 1, 1], bool)
    sums = [sum(places) for places in combinations(range(7), 4)]
    due = np.mean([s >= 2 + 4 + 5 + 6 for s in sums])
    assert order_log10_p(shares, wanted) == pytest.approx(np.log10(due))
    assert order_log10_p(np.zeros(7), wanted) == 0  # of a flat picture, nothing


@pytest.mark.parametrize("bits", [(1,) * 48, (0,) * 48, (1, 0, 1)])
def test_a_message_that_flat_pictures_carry_is_refused(bits):
    with pytest.raises(RequestError, match="give 8 or more"):
        carries(sample(256, 256), Message(name="x", bits=bits))


def test_pictures_that_the_library_does_not_take_are_refused_or_carry_nothing():
    with pytest.raises(RequestError, match="65,536"):
        decode(sample(255, 256), 48)
    assert constant_marks(sample(255, 256)) == ()


class Blind:
    algorithm = "test.blind"

    def detect(self, pixels):
        return Detection(presence=Presence.ABSENT)


def test_verify_says_it_as_an_unsigned_claim_and_no_verdict_changes(tmp_path):
    plain = tmp_path / "plain.png"
    Image.fromarray(sample(256, 256)).save(plain)
    before, after = (verify(path, detectors=[Blind()]) for path in (plain, FOLDER / "sdxl.png"))
    (claim,) = after.claims
    assert claim["kind"] == "constant-mark"
    assert claim["says"] == "carries the constant watermark of Stable Diffusion XL in diffusers"
    assert "log10 p -" in claim["detail"]
    assert claim["signed"] is False
    jsonschema.validate(json.loads(json.dumps(after.to_json())), SCHEMA)
    assert after.exit_code == before.exit_code
    assert after.axes == before.axes
    assert before.claims == ()
