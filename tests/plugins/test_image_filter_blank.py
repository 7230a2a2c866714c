"""The blank filter: what shows nothing is found, drawings on white are not."""

import numpy as np
import pytest
from sdk_image_blank import BlankFilter

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter, sample
from sdk.pixels import admit_pixels


def score(pixels, **settings):
    picture = Picture(admit_pixels(pixels))
    [finding] = BlankFilter(**settings).inspect(picture, Request(prompt="a shape"))
    return finding.score


def flat(level, side=64):
    return np.full((side, side, 3), level, np.uint8)


def test_the_blank_filter_keeps_the_contract():
    check_image_filter("blank")


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_one_flat_colour_is_blank(level):
    assert score(flat(level)) == 1.0


def test_flat_with_the_last_bit_flickering_is_blank():
    grain = np.random.default_rng(0).integers(0, 2, (64, 64, 3), dtype=np.uint8)
    assert score(flat(127) + grain) > 0.7


def test_one_pixel_is_blank():
    assert score(flat(9, side=1)) == 1.0


def test_a_picture_is_not_blank():
    assert score(sample(64, 64)) < 0.01


def test_a_small_drawing_on_white_is_not_blank():
    pixels = flat(255, side=256)
    pixels[100:130, 100:130] = [255, 0, 0]
    assert score(pixels) < 0.1


def test_one_channel_is_enough_to_show_something():
    pixels = flat(0)
    pixels[:, 32:, 2] = 200
    assert score(pixels) < 0.01


@pytest.mark.parametrize("bad", [0, -1, 300, "1", True, None])
def test_a_wrong_setting_is_an_error_that_names_it(bad):
    with pytest.raises(PluginError, match="flat_std"):
        Registry().make("image_filter", "blank", {"flat_std": bad})
