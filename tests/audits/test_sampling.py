import time

import numpy as np
import pytest

from sdk.audits.sampling import Sampler
from sdk.errors import PluginError
from sdk.pixels import Picture, admit_pixels


def pictures(count):
    rng = np.random.default_rng(0)
    return [Picture(admit_pixels(rng.integers(0, 256, (4, 4, 3), np.uint8))) for _ in range(count)]


def test_a_rate_chooses_the_same_pictures_whoever_asks():
    chosen = [Sampler(rate=0.25).wants(picture) for picture in pictures(2000)]
    assert chosen == [Sampler(rate=0.25).wants(picture) for picture in pictures(2000)]
    assert 430 <= sum(chosen) <= 570
    assert all(Sampler().wants(picture) for picture in pictures(50))


def test_what_costs_more_than_the_budget_is_skipped():
    sampler, looked = Sampler(budget_ms=1), 0
    for picture in pictures(400):
        if sampler.wants(picture):
            looked += 1
            with sampler.timed():
                enough = time.thread_time() + 0.003
                while time.thread_time() < enough:
                    pass
    assert 1 <= looked < 200


@pytest.mark.parametrize(
    ("rate", "budget"), [(0, 0), (1.1, 0), (-1, 0), (1, -1), (1, float("inf")), ("1", 0)]
)
def test_an_impossible_sample_is_refused(rate, budget):
    with pytest.raises(PluginError, match="sample_rate"):
        Sampler(rate=rate, budget_ms=budget)
