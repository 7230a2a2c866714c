"""The known-picture filter: what still matches, what does not, and how banks travel."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter, sample
from sdk.pixels import admit_pixels

pytest.importorskip("pdqhash", reason="needs the extra safety")

import sdk_image_pdq.part as part
from sdk_image_pdq import Bank, PdqFilter, read_bank, write_bank
from sdk_image_pdq.bank import _TABLE, _bits, from_hex
from sdk_image_pdq.part import bank_of

HASH = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"


def smooth(seed=0, side=256):
    """Shapes of all sizes, large ones strongest, as in photographs (1/f)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24, 48):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / cells
    return admit_pixels((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))


@pytest.fixture
def bank(tmp_path):
    path = tmp_path / "known.csv"
    write_bank(bank_of([smooth(1), smooth(2), smooth(3)]), path)
    return str(path)


def found(bank, pixels, **settings):
    picture = Picture(admit_pixels(pixels))
    [finding] = PdqFilter(banks=[bank], **settings).inspect(picture, Request(prompt="a shape"))
    return finding


def test_the_pdq_filter_keeps_the_contract(bank):
    check_image_filter("pdq", {"banks": [bank]})


def test_a_known_picture_is_found_and_another_is_not(bank):
    assert found(bank, smooth(2)).score == 1.0
    assert "entry 1 of known.csv" in found(bank, smooth(2)).note
    assert found(bank, smooth(9)).score == 0.0


def jpeg(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=30)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize(
    "change",
    [
        jpeg,
        lambda p: np.asarray(Image.fromarray(p).resize((128, 128))),
        lambda p: p[:, ::-1],
        lambda p: np.rot90(p),
    ],
    ids=["jpeg", "half", "mirrored", "turned"],
)
def test_a_known_picture_is_found_after(bank, change):
    assert found(bank, change(smooth(2))).score >= 0.5


def test_a_flat_picture_matches_nothing_and_says_why(tmp_path):
    flat = np.full((64, 64, 3), 7, np.uint8)
    write_bank(bank_of([flat]), tmp_path / "flat.txt")
    finding = found(str(tmp_path / "flat.txt"), flat)
    assert finding.score == 0.0
    assert "too flat" in finding.note


@pytest.mark.parametrize("suffix", ["csv", "json", "txt"])
def test_a_bank_survives_being_shared(tmp_path, suffix):
    bank = Bank(name="x", words=from_hex([HASH, "0" * 64, "f" * 64]))
    write_bank(bank, tmp_path / f"b.{suffix}")
    again = read_bank(tmp_path / f"b.{suffix}")
    assert again.hexes() == [HASH, "0" * 64, "f" * 64]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"id,hash\n1,{HASH}\n2,{HASH.upper()}\n"),
        ("b.csv", f"{HASH},97\n# a comment\n{HASH}\n"),
        ("c.json", json.dumps({"data": [{"type": "HASH_PDQ", "indicator": HASH}] * 2})),
        ("d.json", json.dumps([{"indicator": {"type": "HASH_PDQ", "indicator": HASH}}] * 2)),
        ("e.json", json.dumps({"hashes": [HASH, HASH]})),
        ("f.txt", f"\ufeff{HASH}\n{HASH}\n"),
    ],
)
def test_a_shared_list_is_read(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    assert read_bank(tmp_path / name).hexes() == [HASH, HASH]


def test_hashes_of_another_kind_are_skipped_and_counted(tmp_path):
    data = [{"type": "HASH_MD5", "indicator": "d41d"}, {"type": "HASH_PDQ", "indicator": HASH}]
    (tmp_path / "x.json").write_text(json.dumps({"data": data}))
    assert read_bank(tmp_path / "x.json").skipped == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b""), ("b.csv", b"hash\n\n"), ("c.json", b"{"), ("d.json", b"{}"),
     ("e.txt", b"\xff"), ("f.txt", b"123"), ("g.json", b"[1, null]")],
)  # fmt: skip
def test_a_list_without_a_hash_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PluginError, match=name):
        read_bank(tmp_path / name)


def test_distance_counts_bits_on_old_and_new_numpy(monkeypatch):
    words = from_hex([HASH])
    expected = sum(bin(int(word)).count("1") for word in words[0])
    assert int(_bits(words).sum()) == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert int(_bits(words).sum()) == expected
    assert _TABLE[0xFFFF] == 16


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "banks"),
        ({"banks": "x.csv"}, "banks"),
        ({"banks": ["/nowhere.csv"]}, "nowhere"),
        ({"banks": [], "max_distance": 1}, "banks"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(settings, says):
    with pytest.raises(PluginError, match=says):
        Registry().make("image_filter", "pdq", settings)


@pytest.mark.parametrize("bad", [{"max_distance": 65}, {"max_distance": 1.5}, {"min_quality": -1}])
def test_a_wrong_number_is_an_error_that_names_it(bank, bad):
    with pytest.raises(PluginError, match=next(iter(bad))):
        Registry().make("image_filter", "pdq", {"banks": [bank], **bad})


def test_a_missing_package_names_the_extra(bank, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pdqhash", None)
    with pytest.raises(PluginError, match=r"responsible-generation-sdk\[safety\]"):
        Registry().make("image_filter", "pdq", {"banks": [bank]})


def test_a_hash_that_fails_is_an_error_not_a_pass(bank, monkeypatch):
    import pdqhash

    filter = PdqFilter(banks=[bank])

    def fails(pixels):
        raise ValueError("no memory")

    monkeypatch.setattr(pdqhash, "compute_dihedral", fails)
    with pytest.raises(PluginError, match="no memory"):
        filter.inspect(Picture(sample(64, 64)), Request(prompt="a shape"))
    assert part.MAX_DISTANCE == 31
