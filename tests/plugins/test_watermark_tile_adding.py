"""Adding the mark in whole numbers: what the quick way does is what the plain way would do."""

import numpy as np
import pytest
from sdk_watermark_tile.adding import MARK_UNIT, Layer, add, fixed, levels, strips


def layers(side, blocks=(9, 12), seed=0):
    rng = np.random.default_rng(seed)
    return [
        Layer(
            tile=np.clip(rng.normal(size=(side, side)), -3, 3).astype(np.float32),
            gain=rng.uniform(0.2, 1.5, blocks).astype(np.float32),
        )
        for _ in range(2)
    ]


def between(plane, at):
    """Linear interpolation along axis 0, places clamped."""
    at = np.clip(at, 0, len(plane) - 1)
    first = np.minimum(at.astype(int), len(plane) - 2)
    rest = (at - first)[:, None]
    return plane[first] * (1 - rest) + plane[first + 1] * rest


def plainly(made, pitch, tile_blocks, size):
    """The same sum in float64, pixel by pixel."""
    total = np.zeros(size)
    for layer in made:
        y, x = ((np.arange(n) + 0.5) / (pitch / tile_blocks) - 0.5 for n in size)
        gain = between(between(layer.gain.astype(float), y).T, x).T
        side = len(layer.tile)
        y, x = (((np.arange(n) + 0.5) * side / pitch - 0.5) % side for n in size)
        wrapped = np.pad(layer.tile.astype(float), ((0, 1), (0, 1)), mode="wrap")
        total += gain * between(between(wrapped, y).T, x).T
    return total


@pytest.mark.parametrize("pitch", [32, 32.0, 25.7, 40.3])
def test_whole_numbers_lose_little_of_the_energy(pitch):
    made, size = layers(max(32, int(np.ceil(pitch)))), (70, 97)
    found = levels(np.concatenate(list(strips(made, pitch, 4, size))))
    plain = plainly(made, pitch, 4, size)
    away = found - plain
    assert np.mean(away**2) < 0.004 * np.mean(plain**2)
    assert np.abs(away).max() < 0.2
    assert abs(away.mean()) < 0.003


@pytest.mark.parametrize("grain", [1, 2, 3])
@pytest.mark.parametrize("size", [(12, 18), (13, 17)])
def test_every_value_is_added_to_its_square_and_saturates(grain, size):
    rng = np.random.default_rng(grain)
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels[:4] = rng.choice([0, 1, 254, 255], (4, size[1], 3))
    mark = rng.uniform(-40, 40, [-(-n // grain) for n in size]).astype(np.float32)
    whole = np.kron(mark, np.ones((grain, grain)))[: size[0], : size[1], None]
    expected = np.clip(pixels + np.floor(np.rint(whole * MARK_UNIT) / MARK_UNIT + 0.5), 0, 255)
    before = pixels.copy()
    parts = np.array_split(fixed(mark), 2)
    assert np.array_equal(add(pixels, parts, grain), expected)
    assert np.array_equal(pixels, before)


def test_a_mark_beyond_what_fits_is_limited_not_wrapped():
    mark = np.array([[1e4, -1e4, 70, -70]], np.float32)
    assert np.array_equal(np.sign(levels(fixed(mark))), [[1, -1, 1, -1]])
    loud = [Layer(tile=np.full((4, 4), 99, np.float32), gain=np.full((2, 2), 7.5, np.float32))]
    assert levels(next(strips(loud * 2, 4, 2, (4, 4)))).min() > 40
