"""Which carriers of the tile watermark get how much of its energy."""

import numpy as np
import pytest
from sdk_watermark_tile.keys import TILE, carriers
from sdk_watermark_tile.tile import favoured, is_low


@pytest.fixture
def reach():
    return np.ones(len(carriers()), np.float32)


def steep():
    """A picture whose waves fall as one over their number."""
    waves = np.fft.fftfreq(TILE, 1 / TILE)
    number = np.hypot(waves[:, None], waves)
    return (100 / np.maximum(number, 1)).astype(np.complex64)


def test_waves_that_the_picture_buries_get_less(reach):
    factors = favoured(steep(), reach)
    number = np.hypot(*carriers().T)
    for band in (is_low(), ~is_low()):
        finer = np.argsort(number[band])
        assert np.corrcoef(number[band], factors[band])[0, 1] > 0.9
        assert factors[band][finer[0]] < 0.8 < 1.1 < factors[band][finer[-1]]


def test_each_band_keeps_its_energy(reach):
    factors = favoured(steep(), reach)
    for band in (is_low(), ~is_low()):
        assert np.mean(factors[band] ** 2) == pytest.approx(1, abs=1e-4)


def test_no_carrier_is_given_up(reach):
    host = steep()
    host[9:12] *= 1000  # a grating
    factors = favoured(host, reach)
    assert factors.min() > 0.3
    assert factors.max() < 2.5


def test_an_even_picture_changes_nothing(reach):
    assert favoured(np.ones((TILE, TILE), np.complex64), reach) == pytest.approx(1, abs=1e-4)
