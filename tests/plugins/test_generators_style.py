"""Styles: the fast network, the optimised pixels, the filter, and training one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_words import Squares

from sdk import Picture, PluginError, Registry, Request, RequestError
from sdk.contract import Quiet, check_refiner, check_trainer, sample
from sdk.inputs import InputImage
from sdk.policy import load

torch = pytest.importorskip("torch", reason="styles need torch")
diffusers = pytest.importorskip("diffusers", reason="styles need diffusers")

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and diffusers deprecate as they go


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vae")
    diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
    ).save_pretrained(folder)
    return str(folder)


def given(width: int = 64, height: int = 96) -> InputImage:
    out = io.BytesIO()
    Image.fromarray(sample(width, height)).save(out, "PNG")
    return InputImage.decode(out.getvalue())


@pytest.mark.parametrize("style", ["mosaic", "waves", "hatching", "dots"])
def test_the_filter_keeps_the_contract_in_every_style(style: str):
    check_refiner("style", {"style": style})


def test_the_backend_redraws_the_picture_in_the_style_that_the_prompt_names():
    part = Registry().make("backend", "style")
    asked = {"seed": 1, "init_image": given(), "width": 64, "height": 96}
    waves, again, mosaic = (
        part.render([Request(prompt=prompt, **asked)], Quiet())[0]
        for prompt in ("waves", "in the style of waves", "mosaic")
    )
    assert waves.shape == (96, 64, 3)
    assert np.array_equal(waves, again)
    # Blue against warm stone: the styles' own colours.
    assert (
        waves[..., 2].mean() - waves[..., 0].mean() > mosaic[..., 2].mean() - mosaic[..., 0].mean()
    )


def test_strength_mixes_the_style_into_the_picture():
    part = Registry().make("backend", "style")
    asked = {"prompt": "waves", "seed": 1, "init_image": given(), "width": 64, "height": 96}
    half, whole = (
        part.render([Request(**asked, strength=s)], Quiet())[0].astype(int) for s in (0.5, 1.0)
    )
    assert np.abs(half - (sample(64, 96).astype(int) + whole) / 2).max() <= 1


@pytest.mark.parametrize("prompt", ["a red apple", "waves and dots", "mosaics"])
def test_a_prompt_that_names_no_style_or_two_is_refused(prompt: str):
    part = Registry().make("backend", "style")
    with pytest.raises(RequestError, match="mosaic, waves, hatching, dots"):
        part.render([Request(prompt=prompt, seed=1, init_image=given())], Quiet())


def test_a_style_has_no_guidance_and_needs_a_picture():
    part = Registry().make("backend", "style")
    with pytest.raises(RequestError, match="init image"):
        part.render([Request(prompt="waves", seed=1)], Quiet())
    with pytest.raises(RequestError, match="leave it out"):
        part.render(
            [Request(prompt="waves", seed=1, init_image=given(), guidance_scale=2.0)], Quiet()
        )


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"style": "cubism"}, "mosaic, waves"),
        ({"style": "nowhere.png", "mode": "optimise"}, "picture file"),
        ({"mode": "slow"}, "fast or optimise"),
        ({"strength": 0.0}, "strength in"),
        ({"colour": 1}, "unknown setting colour"),
    ],
)
def test_what_a_policy_gets_wrong_is_named(settings: dict[str, object], match: str):
    with pytest.raises(PluginError, match=match):
        Registry().make("refiner", "style", settings)


@pytest.mark.slow
def test_optimising_moves_a_picture_to_the_style_of_a_file(tmp_path: Path):
    paint = np.zeros((64, 64, 3), np.uint8)
    paint[::2] = (250, 40, 30)
    Image.fromarray(paint).save(tmp_path / "red.png")
    settings = {"style": str(tmp_path / "red.png"), "mode": "optimise"}
    part = Registry().make("refiner", "style", settings)
    before = Picture(sample(32, 32))
    watch = Quiet()
    after = part.refine(before, Request(prompt="a shape"), watch)
    assert after.shape == (32, 32, 3)
    assert watch.steps[-1] == (110, 110)
    gap = [
        np.abs(p.astype(float).mean((0, 1)) - (125, 20, 15)).sum() for p in (before.pixels, after)
    ]
    assert gap[1] < 0.7 * gap[0]
    assert np.array_equal(after, part.refine(before, Request(prompt="a shape"), Quiet()))


def test_a_picture_too_large_to_optimise_is_refused():
    part = Registry().make("refiner", "style", {"mode": "optimise"})
    with pytest.raises(RequestError, match="512 pixels a side"):
        part.refine(Picture(sample(520, 64)), Request(prompt="a shape"), Quiet())


def test_a_network_is_trained_on_styles_and_redraws_with_them(tmp_path: Path, encoder_folder: str):
    tiny = {"side": 32, "batch": 2, "width": 4, "steps": 3, "encoder": encoder_folder}
    Image.fromarray(sample(40, 30)).save(tmp_path / "mine.png")
    styles = ("waves", str(tmp_path / "mine.png"))
    check_trainer("style", {**tiny, "styles": styles}, tmp_path / "run")
    folder = str(tmp_path / "run" / "export")
    check_refiner("style", {"model": folder, "style": "mine"})
    trainer = Registry().make("trainer", "style", {**tiny, "styles": styles})
    trainer.train(Squares(), tmp_path / "other", Quiet())
    card = (tmp_path / "other" / "export" / "MODEL_CARD.md").read_text()
    assert "| drawn here | CC0-1.0 | nobody | 8 |" in card


def test_the_policy_for_styles_has_every_control_of_the_default_policy():
    own, default = (load(name).model_dump() for name in ("restyle", "default"))
    for table in (own, default):
        for key in ("name", "description", "backend", "refiners", "requires", "packs", "origins"):
            table.pop(key, None)
        table["locks"] = sorted(table["locks"])  # which pack locked it is its name
    assert own == default
