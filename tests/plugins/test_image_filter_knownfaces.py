"""Faces of a bank, found again: a real face finder, a real portrait, and a small real network.

The portrait is NASA's of Eileen Collins (public domain); the other faces are drawn ones.  The
network is made here, of random filters: it tells pictures apart, and knows nothing of people.
"""

import hashlib
import json
import os
import shutil
import stat
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra safety")

import sdk_image_knownfaces.part as part
import small_onnx
from PIL import Image, ImageEnhance
from sdk_image_knownfaces import enrol, read_bank, remove, spread
from sdk_image_knownfaces.bank import packed
from sdk_image_knownfaces.enrolment import face_finder
from sdk_image_knownfaces.network import LAYOUTS, chip_of, similarity
from sdk_image_knownfaces.part import score_of
from small_parts import RULES, Noise

from sdk import Picture, PluginError, Refused, Registry, Request
from sdk.contract import check_image_filter
from sdk.pixels import admit_pixels

HERE = Path(__file__).parent
NAME = "Zyxwcanary Person"
REQUEST = Request(prompt="a portrait")


def network(side=112, *, channels_last=False, nan=False, zero=False):
    """Random filters over cells of 16 pixels, as one vector: (1, 196) of a 112-pixel face."""
    filters = np.random.default_rng(5).normal(size=(4, 3, 16, 16)).astype(np.float32)
    filters -= filters.mean((1, 2, 3), keepdims=True)
    filters = filters * (0 if zero else 1) + (np.nan if nan else 0)
    nodes, seen = [], "face"
    if channels_last:
        nodes.append(small_onnx.node("Transpose", ["face"], "turned", perm=[0, 3, 1, 2]))
        seen = "turned"
    nodes += [
        small_onnx.node("Conv", [seen, "filters"], "cells", strides=[16, 16]),
        small_onnx.node("Reshape", ["cells", "flat"], "embedding"),
    ]
    shape = [1, side, side, 3] if channels_last else [1, 3, side, side]
    cells = 4 * (side // 16) ** 2
    constants = {"filters": filters.astype(np.float32), "flat": np.array([1, cells], np.int64)}
    return small_onnx.model(nodes, {"face": shape}, {"embedding": [1, cells]}, constants)


@pytest.fixture(scope="module")
def portrait():
    return Image.open(HERE / "astronaut.jpg").convert("RGB").resize((400, 400))


@pytest.fixture(scope="module")
def drawing():
    """A drawn face that the finder finds, large enough to be enrolled."""
    with np.load(HERE / "emoji_drawings.npz") as kept:
        for pixels in kept["pixels"]:
            large = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC)
            faces = face_finder().find(admit_pixels(np.asarray(large)), thorough=True)
            if len(faces) == 1 and faces[0].side >= 80:
                return large
    raise AssertionError("no drawing has one face")


class Given:
    """A network, a folder of people, and the bank that was made of it."""

    def __init__(self, folder):
        self.weights = folder / "net.onnx"
        self.people = folder / "people"
        self.bank = folder / "faces.json"

    def fill(self, portrait, drawing):
        self.weights.write_bytes(network())
        for name, picture in (("a", portrait), ("b", drawing)):
            (self.people / name).mkdir(parents=True)
            picture.save(self.people / name / "1.png")
        self.write(f'id = "f-1"\nname = "{NAME}"', 'id = "f-2"\nname = "Drawn"')
        enrol(self.people, self.bank, **self.net)

    def write(self, *persons):
        tables = [
            f'[[person]]\nfolder = "{folder}"\nbasis = "consent, file 7"\n{person}\n'
            for folder, person in zip("ab", persons, strict=False)
        ]
        (self.people / "people.toml").write_text("\n".join(tables), "utf-8")

    @property
    def net(self):
        sha256 = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        return {"weights": str(self.weights), "sha256": sha256, "layout": "arcface"}

    def settings(self, **more):
        return {"bank": str(self.bank), **self.net, "threshold": 0.5, **more}

    def make(self, **more):
        return Registry().make("image_filter", "known-faces", self.settings(**more))


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory, portrait, drawing):
    folder = tmp_path_factory.mktemp("enrolled")
    Given(folder).fill(portrait, drawing)
    return folder


@pytest.fixture
def given(tmp_path, enrolled):
    """A copy of its own for each test."""
    return Given(shutil.copytree(enrolled, tmp_path / "given"))


def seen(filter_, picture):
    findings = filter_.inspect(Picture(admit_pixels(np.asarray(picture))), REQUEST)
    known = [f for f in findings if f.category == "known_face"]
    unclear = [f for f in findings if f.category == "unclear_face"]
    assert known
    assert unclear
    return max(known, key=lambda f: f.score), max(unclear, key=lambda f: f.score)


def test_the_filter_keeps_the_contract(given):
    check_image_filter("known-faces", given.settings())


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p,
        lambda p: p.resize((240, 240)),
        lambda p: p.rotate(12, Image.Resampling.BICUBIC),
        lambda p: ImageEnhance.Brightness(p).enhance(0.8),
    ],
    ids=["as it is", "smaller", "turned", "darker"],
)
def test_a_face_of_the_bank_is_found_with_its_box_and_its_entry(given, portrait, change):
    picture = change(portrait)
    known, unclear = seen(given.make(), picture)
    assert known.score >= 0.5
    assert "entry f-1" in known.note
    assert known.box is not None
    middle = known.box.x + known.box.width / 2
    assert abs(middle / picture.width - 0.5) < 0.2
    assert known.weights_sha256 == given.net["sha256"]
    assert unclear.score == 0


def test_another_face_is_like_nobody_and_its_nearest_entry_is_not_named(given, drawing, portrait):
    remove(given.bank, "f-2")
    known, _ = seen(given.make(), drawing)
    assert known.score < 0.5
    assert known.box is not None
    assert "f-1" not in known.note
    known, _ = seen(given.make(), portrait)
    assert known.score > 0.95


def test_a_picture_without_a_face_scores_nothing(given):
    known, unclear = seen(given.make(), Image.new("RGB", (200, 200), "white"))
    assert known.score == unclear.score == 0
    assert known.box is None


def test_a_face_that_is_too_small_is_unclear_and_not_called_unknown(given, portrait):
    known, unclear = seen(given.make(least_side=400), portrait)
    assert known.score == 0
    assert unclear.score == 1
    assert unclear.box is not None


def test_every_face_of_a_picture_is_compared(given, portrait, drawing):
    both = Image.new("RGB", (800, 400), "white")
    both.paste(drawing.resize((400, 400)), (0, 0))
    both.paste(portrait, (400, 0))
    findings = given.make().inspect(Picture(admit_pixels(np.asarray(both))), REQUEST)
    named = {f.note.split(",")[0] for f in findings if f.score >= 0.5}
    assert named == {"entry f-1", "entry f-2"}


def test_the_bank_says_how_far_apart_its_people_are(given, portrait):
    before = spread(read_bank(given.bank))
    assert before.same is None
    assert before.different < 0.5
    portrait.rotate(6, Image.Resampling.BICUBIC).save(given.people / "a" / "2.png")
    again = enrol(given.people, given.bank, **given.net)
    assert again.same > 0.5 > again.different
    assert spread(read_bank(given.bank)) == again


class Portraits(Noise):
    """Draws the portrait, whatever is asked."""

    def __init__(self, portrait):
        super().__init__()
        self._pixels = admit_pixels(np.asarray(portrait))
        self.capabilities = replace(self.capabilities, width=400, height=400)

    def _draw(self, request):
        return self._pixels


def test_a_match_is_refused_and_no_name_is_told_or_written(given, portrait, house):
    rules = [
        {"id": "people", "stage": "image", "category": "known_face", "block": 0.5},
        {"id": "small", "stage": "image", "category": "unclear_face", "review": 0.5},
    ]
    studio = house.studio(
        backend={"plugin": house.add("backend", Portraits(portrait), "portraits")},
        image_filters=[{"plugin": "known-faces", "settings": given.settings()}],
        rules=[*RULES, *rules],
    )
    with pytest.raises(Refused) as refused:
        studio.generate(REQUEST)
    [verdict] = [v for v in refused.value.verdicts if v.category == "known_face"]
    assert verdict.rule == "people"
    assert any("entry f-1" in finding.note for finding in refused.value.findings)
    assert house.leaves()[-1]["outcome"] == "refused"
    told = f"{refused.value} {refused.value.verdicts} {refused.value.findings} {house.leaves()}"
    assert "Zyxwcanary" not in told
    assert "consent, file 7" not in told
    assert "Zyxwcanary" not in repr(read_bank(given.bank))


def test_only_its_owner_can_read_a_bank(given):
    assert stat.S_IMODE(given.bank.stat().st_mode) == 0o600
    given.bank.chmod(0o644)
    with pytest.raises(PluginError, match="chmod 600"):
        given.make()


def test_somebody_can_be_taken_out_of_a_bank(given):
    remove(given.bank, "f-1")
    assert NAME not in given.bank.read_text("utf-8")
    assert [e.id for e in read_bank(given.bank).entries] == ["f-2"]
    with pytest.raises(PluginError, match="no such entry"):
        remove(given.bank, "f-1")
    with pytest.raises(PluginError, match="delete the file"):
        remove(given.bank, "f-2")


def test_what_may_no_longer_be_kept_is_not_used(given, portrait, monkeypatch):
    tomorrow = date.today() + timedelta(days=1)
    given.write(f'id = "f-1"\nname = "{NAME}"\nuntil = {tomorrow}', 'name = "Drawn"')
    enrol(given.people, given.bank, **given.net)
    filter_ = given.make()
    seen(filter_, portrait)
    monkeypatch.setattr(part, "_today", lambda: tomorrow + timedelta(days=1))
    with pytest.raises(PluginError, match=r"last day has passed: f-1;"):
        seen(filter_, portrait)
    with pytest.raises(PluginError, match="last day has passed"):
        given.make()
    given.write(f'name = "{NAME}"\nuntil = 2020-01-01', 'name = "Drawn"')
    with pytest.raises(PluginError, match="last day has passed"):
        enrol(given.people, given.bank, **given.net)


@pytest.mark.parametrize(("broken", "says"), [("nan", "nan"), ("zero", "length 0")])
def test_a_network_that_says_nothing_is_an_error_not_a_pass(given, portrait, broken, says):
    bank = json.loads(given.bank.read_text("utf-8"))
    given.weights.write_bytes(network(**{broken: True}))
    bank["network_sha256"] = given.net["sha256"]
    given.bank.write_text(json.dumps(bank), "utf-8")
    with pytest.raises(PluginError, match=says):
        seen(given.make(), portrait)


def test_a_bank_of_longer_vectors_than_the_networks_is_an_error_of_ours(given, portrait):
    bank = json.loads(given.bank.read_text("utf-8"))
    for entry in bank["entries"]:
        entry["vectors"] = [packed(np.eye(1, 200, dtype=np.float32)[0])]
    given.bank.write_text(json.dumps({**bank, "width": 200}), "utf-8")
    with pytest.raises(PluginError, match="196 numbers, found a bank of 200; enrol again"):
        seen(given.make(), portrait)


def test_a_network_that_wants_channels_last_sees_the_same(given, portrait):
    before, _ = seen(given.make(), portrait)
    given.weights.write_bytes(network(channels_last=True))
    enrol(given.people, given.bank, **given.net)
    after, _ = seen(given.make(), portrait)
    assert after.score == pytest.approx(before.score, abs=1e-4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"bank": ""}, "found no bank"),
        ({"bank": "ghost.json"}, "ghost.json"),
        ({"weights": ""}, "none ships"),
        ({"weights": "ghost.onnx"}, "found no file"),
        ({"sha256": "0" * 64}, "digest of the file"),
        ({"layout": "vgg"}, "arcface, sface, dlib"),
        ({"layout": "dlib"}, r"\(1, 3, 150, 150\)"),
        ({"layout": "sface"}, "enrol again"),
        ({"threshold": 0}, "measured"),
        ({"threshold": 1.0}, "measured"),
        ({"threshold": float("nan")}, "measured"),
        ({"threshold": "high"}, "a number"),
        ({"least_side": 8}, "at least 24"),
        ({"names": True}, "names"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(given, more, says):
    with pytest.raises(PluginError, match=says):
        given.make(**more)


def test_a_file_that_is_no_network_is_an_error(given):
    given.weights.write_bytes(b"no graph")
    bank = json.loads(given.bank.read_text("utf-8")) | {"network_sha256": given.net["sha256"]}
    given.bank.write_text(json.dumps(bank), "utf-8")
    with pytest.raises(PluginError, match=r"net\.onnx"):
        given.make()


def break_vector(bank):
    bank["entries"][0]["vectors"] = ["AAAA"]


def break_length(bank):
    bank["width"] = 10


def break_id(bank):
    bank["entries"][0]["id"] = NAME


def double_id(bank):
    bank["entries"][1]["id"] = bank["entries"][0]["id"]


def empty(bank):
    bank["entries"] = []


def strange_key(bank):
    bank["entries"][0]["address"] = NAME


def name_as_key(bank):
    bank["entries"][0][NAME] = 1


@pytest.mark.parametrize(
    "change", [break_vector, break_length, break_id, double_id, empty, strange_key, name_as_key]
)
def test_a_bank_that_is_not_whole_is_refused_without_quoting_it(given, change):
    bank = json.loads(given.bank.read_text("utf-8"))
    change(bank)
    given.bank.write_text(json.dumps(bank), "utf-8")
    with pytest.raises(PluginError, match=r"faces\.json") as error:
        given.make()
    assert NAME not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_file_that_is_no_bank_is_refused(given, content):
    given.bank.write_bytes(content)
    with pytest.raises(PluginError, match=r"faces\.json"):
        given.make()


def test_only_pictures_of_one_large_face_are_enrolled(given, portrait, drawing):
    both = Image.new("RGB", (800, 400), "white")
    both.paste(drawing.resize((400, 400)), (0, 0))
    both.paste(portrait, (400, 0))
    for picture in (both, portrait.resize((100, 100)), Image.new("RGB", (200, 200))):
        picture.save(given.people / "a" / "1.png")
        with pytest.raises(PluginError, match=r"a/1\.png, found faces of"):
            enrol(given.people, given.bank, **given.net)
    (given.people / "a" / "1.png").write_bytes(b"no picture")
    with pytest.raises(PluginError, match="cannot be read"):
        enrol(given.people, given.bank, **given.net)
    os.remove(given.people / "a" / "1.png")
    with pytest.raises(PluginError, match="no picture in it"):
        enrol(given.people, given.bank, **given.net)


@pytest.mark.parametrize(
    "text",
    [
        "", "[[person]", "[[person]]\nfolder = 'a'\nname = 'x'",
        "[[person]]\nfolder = '../a'\nname = 'x'\nbasis = 'y'",
        "[[person]]\nfolder = 'a'\nname = 'x'\nbasis = ' '",
        "[[person]]\nfolder = 'a'\nname = 'x'\nbasis = 'y'\n" * 2,
        "[[person]]\nfolder = 'a'\nname = 'x'\nbasis = 'y'\nage = 7",
    ],
)  # fmt: skip
def test_nobody_is_enrolled_without_a_name_and_a_reason(given, text):
    (given.people / "people.toml").write_text(text, "utf-8")
    with pytest.raises(PluginError, match=r"people\.toml"):
        enrol(given.people, given.bank, **given.net)


def test_the_score_is_half_at_the_threshold_and_rises_with_the_cosine():
    cosines = np.linspace(-1, 1, 201)
    scores = [score_of(float(c), 0.3) for c in cosines]
    assert scores == sorted(scores)
    assert score_of(0.3, 0.3) == 0.5
    assert (scores[0], scores[-1]) == (0.0, 1.0)
    assert score_of(1.0000001, 0.3) == 1.0


def test_a_similarity_that_was_applied_is_found_again():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.normal(size=4) + 1j * rng.normal(size=4)
        turn, shift = complex(*rng.normal(size=2)), complex(*rng.normal(size=2))
        found = similarity(points, turn * points + shift)
        assert found == pytest.approx((turn, shift))
    with pytest.raises(PluginError, match="on each other"):
        similarity(np.zeros(4, complex), np.ones(4, complex))


@pytest.mark.parametrize("layout", ["arcface", "dlib"])
def test_the_eyes_come_to_lie_where_the_network_wants_them(portrait, layout):
    """A dot is painted on each eye; in the chip it is where the template says."""
    form = LAYOUTS[layout]
    turned = portrait.rotate(15, Image.Resampling.BICUBIC).resize((900, 900))
    [face] = face_finder().find(admit_pixels(np.asarray(turned)))
    for point, place in list(zip(face.points, form.places, strict=False))[:2]:
        dots = Image.new("RGB", turned.size)
        x, y = point
        dots.paste("white", (round(x) - 12, round(y) - 12, round(x) + 12, round(y) + 12))
        chip = chip_of(admit_pixels(np.asarray(dots)), face, form)[:, :, 0].astype(float)
        rows, columns = np.mgrid[: form.side, : form.side]
        centre = ((chip * columns).sum() / chip.sum(), (chip * rows).sum() / chip.sum())
        assert np.hypot(centre[0] - place[0], centre[1] - place[1]) < 0.05 * form.side
