"""The contract first; then what this plugin promises beyond it."""

import numpy as np

from sdk import Picture, Registry, Request
from sdk.contract import check_image_filter


def test_the_filter_keeps_the_contract() -> None:
    check_image_filter("NAME")


def test_a_half_white_picture_scores_a_half() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32] = 255
    part = Registry().make("image_filter", "NAME")
    (finding,) = part.inspect(Picture(pixels), Request(prompt="snow"))
    assert finding.score == 0.5
