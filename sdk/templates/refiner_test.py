"""The contract first; then what this plugin promises beyond it."""

import numpy as np

from sdk import Picture, Registry, Request
from sdk.contract import Quiet, check_refiner


def test_the_refiner_keeps_the_contract() -> None:
    check_refiner("NAME")


def test_a_dull_picture_fills_the_range() -> None:
    dull = np.full((8, 8, 3), 100, np.uint8)
    dull[:4] = 150
    part = Registry().make("refiner", "NAME")
    refined = part.refine(Picture(dull), Request(prompt="fog"), Quiet())
    assert (refined.min(), refined.max()) == (0, 255)
