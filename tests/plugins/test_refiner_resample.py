import numpy as np
import pytest

from sdk import Cancelled, Picture, PluginError, Registry, Request, RequestError
from sdk.contract import Quiet, check_refiner, sample

REQUEST = Request(prompt="a shape")


def make(**settings):
    return Registry().make("refiner", "resample", settings)


def test_the_refiner_keeps_the_contract():
    check_refiner("resample")
    check_refiner("resample", {"scale": 2})


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_width_and_height_grow_by_the_scale(scale):
    picture = Picture(sample(96, 64))
    grown = make(scale=scale).refine(picture, REQUEST, Quiet())
    assert grown.shape == (64 * scale, 96 * scale, 3)
    assert grown.dtype == np.uint8


def test_shrinking_the_result_again_gives_the_picture_back():
    before = sample(128, 128)
    grown = Picture(make().refine(Picture(before), REQUEST, Quiet()))
    back = grown.resized(128).astype(int)
    assert np.abs(back - before).mean() < 3.0  # of 255; grain above Nyquist/2 is what is lost


def test_a_flat_colour_stays_that_colour():
    flat = np.full((32, 32, 3), (200, 30, 90), np.uint8)
    grown = make().refine(Picture(flat), REQUEST, Quiet())
    assert (grown == (200, 30, 90)).all()


def test_a_picture_that_would_exceed_up_to_passes_unchanged():
    small, large = Picture(sample(128, 96)), Picture(sample(256, 64))
    refiner = make(scale=4, up_to=512)
    assert refiner.refine(small, REQUEST, Quiet()).shape == (384, 512, 3)
    assert np.array_equal(refiner.refine(large, REQUEST, Quiet()), large.pixels)


def test_a_result_above_8192_pixels_is_refused():
    wide = Picture(np.zeros((2, 2100, 3), np.uint8))
    with pytest.raises(RequestError, match="2100x2 4 times, found 8400x8"):
        make().refine(wide, REQUEST, Quiet())


def test_cancellation_goes_through():
    with pytest.raises(Cancelled):
        make().refine(Picture(sample(64, 64)), REQUEST, Quiet(cancel_at=0))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"scale": 1}, "scale = 1"),
        ({"scale": 2.5}, "scale = 2.5"),
        ({"scale": True}, "scale = True"),
        ({"up_to": -1}, "up_to = -1"),
        ({"scail": 4}, "scail"),
    ],
)
def test_a_wrong_setting_is_named(settings, named):
    with pytest.raises(PluginError, match=named):
        make(**settings)
