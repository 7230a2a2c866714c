"""The contract first; then what this plugin promises beyond it."""

import numpy as np

from sdk import Picture, Registry, Request
from sdk.contract import check_auditor


def test_the_auditor_keeps_the_contract() -> None:
    check_auditor("NAME")


def test_white_is_brighter_than_blue() -> None:
    white, blue = np.full((8, 8, 3), 255, np.uint8), np.zeros((8, 8, 3), np.uint8)
    blue[:, :, 2] = 255
    part = Registry().make("auditor", "NAME")
    seen = [part.audit(Picture(p), Request(prompt="sky"))[0].score for p in (white, blue)]
    np.testing.assert_allclose(seen, [1.0, 0.0722], atol=1e-6)
