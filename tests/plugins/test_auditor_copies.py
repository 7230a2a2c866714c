"""The nearest-copy auditor, against its own index and against small ones made here."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the copies auditor needs onnxruntime")

import sdk_auditor_copies
from PIL import Image, ImageDraw
from sdk_auditor_copies.build import build
from sdk_auditor_copies.pdq import differing_bits, pdq

from sdk import DataError, Finding, Item, Picture, Pixels, PluginError, Registry, Request, Watch
from sdk.contract import check_auditor, make
from sdk.pixels import admit_pixels

REQUEST = Request(prompt="a shape")


def registry() -> Registry:
    made = Registry()
    made.add(sdk_auditor_copies, "copies")
    return made


def drawing(seed: int) -> Image.Image:
    """Twelve coloured shapes on white, like an icon."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (128, 128), "white")
    pen = ImageDraw.Draw(image)
    for index in range(12):
        x, y = rng.integers(12, 80, 2)
        box = (x, y, x + rng.integers(10, 40), y + rng.integers(10, 40))
        shape = pen.ellipse if index % 2 else pen.rectangle
        shape([int(v) for v in box], fill=tuple(int(v) for v in rng.integers(0, 255, 3)))
    return image


class Drawings:
    """Thirty drawings, one of them twice, and one that must be left out."""

    name = "drawings"

    def items(self, watch: Watch) -> Iterator[Item]:
        for index in [*range(30), 0]:
            pixels = np.asarray(drawing(index))
            yield Item(
                id=f"ours:{index}", pixels=pixels, caption=f"shape {index}", licence="CC0-1.0"
            )
        yield Item(id="logo", pixels=None, caption="logo", licence="?", excluded="a brand")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    assert len(build(Drawings(), folder).entries) == 30
    return folder


def audit(index: Path, image: Image.Image) -> list[Finding]:
    part = make("auditor", "copies", {"index": str(index)}, registry())
    return list(part.audit(Picture(admit_pixels(np.asarray(image.convert("RGB")))), REQUEST))


def jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=50)
    return Image.open(out)


def test_the_auditor_keeps_the_contract() -> None:
    check_auditor("copies", registry=registry())


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "identical": lambda image: image,
    "jpeg": jpeg,
    "smaller": lambda image: image.resize((80, 80)),
    "larger": lambda image: image.resize((512, 512)),
    "cropped": lambda image: image.crop((3, 3, 125, 125)),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.rotate(10, Image.Resampling.BICUBIC, fillcolor="white"),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_scores_at_least_nine_tenths_and_names_its_original(
    index: Path, change: str
) -> None:
    (found,) = audit(index, COPIES[change](drawing(3)))
    assert found.category == "copy"
    assert found.score >= 0.9
    assert "nearest: ours:3 (CC0-1.0), 'shape 3'" in found.note


def test_a_drawing_that_is_not_in_the_index_scores_lower(index: Path) -> None:
    scores = [audit(index, drawing(seed))[0].score for seed in range(100, 130)]
    assert float(np.median(scores)) < 0.1
    assert sum(score >= 0.9 for score in scores) <= 1


def test_a_blank_picture_is_an_abstention(index: Path) -> None:
    assert audit(index, Image.new("RGB", (128, 128), "white")) == []


def test_the_finding_says_which_method_and_which_weights(index: Path) -> None:
    (grey,) = audit(index, drawing(3).convert("L"))
    (turned,) = audit(index, drawing(3).rotate(10, fillcolor="white"))
    assert grey.detector.endswith(" pdq")
    assert turned.detector.endswith(" features")
    assert len(turned.weights_sha256) == 64


def test_the_shipped_index_knows_only_open_licences_and_fits_in_six_megabytes() -> None:
    folder = Path(sdk_auditor_copies.__file__).parent
    shipped = sdk_auditor_copies.Copies()._index
    assert {e.licence for e in shipped.entries} == {"Apache-2.0", "MIT", "CC-BY-4.0"}
    assert sum((folder / f).stat().st_size for f in ("index.npz", "network.onnx")) < 6e6


def test_an_index_of_another_network_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "index.npz").write_bytes((index / "index.npz").read_bytes())
    (tmp_path / "network.onnx").write_bytes((index / "network.onnx").read_bytes())
    damaged = bytearray((tmp_path / "network.onnx").read_bytes())
    at = damaged.index(b"features")  # rename a tensor: still a model, not the same one
    damaged[at : at + 8] = b"featured"
    (tmp_path / "network.onnx").write_bytes(bytes(damaged))
    with pytest.raises(PluginError):
        audit(tmp_path, drawing(0))


@pytest.mark.parametrize("name", ["index.npz", "network.onnx"])
def test_a_missing_or_damaged_file_is_named(index: Path, tmp_path: Path, name: str) -> None:
    for file in ("index.npz", "network.onnx"):
        (tmp_path / file).write_bytes((index / file).read_bytes())
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(PluginError, match=name):
        audit(tmp_path, drawing(0))
    (tmp_path / name).unlink()
    with pytest.raises(PluginError, match=name):
        audit(tmp_path, drawing(0))


def test_a_setting_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(PluginError, match="idnex"):
        registry().make("auditor", "copies", {"idnex": "x"})


def test_pictures_of_the_wrong_size_are_refused(tmp_path: Path) -> None:
    class Large(Drawings):
        def items(self, watch: Watch) -> Iterator[Item]:
            pixels: Pixels = np.zeros((64, 64, 3), np.uint8)
            yield Item(id="small", pixels=pixels, caption="x", licence="MIT")

    with pytest.raises(DataError, match="small"):
        build(Large(), tmp_path)


def test_pdq_equals_the_reference_implementation() -> None:
    pdqhash = pytest.importorskip("pdqhash", reason="the reference PDQ is not installed")
    for seed in range(20):
        pixels = np.ascontiguousarray(drawing(seed))
        expected = np.packbits(np.asarray(pdqhash.compute(pixels)[0], bool))
        assert differing_bits(expected[None], pdq(pixels))[0] <= 2  # ties at the median


def test_bits_are_counted_up_to_all_of_them() -> None:
    zero = np.zeros((1, 32), np.uint8)
    assert differing_bits(zero, zero[0] ^ 255)[0] == 256
    assert differing_bits(zero, np.eye(1, 32, dtype=np.uint8)[0])[0] == 1


def test_a_large_index_finds_what_comparing_with_all_finds() -> None:
    from sdk_auditor_copies.pdq import differing_bits
    from sdk_auditor_copies.search import Buckets, Cells

    chance = np.random.default_rng(0)
    features = chance.standard_normal((6000, 128), np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    hashes = chance.integers(0, 256, (6000, 32), np.uint8)
    cells, buckets = Cells(features), Buckets(hashes)
    for at in range(0, 6000, 300):
        query = features[at : at + 1] + 0.02 * chance.standard_normal((1, 128), np.float32)
        query /= np.linalg.norm(query)
        found, cosine = cells.nearest(query.astype(np.float32))
        assert found == int((features @ query[0]).argmax()) == at
        assert cosine == pytest.approx(float(features[at] @ query[0]), abs=1e-5)
        bits = np.unpackbits(hashes[at])
        bits[chance.permutation(256)[:31]] ^= 1
        near = np.packbits(bits)
        assert buckets.nearest(near[None]) == (at, 31)
        assert int(differing_bits(hashes, near).argmin()) == at
    assert buckets.nearest(chance.integers(0, 256, (1, 32), np.uint8))[1] > 31


@pytest.mark.parametrize("times", [1, 10, 100])
def test_injected_duplicates_are_found_however_often_they_stand_in_the_index(times: int) -> None:
    from sdk_auditor_copies.index import Entry, Index

    chance = np.random.default_rng(1)
    features = chance.standard_normal((2000, 128), np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    hashes = chance.integers(0, 256, (2000, 32), np.uint8)
    features[:times], hashes[:times] = features[0], hashes[0]
    names = ["copy" if at < times else "other" for at in range(2000)]
    papers = [Entry(id=name, licence="CC0-1.0", caption="") for name in names]
    match = Index(papers, hashes, features, "00" * 32).nearest(hashes[:1], features[:1])
    assert (match.by_features.id, match.by_pdq.id, match.bits) == ("copy", "copy", 0)


def test_sdk_audit_copies_names_the_nearest_picture_and_can_fail(
    index: Path, tmp_path: Path
) -> None:
    import json

    from shell import run as sdk

    drawing(3).save(tmp_path / "copy.png")
    Image.new("RGB", (64, 64), "white").save(tmp_path / "blank.png")
    files = [str(tmp_path / "copy.png"), str(tmp_path / "blank.png")]
    said = sdk("audit", "copies", *files, "--index", str(index), "--json")
    assert said.exit_code == 0, said.output
    copy, blank = json.loads(said.stdout)
    assert copy["score"] >= 0.9
    assert "nearest: " in copy["nearest"]
    assert (blank["score"], blank["nearest"]) == (None, "nothing in it to compare")
    assert (
        sdk("audit", "copies", files[0], "--index", str(index), "--fail-at", "0.9").exit_code == 6
    )
    assert sdk("audit", "copies", "none.png", "--index", str(index)).exit_code in (1, 2)
    assert sdk("audit", "copies", files[0], "--index", str(tmp_path)).exit_code in (1, 2)
