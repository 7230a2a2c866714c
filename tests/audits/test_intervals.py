"""Intervals of one share, against other implementations and against every possible count."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from sdk.audits.intervals import METHODS, clopper_pearson, jeffreys, wilson
from sdk.errors import AuditError

PAIRS = [(0, 1), (1, 1), (0, 250), (250, 250), (3, 20), (125, 250), (249, 250), (7, 1000)]


@pytest.mark.parametrize(("x", "n"), PAIRS)
def test_wilson_and_clopper_pearson_are_those_of_statsmodels(x, n):
    for ours, theirs in ((wilson, "wilson"), (clopper_pearson, "beta")):
        for level in (0.9, 0.95, 0.99):
            low, high = proportion_confint(x, n, 1 - level, theirs)
            found = ours(x, n, level)
            assert float(found.low) == pytest.approx(low, abs=1e-9)
            assert float(found.high) == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize(("x", "n"), [(3, 20), (125, 250), (7, 1000)])
def test_jeffreys_is_that_of_statsmodels_away_from_the_ends(x, n):
    low, high = proportion_confint(x, n, 0.05, "jeffreys")
    assert float(jeffreys(x, n).low) == pytest.approx(low, abs=1e-9)
    assert float(jeffreys(x, n).high) == pytest.approx(high, abs=1e-9)


def test_the_exact_interval_is_where_both_tails_of_the_exact_test_hold_their_share():
    found = clopper_pearson(3, 20)
    assert binom.sf(2, 20, float(found.low)) == pytest.approx(0.025)
    assert binom.cdf(3, 20, float(found.high)) == pytest.approx(0.025)
    theirs = binomtest(3, 20).proportion_ci(method="exact")
    assert float(found.low) == pytest.approx(theirs.low)


@pytest.mark.parametrize("method", METHODS)
def test_no_interval_has_width_zero_and_none_leaves_0_to_1(method):
    for n in (1, 2, 8, 250):
        found = METHODS[method](np.arange(n + 1), n)
        assert (found.high - found.low > 0.005).all()
        assert (found.low >= 0).all()
        assert (found.high <= 1).all()
        assert found.contains(np.arange(n + 1) / n).all()
        assert found.low[0] == 0
        assert found.high[-1] == 1


def coverage(method, n, shares):
    """Exact coverage: the probability of every count times whether its interval holds."""
    found = METHODS[method](np.arange(n + 1), n)
    return np.array([binom.pmf(np.arange(n + 1), n, p)[found.contains(p)].sum() for p in shares])


@pytest.mark.parametrize("n", [8, 20, 100, 250])
def test_exact_coverage_over_all_counts(n):
    shares = np.linspace(0.01, 0.99, 99)
    assert coverage("clopper-pearson", n, shares).min() >= 0.95
    for method in ("wilson", "jeffreys"):
        found = coverage(method, n, shares)
        assert 0.94 <= found.mean() <= 0.965, method
    assert coverage("jeffreys", n, [0.0, 1.0]).min() == 1  # statsmodels' own: 0


@pytest.mark.parametrize(
    ("x", "n", "said"),
    [
        (1, 0, "empty group"),
        (3, 2, "more successes"),
        (-1, 2, "negative"),
        (0.5, 2, "broken"),
        (float("nan"), 2, "no finite"),
        ("two", 2, "no numbers"),
    ],
)
def test_counts_that_are_none_are_refused(x, n, said):
    for method in METHODS.values():
        with pytest.raises(AuditError, match=said):
            method(x, n)


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0, 95])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(AuditError, match="confidence level"):
        wilson(1, 2, level)
