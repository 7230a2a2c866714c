"""Denoising and colourising: trained on eight squares, used as refiners and as a backend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from small_words import Squares

from sdk import Picture, PluginError, Registry, Request, RequestError
from sdk.contract import Quiet, check_backend, check_refiner, check_trainer, sample
from sdk.inputs import InputImage
from sdk.policy import load

torch = pytest.importorskip("torch", reason="the networks need torch")
pytest.importorskip("transformers", reason="the colouriser's words need transformers")

from sdk_restorers.material import spoil  # noqa: E402
from sdk_restorers.networks import guided, join, split  # noqa: E402
from sdk_restorers.parts import asked_for, is_grey  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers deprecate as they go
DENOISE = {"side": 32, "width": 4, "depth": 1, "batch": 4}
COLOURISE = {"side": 64, "width": 4, "depth": 2, "batch": 4}
REQUEST = Request(prompt="a red square")


@pytest.fixture(scope="module")
def models(tmp_path_factory, encoder: str) -> dict[str, str]:
    """Both networks after a few steps, as exported."""
    torch.set_num_threads(1)
    found = {"text_encoder": encoder}
    for name, settings in (("denoise", DENOISE), ("colourise", COLOURISE)):
        folder = tmp_path_factory.mktemp(name)
        asked = {**settings, "text_encoder": encoder, "steps": 3}
        Registry().make("trainer", name, asked).train(Squares(), folder, Quiet())
        found[name] = str(folder / "export")
        assert "| drawn here | CC0-1.0 | nobody | 8 |" in (
            folder / "export" / "MODEL_CARD.md"
        ).read_text("utf-8")
        assert (folder / "sheet.png").exists()
    return found


def given() -> InputImage:
    pixels = sample(64, 48)
    return InputImage(data=pixels.tobytes(), media_type="image/png", pixels=pixels)


def grey() -> np.ndarray:
    return np.repeat(sample(64, 48).mean(2, keepdims=True).astype(np.uint8), 3, 2)


@pytest.mark.parametrize(("name", "settings"), [("denoise", DENOISE), ("colourise", COLOURISE)])
def test_the_trainers_keep_the_contract(name, settings, tmp_path: Path, encoder: str):
    check_trainer(name, {**settings, "text_encoder": encoder, "steps": 2}, tmp_path / "run")


@pytest.mark.parametrize("name", ["denoise", "colourise"])
def test_the_refiners_keep_the_contract(name, models):
    check_refiner(name, {"model": models[name], "text_encoder": models["text_encoder"]})


def colouriser(models, **more):
    settings = {"model": models["colourise"], "text_encoder": models["text_encoder"], **more}
    return Registry().make("refiner", "colourise", settings)


def test_the_backend_keeps_the_contract(models):
    request = Request(prompt="denoise", init_image=given())
    check_backend("restore", models, request=request)


def test_denoising_in_tiles_leaves_no_seam(models):
    part = Registry().make("refiner", "denoise", {"model": models["denoise"]})
    pixels = sample(300, 271)
    tiled = part.refine(Picture(pixels), REQUEST, Quiet()).astype(int)
    assert np.abs(tiled - part._run(pixels)).max() <= 1


def test_a_picture_with_colours_keeps_them(models):
    part = colouriser(models)
    pixels = sample(64, 48)
    assert not is_grey(pixels)
    assert np.array_equal(part.refine(Picture(pixels), REQUEST, Quiet()), pixels)


def test_colourising_changes_colours_and_keeps_the_luma(models):
    part = colouriser(models)
    with torch.no_grad():
        part._network.leave.bias += 0.05  # three steps have hardly learned a colour
    made = part.refine(Picture(grey()), REQUEST, Quiet())
    assert not is_grey(made)
    weights = np.array([0.299, 0.587, 0.114])
    inner = (made > 0).all(2) & (made < 255).all(2)  # nothing was clipped
    assert np.abs(made @ weights - grey() @ weights)[inner].max() <= 1
    half = colouriser(models, strength=0.5)
    half._network = part._network
    before, after = grey().astype(int), half.refine(Picture(grey()), REQUEST, Quiet()).astype(int)
    assert np.abs((after - before) * 2 - (made - before)).max() <= 2


def test_the_prompt_names_the_work():
    assert asked_for("Denoise") == ({"denoise"}, "")
    assert asked_for("deblur, colourise a red apple") == ({"denoise", "colourise"}, "a red apple")
    with pytest.raises(RequestError, match="denoise, deblur, colourise, colorize"):
        asked_for("a red apple")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init_image": None}, "give an init image"),
        ({"steps": 9}, "9 steps"),
        ({"negative_prompt": "noise"}, "negative prompt"),
        ({"strength": 0.5}, "strength 0.5"),
        ({"prompt": "colourise"}, "picture with colours"),
    ],
)
def test_what_mending_has_not_is_refused(models, changes, message):
    part = Registry().make("backend", "restore", models)
    asked = {"prompt": "denoise", "init_image": given(), **changes}
    with pytest.raises(RequestError, match=message):
        part.render([Request(**asked)], Quiet())


def test_a_work_without_a_model_is_refused_by_name(models, monkeypatch, tmp_path: Path):
    monkeypatch.setattr("sdk_restorers.parts.bundled", lambda name: tmp_path / name)
    part = Registry().make("backend", "restore", {"denoise": models["denoise"]})
    grey_one = InputImage(data=b"", media_type="image/png", pixels=grey())
    request = Request(prompt="denoise", init_image=grey_one)
    assert part.render([request], Quiet())[0].shape == grey().shape
    with pytest.raises(RequestError, match="asked to colourise, found no model"):
        part.render([replace(request, prompt="denoise and colourise")], Quiet())
    with pytest.raises(PluginError, match="no bundled model"):
        Registry().make("backend", "restore", {})


@pytest.mark.parametrize(
    ("kind", "name", "settings", "message"),
    [
        ("refiner", "denoise", {"modle": "x"}, "modle"),
        ("refiner", "denoise", {"strength": 0.0}, "strength"),
        ("refiner", "denoise", {"model": "nowhere"}, "no bundled model"),
        ("backend", "restore", {"style": "x"}, "unknown setting style"),
        ("trainer", "denoise", {"steps": 1, "depth": 0}, "depth 0"),
        ("trainer", "colourise", {"steps": 1, "side": 32}, "works at 64"),
        ("trainer", "colourise", {"steps": 1, "width": 6}, "multiple of 4"),
    ],
)
def test_a_wrong_setting_is_named(kind, name, settings, message):
    with pytest.raises(PluginError, match=message):
        Registry().make(kind, name, settings)


def test_another_text_encoder_than_the_models_own_is_refused(models):
    with pytest.raises(PluginError, match="set text_encoder"):
        Registry().make("refiner", "colourise", {"model": models["colourise"]})


def test_luma_and_chroma_are_those_of_jpeg():
    """ITU-T T.871, section 7, as Pillow computes it."""
    from PIL import Image

    pixels = sample(16, 16)
    luma, chroma = split(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1)
    theirs = np.asarray(Image.fromarray(pixels).convert("YCbCr")).astype(float)
    ours = torch.cat([(luma + 1) * 127.5, chroma * 127.5 + 128], 1)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() <= 1.01
    back = (join(luma, chroma)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(back - pixels).max() < 1e-2


def test_colours_do_not_spill_over_an_edge():
    large = torch.full((1, 1, 256, 256), -0.8)
    large[..., 128:] = 0.8
    small = torch.nn.functional.avg_pool2d(large, 4)
    chroma = (small > 0).float().expand(-1, 2, -1, -1) * 0.5
    made = guided(small, chroma, large)
    assert made.shape == (1, 2, 256, 256)
    assert made[..., :127].max() < 0.02
    assert made[..., 129:].min() > 0.48


def test_spoilt_pictures_are_spoilt_repeatably():
    pixels = sample(64, 64)
    one, same = (spoil(pixels, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, pixels)


def test_the_policy_for_mending_has_every_control_of_the_default_policy():
    own, default = (load(name).model_dump() for name in ("restore", "default"))
    for table in (own, default):
        for key in ("name", "description", "backend", "refiners", "requires", "packs", "origins"):
            table.pop(key, None)
        table["locks"] = sorted(table["locks"])  # which pack locked it is its name
    assert own == default


def test_the_bundled_networks_give_back_more_than_was_left():
    """A drawing of flat shapes: less error than the spoilt picture, colours where grey has none."""
    image = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(image).ellipse([16, 16, 112, 112], fill=(250, 200, 60))
    ImageDraw.Draw(image).ellipse([40, 44, 54, 64], fill=(60, 40, 30))
    clean = np.asarray(image)
    noise = np.random.default_rng(0).normal(0, 12, clean.shape)
    worse = (clean + noise).round().clip(0, 255).astype(np.uint8)
    part = Registry().make("refiner", "denoise", {})
    mended = part.refine(Picture(worse), REQUEST, Quiet())
    assert np.square(mended.astype(float) - clean).mean() < 0.5 * np.square(noise).mean()
    luma = np.repeat((clean @ [0.299, 0.587, 0.114]).round().astype(np.uint8)[..., None], 3, 2)
    coloured = Registry().make("refiner", "colourise", {})
    face = coloured.refine(Picture(luma), Request(prompt="a smiling face"), Quiet()).astype(float)
    assert face[80, 64, 0] > face[80, 64, 2] + 40  # yellow has little blue
