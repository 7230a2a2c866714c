"""A thousand audits of generators whose skew is known: the truth lies inside, claims are true."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from sdk.audits.inversion import Answers
from sdk.audits.joint import joint_errors

PLACE = Path(__file__).parents[2] / "benchmarks" / "audit_coverage.py"


def load():
    spec = importlib.util.spec_from_file_location("audit_coverage", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sims = load()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["50/50", "70/30", "90/10"])
def test_the_true_share_is_inside_the_interval_in_95_of_100_audits(name):
    found = sims.skew(name, 1000, seed=21)
    assert 0.93 <= found["corrected"] <= 0.97
    if name == "90/10":
        assert found["naive"] < 0.6  # what others report


@pytest.mark.slow
def test_a_skew_of_pairs_only_is_inside_while_the_margin_is_at_parity():
    found = sims.intersection(1000, seed=22)
    assert 0.93 <= found["corrected"] <= 0.975
    assert min(found["pairs"]) >= 0.93
    assert found["margin"] >= 0.93


@pytest.mark.slow
def test_at_parity_at_most_one_report_in_twenty_claims_a_difference():
    found = sims.false_discoveries(300, seed=23)
    assert found["bh"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)
    assert found["holm"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)
    assert 0.02 < found["none"] < 0.08


def test_pairs_are_worth_no_more_pictures_than_were_validated():
    errors = joint_errors([[95, 5], [8, 92]], [[45, 3, 2], [4, 40, 6], [1, 5, 44]])
    assert errors.weights == (50,) * 6
    found = Answers.of([[100] * 6], confusion=errors.confusion, weights=errors.weights)
    careless = Answers.of([[100] * 6], confusion=errors.confusion)
    wide = found.bounds().high - found.bounds().low
    assert (wide > careless.bounds().high - careless.bounds().low).all()
    assert found.estimate == pytest.approx(careless.estimate)
