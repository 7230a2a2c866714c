"""Intervals for one share: Wilson, Clopper-Pearson and Jeffreys.

    wilson(0, 250)          # Bounds(low=0.0, high=0.0151)

None of them has width zero at 0 of n or n of n, where a percentile bootstrap does.  Wilson is the
default: its coverage is near the level on average; Clopper-Pearson never covers less.

Sources: Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science
16 (2001), 101-133: Wilson (4), Clopper-Pearson 4.2.1, modified Jeffreys 4.1.2 with its ends at 0
and n, where we differ from statsmodels, which leaves them out and never covers a share of 0 or 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Bounds, checked_level, checked_pair, z_of


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the score interval; arrays broadcast.

    Raises:
        AuditError: counts that are none, an empty group, or a level outside 0.5..1.
    """
    x, total = checked_pair(successes, n)
    z2 = z_of(level) ** 2
    middle = (x + z2 / 2) / (total + z2)
    half = np.sqrt(z2) / (total + z2) * np.sqrt(x * (total - x) / total + z2 / 4)
    low = np.where(x == 0, 0.0, np.maximum(0.0, middle - half))
    high = np.where(x == total, 1.0, np.minimum(1.0, middle + half))
    return Bounds(low=low, high=high)


def clopper_pearson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the exact interval, which covers at least `level` whatever the share.

    Raises:
        AuditError: counts that are none, an empty group, or a level outside 0.5..1.
    """
    from scipy.special import betaincinv

    x, total = checked_pair(successes, n)
    tail = (1 - checked_level(level)) / 2
    low = np.where(x == 0, 0.0, betaincinv(np.maximum(x, 1), total - x + 1, tail))
    high = np.where(x == total, 1.0, betaincinv(x + 1, np.maximum(total - x, 1), 1 - tail))
    return Bounds(low=low, high=high)


def jeffreys(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the equal-tailed interval of the Beta(1/2, 1/2) prior, ends closed at 0 and n.

    Raises:
        AuditError: counts that are none, an empty group, or a level outside 0.5..1.
    """
    from scipy.special import betaincinv

    x, total = checked_pair(successes, n)
    tail = (1 - checked_level(level)) / 2
    low = np.where(x == 0, 0.0, betaincinv(x + 0.5, total - x + 0.5, tail))
    high = np.where(x == total, 1.0, betaincinv(x + 0.5, total - x + 0.5, 1 - tail))
    return Bounds(low=low, high=high)


METHODS = {"wilson": wilson, "clopper-pearson": clopper_pearson, "jeffreys": jeffreys}
"""Names that plans use."""
