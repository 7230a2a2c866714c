"""The contract first; then what this plugin promises beyond it."""

import numpy as np
import pytest

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter


def test_the_filter_keeps_the_contract():
    check_image_filter("grey")


def test_grey_scores_one_and_red_scores_zero():
    part = Registry().make("image_filter", "grey")
    grey, red = np.full((8, 8, 3), 90, np.uint8), np.zeros((8, 8, 3), np.uint8)
    red[:, :, 0] = 200
    scores = [part.inspect(Picture(p), Request(prompt="x"))[0].score for p in (grey, red)]
    assert scores == [1.0, 0.0]


def test_a_misspelt_setting_is_an_error_that_names_it():
    with pytest.raises(PluginError, match="colorful"):
        Registry().make("image_filter", "grey", {"colorful": 3})
