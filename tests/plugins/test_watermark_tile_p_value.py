"""What the tile watermark's log10 p says about unmarked pictures, against how often it is said."""

import math

import numpy as np
import pytest
from sdk_watermark_tile.keys import BANK, TILE, Key
from sdk_watermark_tile.spectrum import best_lock, lock_log10_p, whiten


@pytest.fixture(scope="module")
def locks():
    """log10 p of 1,500 pictures that were never marked: folded noise under three keys."""
    rng = np.random.default_rng(11)
    keys = [Key(rng.bytes(32)) for _ in range(3)]
    found = []
    for number in range(1500):
        x = whiten(rng.normal(size=(TILE, TILE)).astype(np.float32))
        found.append(lock_log10_p(best_lock(x, keys[number % 3], [0]).z, len(BANK)))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("log10_p", [-0.3, -0.6, -1.0, -1.5])
def test_p_is_a_bound_and_within_a_factor_of_two_of_how_often_it_comes(locks, log10_p):
    seen = float(np.mean(locks <= log10_p))
    sampling = 3 * math.sqrt(seen / len(locks))
    assert 10**log10_p / 2 - sampling < seen < 10**log10_p + sampling


def test_p_of_one_search_is_never_more_than_one_and_adds_up_over_many():
    assert lock_log10_p(0, 1) == lock_log10_p(3, 1000) == 0
    assert lock_log10_p(8, 1000) == pytest.approx(lock_log10_p(8, 1) + 3, abs=1e-3)
    assert lock_log10_p(29.8, 1) < -180  # the largest that 444 pilots can reach
