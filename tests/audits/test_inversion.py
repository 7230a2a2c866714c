"""Shares behind an estimator that errs: formulas, exact cases and measured coverage."""

import numpy as np
import pytest

from sdk.audits.intervals import wilson
from sdk.audits.inversion import Answers, Errors
from sdk.errors import AuditError

PERFECT = np.eye(2, dtype=int) * 10**9


def test_without_errors_the_interval_is_wilsons():
    counts = [[3, 247], [0, 250], [125, 125], [250, 0]]
    found = Answers.of(counts, confusion=PERFECT).bounds()
    theirs = wilson([3, 0, 125, 250], 250)
    assert found.low[:, 0] == pytest.approx(theirs.low, abs=1e-6)
    assert found.high[:, 0] == pytest.approx(theirs.high, abs=1e-6)


def test_the_estimate_is_that_of_rogan_and_gladen():
    found = Answers.of([[380, 620]], confusion=[[95, 5], [15, 85]])
    assert found.estimate[0, 0] == pytest.approx((0.38 + 0.85 - 1) / (0.95 + 0.85 - 1))


def test_the_interval_of_two_values_is_fiellers():
    """Solved by hand: (q - t Se - (1-t)(1-Sp))² = z² [V(q at t) + t² Vse + (1-t)² Vsp]."""
    x, n, se, sp, m = 380, 1000, 0.95, 0.85, 100
    grid = np.linspace(0, 1, 400_001)
    q = grid * se + (1 - grid) * (1 - sp)
    smooth_se, smooth_sp = (95 + 1) / 102, (85 + 1) / 102
    variance = (
        q * (1 - q) / n
        + (grid**2 * smooth_se * (1 - smooth_se) + (1 - grid) ** 2 * smooth_sp * (1 - smooth_sp))
        / m
    )
    inside = grid[(x / n - q) ** 2 <= 1.959964**2 * variance]
    found = Answers.of([[x, n - x]], confusion=[[95, 5], [15, 85]]).bounds()
    assert found.low[0, 0] == pytest.approx(inside.min(), abs=1e-5)
    assert found.high[0, 0] == pytest.approx(inside.max(), abs=1e-5)


def test_three_values_are_solved_exactly():
    rates = np.array([[0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.02, 0.08, 0.9]])
    truth = np.array([0.5, 0.3, 0.2])
    counts = np.round(truth @ rates * 100_000)
    found = Answers.of([counts], confusion=np.round(rates * 1000))
    assert found.estimate[0] == pytest.approx(truth, abs=1e-4)


def test_a_value_that_is_not_listed_leaves_the_denominator():
    found = Answers.of([[30, 70, 50]], confusion=np.eye(3) * 10**9, listed=[True, True, False])
    theirs = wilson(30, 100)
    assert found.bounds().low[0, 0] == pytest.approx(float(theirs.low), abs=1e-6)
    assert found.bounds().high[0, 0] == pytest.approx(float(theirs.high), abs=1e-6)
    assert np.isnan(found.estimate[0, 2])
    assert (found.bounds().low[0, 2], found.bounds().high[0, 2]) == (0, 1)


def test_abstentions_are_counted_against_at_the_lower_end_and_for_at_the_upper():
    found = Answers.of([[30, 70]], confusion=PERFECT, abstained=[20]).bounds()
    assert found.low[0, 0] == pytest.approx(float(wilson(30, 120).low), abs=1e-6)
    assert found.high[0, 0] == pytest.approx(float(wilson(50, 120).high), abs=1e-6)


def test_all_abstained_says_nothing():
    found = Answers.of([[0, 0]], confusion=[[95, 5], [5, 95]], abstained=[100]).bounds()
    assert (found.low[0, 0], found.high[0, 0]) == (0, 1)


def test_a_matrix_too_small_to_tell_values_apart_gives_no_narrow_interval():
    found = Answers.of([[500, 500]], confusion=[[3, 2], [2, 3]]).bounds()
    assert (found.low[0, 0], found.high[0, 0]) == (0, 1)


def test_answers_that_contradict_the_matrix_are_said_to_and_get_no_interval():
    """All 1,000 answers are A, where even pure A would get 30 % other answers."""
    found = Answers.of([[1000, 0]], confusion=[[700, 300], [20, 980]])
    assert not found.fits()[0].any()
    assert (found.bounds().low[0, 0], found.bounds().high[0, 0]) == (0, 1)


@pytest.mark.parametrize(
    ("confusion", "said"),
    [
        ([[50, 50], [50, 50]], "told apart"),
        ([[0, 0], [5, 95]], "no validation pictures"),
        ([[1, 2, 3], [4, 5, 6]], "one column"),
        ([[9]], "one column"),
        ([[9, -1], [1, 9]], "negative"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused(confusion, said):
    with pytest.raises(AuditError, match=said):
        Errors.of(confusion)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AuditError, match="one order"):
        Answers.of([[1, 2, 3]], confusion=[[9, 1], [1, 9]])
    with pytest.raises(AuditError, match="empty group"):
        Answers.of([[0, 0]], confusion=[[9, 1], [1, 9]])
    with pytest.raises(AuditError, match="fewer than two"):
        Answers.of([[1, 2]], confusion=[[9, 1], [1, 9]], listed=[True, False])


def covered(truth, rates, n, validation, seed, audits=1000, listed=None):
    """Share of audits whose interval holds the true share, for each value."""
    rng = np.random.default_rng(seed)
    truth, rates = np.array(truth), np.array(rates)
    counts = rng.multinomial(n, truth @ rates, size=audits)
    confusion = np.stack([rng.multinomial(validation, row, size=audits) for row in rates], 1)
    found = Answers.of(counts, confusion=confusion, listed=listed).bounds()
    among = truth if listed is None else truth / truth[np.array(listed)].sum()
    return ((found.low <= among) & (among <= found.high)).mean(axis=0)


@pytest.mark.parametrize(
    ("share", "sensitivity", "specificity"),
    [(0.5, 0.97, 0.97), (0.3, 0.95, 0.85), (0.05, 0.97, 0.93), (0.9, 0.85, 0.97)],
)
def test_the_interval_covers_where_the_naive_one_never_does(share, sensitivity, specificity):
    rates = [[sensitivity, 1 - sensitivity], [1 - specificity, specificity]]
    assert 0.93 <= covered([share, 1 - share], rates, 1000, 100, seed=4)[0] <= 0.975
    if share != 0.5:
        rng = np.random.default_rng(5)
        answers = rng.binomial(1000, share * sensitivity + (1 - share) * (1 - specificity), 1000)
        assert wilson(answers, 1000).contains(share).mean() < 0.05


@pytest.mark.slow
def test_the_interval_covers_for_five_values_and_for_listed_ones():
    five = np.full((5, 5), 0.01) + np.eye(5) * 0.95
    assert (abs(covered([0.2] * 5, five, 250, 100, seed=6) - 0.95) <= 0.02).all()
    assert (abs(covered([0.6, 0.2, 0.1, 0.05, 0.05], five, 250, 100, seed=7) - 0.95) < 0.025).all()
    three = [[0.9, 0.05, 0.05], [0.04, 0.92, 0.04], [0.03, 0.03, 0.94]]
    listed = [True, True, False]
    found = covered([0.6, 0.2, 0.2], three, 250, 100, seed=8, listed=listed)[:2]
    assert (abs(found - 0.95) <= 0.02).all()
