"""The enlarging network: a training run from nothing, and the refiner with what it left."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sdk import (
    BackendError,
    Item,
    Picture,
    PluginError,
    Registry,
    Request,
    RequestError,
    TrainError,
    Watch,
)
from sdk.contract import Quiet, check_refiner, check_trainer, sample

torch = pytest.importorskip("torch", reason="the generate extra is not installed")
REQUEST = Request(prompt="a shape")
TINY = {"width": 4, "depth": 1, "steps": 4, "batch": 2, "crop": 8, "share": 1.0}


@pytest.fixture(scope="module")
def refiner():
    return Registry().make("refiner", "superres")


def shapes(side: int) -> Image.Image:
    """Flat shapes with curved outlines, drawn at `side` pixels."""
    image = Image.new("RGB", (side, side), "white")
    pen, unit = ImageDraw.Draw(image), side / 128
    pen.ellipse([20 * unit, 16 * unit, 108 * unit, 112 * unit], fill=(255, 200, 60))
    pen.ellipse([40 * unit, 40 * unit, 56 * unit, 62 * unit], fill=(40, 30, 30))
    pen.rectangle([50 * unit, 84 * unit, 86 * unit, 92 * unit], fill=(200, 30, 40))
    return image


def error(a: object, b: object) -> float:
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean())


def test_the_refiner_keeps_the_contract():
    check_refiner("superres")


def soft(drawing: Image.Image) -> Image.Image:
    """As a small VAE makes them: blur of a pixel, noise of 4 levels."""
    small = drawing.resize((128, 128), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.7))
    noise = np.random.default_rng(0).normal(0, 4, (128, 128, 3))
    return Image.fromarray((np.asarray(small) + noise).clip(0, 255).round().astype(np.uint8))


@pytest.mark.parametrize(("spoil", "share"), [(None, 0.7), (soft, 0.85)])
def test_drawings_come_nearer_to_the_truth_than_by_lanczos(refiner, spoil, share):
    """Measured: .60 and .76 of the error that Lanczos leaves."""
    drawing = shapes(2048)
    truth = drawing.resize((512, 512), Image.Resampling.BOX)
    small = spoil(drawing) if spoil else drawing.resize((128, 128), Image.Resampling.BOX)
    drawn = refiner.refine(Picture(np.asarray(small)), REQUEST, Quiet())
    lanczos = small.resize((512, 512), Image.Resampling.LANCZOS)
    assert drawn.shape == (512, 512, 3)
    assert error(drawn, truth) < share * error(lanczos, truth)


def test_white_paper_stays_white_to_the_rim(refiner):
    drawn = refiner.refine(Picture(np.full((40, 40, 3), 255, np.uint8)), REQUEST, Quiet())
    assert drawn.min() >= 253


def test_the_picture_stays_the_picture(refiner):
    before = np.asarray(shapes(512).resize((128, 128), Image.Resampling.BOX))
    grown = Picture(refiner.refine(Picture(before), REQUEST, Quiet()))
    assert error(grown.resized(128, 128), before) < 2


def test_tiles_leave_no_seam(refiner):
    picture, watch = Picture(sample(300, 280)), Quiet()
    tiled = refiner.refine(picture, REQUEST, watch).astype(int)
    whole = refiner._run(np.ascontiguousarray(picture.pixels))
    assert watch.steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.abs(tiled - whole).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (257, 1)])
def test_odd_sizes_are_enlarged(refiner, size):
    grown = refiner.refine(Picture(sample(*size)), REQUEST, Quiet())
    assert grown.shape == (size[1] * 4, size[0] * 4, 3)


def test_large_pictures_pass_or_are_refused(refiner):
    small = Registry().make("refiner", "superres", {"up_to": 256})
    picture = Picture(sample(80, 64))
    assert np.shares_memory(small.refine(picture, REQUEST, Quiet()), picture.pixels)
    with pytest.raises(RequestError, match="8192"):
        refiner.refine(Picture(np.zeros((1, 2049, 3), np.uint8)), REQUEST, Quiet())


def test_numbers_that_are_not_finite_are_not_a_picture(refiner, monkeypatch):
    broken = torch.full((1, 3, 16, 16), float("nan"))
    monkeypatch.setattr(refiner._network, "forward", lambda small: broken)
    with pytest.raises(BackendError, match="not finite"):
        refiner.refine(Picture(sample(4, 4)), REQUEST, Quiet())


@pytest.mark.parametrize("settings", [{"up_to": -1}, {"up_to": True}, {"weights": "x"}])
def test_a_wrong_setting_is_named(settings):
    with pytest.raises(PluginError, match="superres"):
        Registry().make("refiner", "superres", settings)


def test_a_model_that_is_not_there_or_is_damaged_is_said(tmp_path: Path):
    with pytest.raises(PluginError, match="no bundled model"):
        Registry().make("refiner", "superres", {"model": "nowhere"})
    (tmp_path / "model_index.json").write_text('{"_class_name": "Compact", "width": 4, "depth": 1}')
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(PluginError, match="damaged"):
        Registry().make("refiner", "superres", {"model": str(tmp_path)})


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sdk_generators.folder", None)
    with pytest.raises(PluginError, match=r"not installed.*\[generate\]"):
        Registry().make("refiner", "superres")


class Shapes:
    """Six drawings of 64 pixels, one twice in another tone, and one that must not be used."""

    name = "shapes"

    def items(self, watch: Watch) -> Iterator[Item]:
        for index in range(6):
            yield Item(
                id=f"shapes:{index}",
                pixels=np.asarray(shapes(64).rotate(30 * index)).copy(),
                caption="a shape",
                concept=f"shape {min(index, 4)}",
                licence="CC0-1.0",
                source="drawn here",
            )
        yield Item(id="logo", pixels=None, caption="logo", licence="?", excluded="a brand")


def test_the_trainer_keeps_the_contract(tmp_path: Path):
    check_trainer("superres", TINY | {"crop": 8}, tmp_path)


def test_a_run_leaves_weights_that_the_refiner_takes(tmp_path: Path):
    trainer = Registry().make("trainer", "superres", TINY | {"checkpoint_every": 2})
    model = trainer.train(Shapes(), tmp_path, Quiet())
    used = Registry().make("refiner", "superres", {"model": str(tmp_path / "export")})
    assert used.model.sha256 == model.sha256
    assert used.refine(Picture(sample(8, 8)), REQUEST, Quiet()).shape == (32, 32, 3)
    known = json.loads((tmp_path / "cache" / "pairs.json").read_text())
    assert known["pictures"] == 5
    assert known["excluded"] == {"a brand": 1, "another one of the same thing and style": 1}
    assert "CC0-1.0" in (tmp_path / "export" / "MODEL_CARD.md").read_text()
    assert model.licence == "CC0-1.0"
    assert len(list(tmp_path.glob("sheet-*.png"))) == 2


def test_a_stopped_run_goes_on_and_ends_like_an_uncut_one(tmp_path: Path):
    whole = Registry().make("trainer", "superres", TINY)
    one = whole.train(Shapes(), tmp_path / "whole", Quiet())
    cut = Registry().make("trainer", "superres", TINY | {"checkpoint_every": 2})
    with pytest.raises(Exception, match="stop"):
        cut.train(Shapes(), tmp_path / "cut", StopAt(3))
    again = Registry().make("trainer", "superres", TINY | {"checkpoint_every": 2})
    assert again.train(Shapes(), tmp_path / "cut", Quiet()).sha256 == one.sha256


def test_only_what_a_prepared_folder_trains_on_is_used(tmp_path: Path):
    papers = [{"id": f"shapes:{n}", "split": "held-out" if n == 2 else "train"} for n in range(6)]
    lines = "".join(json.dumps(paper) + "\n" for paper in papers)
    (tmp_path / "items.jsonl").write_text(lines)
    trainer = Registry().make("trainer", "superres", TINY | {"splits": str(tmp_path)})
    trainer.train(Shapes(), tmp_path / "run", Quiet())
    known = json.loads((tmp_path / "run" / "cache" / "pairs.json").read_text())
    assert known["pictures"] == 4
    assert known["excluded"]["not trained on"] == 1


class StopAt:
    """A watch that stops at a step of the training."""

    def __init__(self, step: int) -> None:
        self._step = step

    def step(self, done: int, total: int, /) -> None:
        if (done, total) == (self._step, TINY["steps"]):
            raise RuntimeError("stop")


@pytest.mark.filterwarnings("ignore::UserWarning")  # the hub's client deprecates as it goes
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"crop": 64}, "at least 256"),
        ({"share": 0.0}, "one size"),
        ({"vae": "nowhere"}, "diffusers folder"),
        ({"splits": "nowhere"}, "data prepare"),
        ({"learning_rate": 1e30}, "not a number"),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path: Path, settings, why):
    trainer = Registry().make("trainer", "superres", TINY | {"warmup": 1} | settings)
    with pytest.raises(TrainError, match=why):
        trainer.train(Shapes(), tmp_path, Quiet())


def test_a_damaged_checkpoint_is_said(tmp_path: Path):
    trainer = Registry().make("trainer", "superres", TINY)
    trainer.train(Shapes(), tmp_path, Quiet())
    (tmp_path / "last.pt").write_bytes(b"half")
    again = Registry().make("trainer", "superres", TINY)
    with pytest.raises(TrainError, match="damaged"):
        again.train(Shapes(), tmp_path, Quiet())


@pytest.mark.parametrize("settings", [{"steps": 0}, {"clean": 2.0}])
def test_a_recipe_out_of_range_is_named(settings):
    with pytest.raises(PluginError, match=next(iter(settings))):
        Registry().make("trainer", "superres", settings)
