"""A picture in tiles comes out as if it had gone through whole."""

import numpy as np
import pytest

from sdk.contract import Quiet, sample
from sdk.errors import RequestError
from sdk.tiling import in_tiles


def blurred(pixels):
    """A network that looks two pixels around: 5 x 5 box, then twice as large."""
    wide = np.pad(pixels.astype(np.int64), ((2, 2), (2, 2), (0, 0)), mode="edge")
    rows = sum(wide[i : i + len(pixels)] for i in range(5))
    total = sum(rows[:, i : i + pixels.shape[1]] for i in range(5))
    return (total // 25).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (257, 3), (600, 300)])
def test_tiles_fit_without_a_seam(size):
    pixels = sample(*size)
    drawn = in_tiles(blurred, pixels, Quiet(), scale=2, border=2)
    assert np.array_equal(drawn, blurred(pixels))


def test_a_border_that_is_too_narrow_shows():
    pixels = sample(300, 300)
    assert not np.array_equal(in_tiles(blurred, pixels, Quiet(), scale=2), blurred(pixels))


def test_every_tile_is_a_step_and_what_is_too_large_is_refused_before_the_first():
    watch = Quiet()
    in_tiles(lambda piece: piece, sample(300, 280), watch)
    assert watch.steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    late = Quiet()
    with pytest.raises(RequestError, match="found 8200x4"):
        in_tiles(blurred, np.zeros((2, 4100, 3), np.uint8), late, scale=2)
    assert late.steps == []
