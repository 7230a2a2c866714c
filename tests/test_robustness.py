"""The robustness dossier: what is measured and counted, resumed, drawn, signed and refused."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image
from shell import place, run  # noqa: F401

import sdk
from sdk.contract import Quiet, sample
from sdk.errors import Cancelled, DataError, MarkError, PluginError, RequestError
from sdk.hookspecs import hookimpl
from sdk.registry import Registry
from sdk.robustness.patterns import PATTERNS, pattern
from sdk.robustness.pictures import read_pictures, square
from sdk.robustness.quality import delta_e, lab, quality, ssim
from sdk.robustness.running import Plan, subjects
from sdk.robustness.running import run as measure
from sdk.robustness.summary import LIMITS, document
from sdk.robustness.transforms import GRID, QUICK
from sdk.types import Detection, Presence

SCHEMA = json.loads((Path(sdk.__file__).parent / "schemas" / "robustness-1.json").read_text())
FEW = ("none", "mirror", "JPEG 75")


class LastBits:
    """A mark that nothing survives: 32 bits of check and payload in the first pixels."""

    algorithm = "test.last-bits"
    payload_bytes = 4
    min_side = 64
    asked = 0

    def embed(self, pixels, payload):
        if pixels.mean() > 250:
            raise MarkError("asked to mark white paper")
        bits = np.unpackbits(np.frombuffer(b"\x5a" * 4 + payload, np.uint8))
        out = pixels.copy()
        out[0, : len(bits), 0] = out[0, : len(bits), 0] & 0xFE | bits
        return out

    def detect(self, pixels):
        type(self).asked += 1
        found = np.packbits(pixels[0, :64, 0] & 1).tobytes()
        if found[:4] != b"\x5a" * 4:
            return Detection(presence=Presence.ABSENT)
        return Detection(presence=Presence.PRESENT, payload=found[4:], log10_p=-9.6)


def registry(**parts):
    known = Registry()
    for name, part in parts.items():
        made = staticmethod(hookimpl(lambda settings, part=part: part))
        known.add(type("Plugin", (), {"watermark": made}), name.replace("_", "-"))
    return known


@pytest.fixture
def folder(tmp_path):
    for name, pixels in {
        "photos/a.png": sample(160, 128, 1),
        "photos/b.png": sample(128, 128, 2),
        "art/white.png": np.full((128, 128, 3), 255, np.uint8),
        "art/small.png": sample(96, 96, 3),
    }.items():
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "pictures"


PLAN = Plan(plugin="bits", sides=(128,), names=FEW, unmarked=10)


def measured(folder, plan=PLAN, **more):
    known = registry(bits=LastBits())
    records = measure(plan, read_pictures(folder), Quiet(), registry=known, **more)
    return document(plan, read_pictures(folder), subjects(plan, known), records)


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (56, -27, -3), 31.9030),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_colours_differ_as_published(one, two, wanted):
    """Sharma, Wu, Dalal 2005 (Color Res. Appl. 30:21), table 1."""
    one, two = np.array(one, float), np.array(two, float)
    assert float(delta_e(one, two)) == pytest.approx(wanted, abs=1e-4)
    assert float(delta_e(two, one)) == pytest.approx(wanted, abs=1e-4)


def test_lab_of_white_grey_and_red_is_the_standards():
    three = np.array([[[255, 255, 255], [119, 119, 119], [255, 0, 0]]], np.uint8)
    wanted = [[100, 0, 0], [50.03, 0, 0], [53.24, 80.09, 67.20]]
    assert lab(three)[0] == pytest.approx(np.array(wanted), abs=0.02)


def test_a_blotch_on_a_smooth_place_counts_and_one_on_grain_does_not():
    y = np.arange(64)[:, None, None]
    busy = np.random.default_rng(0).integers(0, 255, (64, 32, 3))
    picture = np.concatenate([np.broadcast_to(100 + y // 8, (64, 32, 3)), busy], axis=1)
    picture = picture.astype(np.uint8)
    left, right = picture.copy(), picture.copy()
    left[20:30, 10:20, 2] += 12
    right[20:30, 45:55] = np.minimum(right[20:30, 45:55], 240) + 12
    assert quality(picture, left).delta_e_smooth > 2
    assert quality(picture, right).delta_e_smooth == 0
    same = quality(picture, picture)
    assert (same.psnr_db, same.ssim, same.delta_e_mean) == (99, pytest.approx(1), 0)


def test_similarity_is_one_of_equals_and_falls_with_noise():
    a = sample(64, 64, 0).mean(2)
    noise = np.random.default_rng(0).normal(0, 10, a.shape)
    assert 0.2 < ssim(a, a + noise) < ssim(a, a + noise / 4) < 1


@pytest.mark.parametrize("name", GRID)
def test_every_transform_gives_a_picture_and_the_same_one_again(name):
    picture = Image.fromarray(sample(200, 160, 1))
    first, again = (GRID[name].apply(picture, np.random.default_rng(1)) for _ in range(2))
    assert first.mode == "RGB"
    assert min(first.size) >= 40
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert (name == "none") == np.array_equal(np.asarray(first), np.asarray(picture))


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_every_pattern_is_a_picture_and_the_same_one_again(number):
    kind, pixels = pattern(number, 96)
    assert kind == tuple(PATTERNS)[number]
    assert pixels.shape == (96, 96, 3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pattern(number, 96)[1], pixels)


def test_groups_are_sub_folders_and_a_limit_is_spread_over_each(folder):
    found = read_pictures(folder)
    assert [one.group for one in found.each] == ["art", "art", "photos", "photos"]
    assert [one.id for one in read_pictures(folder, 1).each] == ["art/small.png", "photos/a.png"]
    assert [one.group for one in read_pictures(folder / "art").each] == ["art", "art"]
    before = found.sha256
    Image.fromarray(sample(128, 128, 9)).save(folder / "photos/a.png")
    assert read_pictures(folder).sha256 != before


def test_the_middle_is_cut_out_and_nothing_is_enlarged(folder):
    assert square(folder / "photos/a.png", 64).shape == (64, 64, 3)
    with pytest.raises(DataError, match="96 x 96"):
        square(folder / "art/small.png", 128)


def test_what_is_read_refused_and_lost_is_counted(folder):
    found = measured(folder)
    jsonschema.validate(found, SCHEMA)
    art, photos = found["cells"]
    assert (photos["group"], photos["pictures"], photos["too_small"]) == ("photos", 2, 0)
    assert photos["transforms"]["none"]["hits"] == 2
    assert photos["transforms"]["mirror"]["hits"] == 0
    assert photos["families"]["re-encoding"]["hits"] == 0  # JPEG 75 is of the family
    assert photos["silent_failures"] == 2
    assert photos["lost"]["mirror"] == ["photos/a.png", "photos/b.png"]
    assert photos["each"][0][1] == pytest.approx(1 / 3, abs=1e-4)
    assert photos["quality"]["psnr_db"]["min"] > 60
    assert (art["pictures"], art["refused"], art["too_small"]) == (1, 1, 1)
    assert art["transforms"]["none"] == {
        "hits": 0, "of": 1, "share": 0.0, "interval": [0.0, pytest.approx(0.7935, abs=1e-4)]
    }  # fmt: skip
    assert art["quality"]["ssim"] is None
    (unmarked,) = found["unmarked"]
    assert unmarked["searches"] == 9  # one of ten is too small
    assert unmarked["present"]["hits"] == 0
    assert found["watermark"]["settings"] == []


def test_a_payload_that_is_another_counts_as_wrong(folder):
    class Confused(LastBits):
        def detect(self, pixels):
            return Detection(presence=Presence.PRESENT, payload=b"abcd", log10_p=-9)

    known = registry(bits=Confused())
    records = measure(PLAN, read_pictures(folder), Quiet(), registry=known)
    found = document(PLAN, read_pictures(folder), subjects(PLAN, known), records)
    assert found["cells"][1]["wrong_payloads"] == 2 * len(FEW)
    assert found["unmarked"][0]["present"]["hits"] == 9


def test_a_peer_is_measured_alike_and_timed_against(folder):
    plan = Plan(plugin="bits", peers=("other",), sides=(128,), names=FEW, unmarked=2)
    known = registry(bits=LastBits(), other=LastBits())
    records = measure(plan, read_pictures(folder), Quiet(), registry=known)
    found = document(plan, read_pictures(folder), subjects(plan, known), records)
    jsonschema.validate(found, SCHEMA)
    (peer,) = found["peers"]
    assert [c["transforms"] for c in peer["cells"]] == [c["transforms"] for c in found["cells"]]


def test_a_measurement_goes_on_where_it_was_stopped(folder, tmp_path):
    progress = tmp_path / "out.progress"
    with pytest.raises(Cancelled):
        measure(
            PLAN, read_pictures(folder), Quiet(cancel_at=5), progress=progress,
            registry=registry(bits=LastBits()),
        )  # fmt: skip
    kept = progress.read_text().splitlines()
    assert len(kept) == 1 + 5
    progress.write_text("\n".join(kept) + '\n{"job": "torn')
    whole = measured(folder, progress=progress)
    asked = LastBits.asked
    again = measured(folder, progress=progress)
    assert LastBits.asked == asked
    for one in (whole, again):
        one["made_at"] = ""
    assert whole == again
    other = Plan(plugin="bits", sides=(128,), names=("none",), unmarked=10)
    with pytest.raises(DataError, match="another measurement"):
        measured(folder, other, progress=progress)


def test_settings_and_their_keys_are_in_no_file(folder, tmp_path):
    progress = tmp_path / "out.progress"
    plan = Plan(plugin="bits", settings={"key": "5ec4e7"}, names=("none",), sides=(64,), unmarked=0)
    found = measured(folder, plan, progress=progress)
    assert found["watermark"]["settings"] == ["key"]
    assert "5ec4e7" not in progress.read_text() + json.dumps(found)


def test_a_watermark_that_fails_ends_the_measurement_with_its_reason(folder):
    class Broken(LastBits):
        def embed(self, pixels, payload):
            raise RuntimeError("no memory")

    class Odd(LastBits):
        def embed(self, pixels, payload):
            return pixels[:-1]

    for part, says in ((Broken(), "no memory"), (Odd(), "shape")):
        with pytest.raises(PluginError, match=says):
            measure(PLAN, read_pictures(folder), Quiet(), registry=registry(bits=part))


def test_sizes_that_a_watermark_does_not_take_are_refused():
    with pytest.raises(RequestError, match="needs 64"):
        subjects(Plan(plugin="bits", sides=(32,)), registry(bits=LastBits()))


class Reader(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self):
        super().__init__()
        self.loads, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.loads += [tag] if tag in ("script", "link", "img", "iframe") else []
        self.loads += [k for k in named if k in ("src", "href") or k.startswith("on")]

    def handle_data(self, data):
        self.text += data


def test_the_command_writes_a_signed_page_that_loads_nothing(place, folder):  # noqa: F811
    (folder / "photos").rename(folder / "<b>photos")
    done = run(
        "bench", "watermark", str(folder), "--size", "128", "--set", "payload_bytes=4",
        "--transform", "none", "--transform", "mirror", "--unmarked", "2", "--limit", "1",
        "--workers", "1", "-q", "-o", "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "all read after 2 transforms" in done.stdout
    written = json.loads(Path("out/dossier.json").read_text())
    jsonschema.validate(written, SCHEMA)
    assert written["watermark"]["payload_bits"] == 32
    assert sorted(p.name for p in Path().glob("out*")) == ["out"]
    reader = Reader()
    reader.feed(Path("out/dossier.html").read_text())
    assert reader.loads == []
    assert "<b>photos" in reader.text
    assert LIMITS[2] in reader.text
    assert run("card", "out").exit_code == 0
    Path("out/dossier.json").write_text("{}")
    assert run("card", "out").exit_code == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("ghost",), "found no folder"),
        ((".",), "found none"),
        (("pictures", "--plugin", "ghost"), "no plugin"),
        (("pictures", "--transform", "ghost"), "the grid has none, JPEG 90"),
        (("pictures", "--size", "128"), "needs 256"),
    ],
)
def test_what_cannot_be_measured_is_said(place, folder, asked, says):  # noqa: F811
    if asked == (".",):
        asked = (str(place / "empty"),)
        (place / "empty").mkdir()
    done = run("bench", "watermark", *asked, "-q")
    assert done.exit_code in (1, 2)
    assert says in done.stderr


@pytest.mark.slow
def test_the_quick_subset_finds_every_mark_with_two_processes(place, folder):  # noqa: F811
    Image.fromarray(sample(600, 520, 6)).save(folder / "photos/c.png")
    Image.fromarray(sample(512, 512, 5)).save(folder / "art/d.png")
    done = run("bench", "watermark", str(folder), "--quick", "--workers", "2", "-q", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert tuple(found["transforms"]) == QUICK
    for cell in found["cells"]:
        assert cell["silent_failures"] == cell["wrong_payloads"] == 0
        for name in ("none", "JPEG 75", "WebP 80", "0.5x", "mirror", "screenshot", "social"):
            assert cell["transforms"][name]["share"] == 1, (cell["group"], name)
    assert found["unmarked"][0]["present"]["hits"] == 0
