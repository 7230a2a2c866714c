"""Arrays of other kinds than 8-bit RGB carry the mark in their own depth."""

import numpy as np
import pytest
from sdk_watermark_tile import TileWatermark, mark_array
from sdk_watermark_tile.arrays import seen

from sdk import MarkError
from sdk.contract import sample

ID = bytes.fromhex("0123456789abcdef")
MARK = TileWatermark(key="11" * 32)
RGB = sample(256, 256, 3)
GREY = RGB.mean(2).astype(np.uint8)
ALPHA = np.full((256, 256, 1), 255, np.uint8)
ALPHA[:30] = 0
ALPHA[30:60] = 128

KINDS = {
    "grey": GREY,
    "grey, one channel": GREY[:, :, None],
    "grey and alpha": np.concatenate([GREY[:, :, None], ALPHA], axis=2),
    "RGB": RGB,
    "RGB and alpha": np.concatenate([RGB, ALPHA], axis=2),
    "16-bit": RGB.astype(np.uint16) * 257 + 77,
    "half": (RGB / 255).astype(np.float16),
    "float": (RGB / 255).astype(np.float32),
    "float, brighter than white": (RGB / 200).astype(np.float64),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_shape_and_type_and_carries_the_mark(kind):
    before = KINDS[kind].copy()
    out = mark_array(MARK, KINDS[kind], ID)
    assert (out.shape, out.dtype) == (before.shape, before.dtype)
    assert np.array_equal(KINDS[kind], before)
    assert MARK.detect(seen(out)).payload == ID


def test_alpha_is_kept_and_what_it_hides_is_not_changed():
    before = KINDS["RGB and alpha"]
    out = mark_array(MARK, before, ID)
    assert np.array_equal(out[..., 3], before[..., 3])
    assert np.array_equal(out[:30], before[:30])
    assert not np.array_equal(out[60:], before[60:])


def test_the_lower_bits_of_16_bit_pictures_stay():
    before = KINDS["16-bit"]
    change = mark_array(MARK, before, ID).astype(int) - before
    inside = np.abs(change) < 257 * 20
    assert (change[inside] % 257 == 0).mean() > 0.98  # the rest met white or black
    assert np.abs(change).max() < 257 * 20


def test_what_is_brighter_than_white_is_kept():
    before = KINDS["float, brighter than white"]
    out = mark_array(MARK, before, ID)
    assert np.array_equal(out[before > 1], before[before > 1])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (RGB.astype(np.int32), "uint8, uint16 or float"),
        (np.zeros((256, 256, 5), np.uint8), "shape"),
        (np.zeros(256, np.uint8), "shape"),
        (np.full((256, 256), np.nan, np.float32), "no numbers"),
        (RGB.astype(np.float32), "divide"),
        (np.zeros((256, 256, 4), np.uint8), "opaque"),
        (np.zeros((64, 64), np.uint8), "short side of 256"),
    ],
)
def test_what_cannot_be_marked_is_refused_with_a_reason(array, reason):
    with pytest.raises(MarkError, match=reason):
        mark_array(MARK, array, ID)
