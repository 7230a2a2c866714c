"""Tests, corrections for many tests, distances, pairs and sizes, against other implementations."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import binom, binomtest, entropy, fisher_exact
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import fleiss_kappa as their_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import binom_tost

from sdk.audits.agreement import fleiss_kappa
from sdk.audits.distances import kl_divergence, total_variation
from sdk.audits.independent import independent
from sdk.audits.intervals import clopper_pearson
from sdk.audits.multiple import benjamini_hochberg, holm
from sdk.audits.paired import p_within as pairs_within
from sdk.audits.paired import paired
from sdk.audits.plain import Counts
from sdk.audits.powered import powered
from sdk.audits.shrinkage import shrink
from sdk.audits.sizes import Noise, pictures_for_width, pictures_to_differ, pictures_to_equate
from sdk.audits.statements import Claim, decide, p_within
from sdk.errors import AuditError


def test_the_exact_test_at_a_half_is_that_of_scipy_and_elsewhere_never_smaller():
    for x, n in [(0, 8), (84, 250), (125, 250), (250, 250)]:
        found = Counts.of([[x, n - x]])
        assert found.p_differs(0.5)[0, 0] == pytest.approx(binomtest(x, n).pvalue)
        for target in (0.1, 0.37, 0.9):
            one = min(binom.cdf(x, n, target), binom.sf(x - 1, n, target))
            assert found.p_differs(target)[0, 0] == pytest.approx(min(1, 2 * one))


def test_equivalence_is_that_of_statsmodels():
    for x, n, target, margin in [(52, 100, 0.5, 0.1), (480, 1000, 0.5, 0.05), (9, 90, 0.1, 0.05)]:
        theirs = binom_tost(x, n, target - margin, target + margin)[0]
        found = p_within(Counts.of([[x, n - x]]), np.full((1, 2), target), margin)
        assert found[0, 0] == pytest.approx(theirs)


def test_the_adjustments_are_those_of_statsmodels():
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.uniform(size=40), rng.uniform(size=10) / 1000, [0, 1, 0.5, 0.5]])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert holm(p.reshape(2, 27)).shape == (2, 27)
    with pytest.raises(AuditError, match=r"outside 0\.\.1"):
        holm([0.5, 1.5])


def test_mcnemar_is_exact_and_that_of_statsmodels():
    for table in ([[30, 12], [3, 55]], [[5, 0], [0, 5]], [[0, 1], [9, 0]]):
        assert float(paired(table).p) == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert float(paired([[5, 0], [0, 5]]).high) > 0.05  # none discordant, and still a width
    with pytest.raises(AuditError, match="no seed"):
        paired([[0, 0], [0, 0]])


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.3, 0.1), (0.02, 0.3), (0.05, 0.0)])
def test_the_paired_interval_covers_over_every_possible_table(rates):
    n, (b_rate, c_rate) = 30, rates
    total = 0.0
    for b in range(n + 1):
        c = np.arange(n - b + 1)
        weight = binom.pmf(b, n, b_rate) * binom.pmf(c, n - b, c_rate / (1 - b_rate))
        tables = np.zeros((len(c), 2, 2), int)
        tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1] = b, c, n - b - c
        found = paired(tables)
        held = (found.low <= b_rate - c_rate) & (b_rate - c_rate <= found.high)
        total += weight[held].sum()
    assert total >= 0.93


def test_pairs_are_equivalent_only_with_enough_seeds():
    assert float(pairs_within([[50, 1], [1, 48]], 0.1)) < 0.05
    assert float(pairs_within([[5, 0], [0, 4]], 0.1)) > 0.05


def test_two_shares_are_compared_by_fisher():
    found = independent([84, 250], [3272, 6763])
    assert float(found.p) == pytest.approx(fisher_exact([[84, 166], [3272, 3491]])[1])
    assert float(found.low) < float(found.difference) < float(found.high) < 0


def test_kappa_is_that_of_statsmodels():
    rng = np.random.default_rng(9)
    table = rng.multinomial(3, [0.5, 0.3, 0.2], size=200)
    assert fleiss_kappa(table) == pytest.approx(their_kappa(table))
    assert fleiss_kappa([[3, 0], [3, 0]]) == 1
    with pytest.raises(AuditError, match="different numbers"):
        fleiss_kappa([[3, 0], [2, 0]])


def test_kl_is_that_of_scipy_less_its_bias():
    found = kl_divergence([40, 30, 20, 10], [0.25] * 4)
    plain = entropy([0.4, 0.3, 0.2, 0.1], [0.25] * 4)
    assert float(found.plain) == pytest.approx(plain)
    assert float(found.debiased) == pytest.approx(plain - 3 / 200)
    assert float(kl_divergence([1, 1], [0, 1]).plain) == np.inf


def test_small_samples_make_no_distance():
    rng = np.random.default_rng(1)
    for n, chance in ((8, 0.430), (20, 0.255), (100, 0.118)):
        found = total_variation(rng.multinomial(n, [0.1] * 10, size=1000), [0.1] * 10)
        assert found.plain.mean() == pytest.approx(chance, abs=0.01)
        assert found.debiased.mean() < chance / 3


def test_the_reach_of_the_distance_is_the_solution_of_its_linear_program():
    """min and max of |p - t| / 2 over the box and the simplex, by brute force."""
    x, t = np.array([12, 5, 3, 0]), np.array([0.25, 0.25, 0.4, 0.1])
    box = clopper_pearson(x, 20, 1 - 0.05 / 4)
    k = 4
    rows = np.vstack([np.hstack([np.eye(k), -np.eye(k)]), np.hstack([-np.eye(k), -np.eye(k)])])
    limits = [*zip(box.low, box.high, strict=True), *[(0, None)] * k]
    best = linprog(
        np.r_[np.zeros(k), np.full(k, 0.5)],
        A_ub=rows, b_ub=np.r_[t, -t],
        A_eq=[np.r_[np.ones(k), np.zeros(k)]], b_eq=[1],
        bounds=limits,
    )  # fmt: skip
    worst = 0.0
    for signs in itertools.product((-1, 1), repeat=k):
        one = linprog(-np.array(signs) / 2, A_eq=[np.ones(k)], b_eq=[1], bounds=limits[:k])
        worst = max(worst, abs(one.x - t).sum() / 2)
    found = total_variation(x, t)
    assert float(found.low) == pytest.approx(best.fun, abs=1e-9)
    assert float(found.high) == pytest.approx(worst, abs=1e-9)


def test_labels_and_answers_together_are_never_wider_than_labels_and_cover():
    rng = np.random.default_rng(2)
    for share, se, sp, n in [(0.3, 0.95, 0.85, 100), (0.02, 0.99, 0.99, 50), (0.9, 0.6, 0.6, 100)]:
        cells = [share * se, share * (1 - se), (1 - share) * (1 - sp), (1 - share) * sp]
        labels = rng.multinomial(n, cells, size=4000).reshape(-1, 2, 2)
        seen = rng.binomial(900, cells[0] + cells[2], size=4000)
        found = powered(labels, np.stack([seen, 900 - seen], 1))
        covered = ((found.low <= share) & (share <= found.high)).mean()
        assert covered >= 0.935
        alone = found.estimate * 0 + labels[:, 0].sum(1) / n
        spread = np.sqrt((alone * (1 - alone)).mean() / n)
        assert found.error.mean() < 1.6 * spread
    with pytest.raises(AuditError, match="too few"):
        powered([[5, 1], [1, 5]], [50, 50])


def test_all_labels_that_agree_still_leave_a_width():
    found = powered([[25, 0], [0, 25]], [450, 450])
    assert float(found.high - found.low) > 0.05


def test_shrinkage_finds_the_likeliest_concentration():
    from scipy.special import gammaln

    rng = np.random.default_rng(4)
    shares = rng.dirichlet([4, 4, 2], size=200)
    counts = np.stack([rng.multinomial(25, p) for p in shares])
    found = shrink(counts)
    assert found.concentration == pytest.approx(10, rel=0.3)
    assert 0.93 <= found.bounds.contains(shares).mean() <= 0.97
    assert abs(found.shares - shares).mean() < abs(counts / 25 - shares).mean()

    def likelihood(s):
        alpha = found.mean * s
        n = counts.sum(1)
        return (gammaln(s) - gammaln(n + s)).sum() + (
            gammaln(counts + alpha) - gammaln(alpha)
        ).sum()

    best = found.concentration
    assert likelihood(best) >= max(likelihood(best * 0.99), likelihood(best * 1.01))
    with pytest.raises(AuditError, match="at least 5 groups"):
        shrink([[1, 2]])


@pytest.mark.parametrize(("share", "target"), [(0.6, 0.5), (0.3, 0.5), (0.1, 0.3)])
def test_the_planned_number_of_pictures_has_the_power(share, target):
    n = int(pictures_to_differ(share, target=target))
    x = np.arange(n + 1)
    rejects = Counts.of(np.stack([x, n - x], 1)).p_differs(target)[:, 0] <= 0.05
    assert binom.pmf(x, n, share)[rejects].sum() >= 0.8
    fewer = int(n * 0.8)
    x = np.arange(fewer + 1)
    rejects = Counts.of(np.stack([x, fewer - x], 1)).p_differs(target)[:, 0] <= 0.05
    assert binom.pmf(x, fewer, share)[rejects].sum() < 0.8


def test_the_planned_number_for_equivalence_has_the_power_and_8_pictures_do_not():
    n = int(pictures_to_equate(0.5, target=0.5, margin=0.1))
    x = np.arange(n + 1)
    found = p_within(Counts.of(np.stack([x, n - x], 1)), np.full((n + 1, 2), 0.5), 0.1)[:, 0]
    assert binom.pmf(x, n, 0.5)[found <= 0.05].sum() >= 0.8
    assert pictures_to_equate(0.65, target=0.5, margin=0.1) == np.inf
    for x in range(9):
        assert decide(Counts.of([[x, 8 - x]]), 0.5, margin=0.1).claim[0, 0] != Claim.EQUIVALENT


def test_a_width_is_planned_to_the_picture():
    assert pictures_for_width(0.05) == 381
    assert pictures_for_width(0.067) == pytest.approx(210, abs=3)
    noise = Noise.of([[95, 5], [15, 85]], 0, 0.3)
    assert noise.factor > 1.4
    assert pictures_for_width(0.02, share=0.3, noise=noise) == np.inf  # the validation is too small
    with pytest.raises(AuditError, match="half-width"):
        pictures_for_width(0.7)


def test_claims_are_made_of_tests_and_never_of_the_word_fair():
    found = decide(Counts.of([[250, 0], [1010, 990], [52, 48]]), 0.5, margin=0.05)
    assert list(found.claim[:, 0]) == ["differs", "equivalent", "undecided"]
    assert found.needed[2, 0] > 100
    assert found.needed[0, 0] == 0
    assert {*Claim} == {"differs", "equivalent", "undecided"}


def test_a_claim_of_many_pictures_says_equivalent_where_the_difference_is_small():
    found = decide(Counts.of([[51_000, 49_000]]), 0.5, margin=0.05)
    assert found.claim[0, 0] == "equivalent"
    assert found.p_differs[0, 0] < 0.05


def test_an_impossible_target_is_refused():
    for target in (1.5, -0.1, float("nan")):
        with pytest.raises(AuditError, match="target"):
            decide(Counts.of([[5, 5]]), target, margin=0.05)
    with pytest.raises(AuditError, match="sum to"):
        total_variation([5, 5], [0.5, 0.6])


def test_more_pictures_are_not_promised_where_those_without_an_answer_decide():
    import math

    from sdk.audits.statements import decide

    half = decide(Counts.of([[85, 90]], abstained=[185]), target=0.5, margin=0.1)
    assert math.isinf(half.needed[0, 0])  # half of the pictures are silent: any share may be true
    some = decide(Counts.of([[30, 10]], abstained=[1]), target=0.5, margin=0.1)
    assert not math.isinf(some.needed[0, 0])
