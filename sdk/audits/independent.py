"""Two shares from different pictures: exact test, score-based interval, equivalence.

    independent([84, 250], [3272, 6763])        # Independent(difference=-0.148, p=…)

The test is Fisher's exact one; the interval is Newcombe's, from two Wilson intervals (Statistics in
Medicine 17 (1998), 873-890, method 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Floats, checked_pair
from sdk.audits.intervals import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Independent:
    """The first share minus the second; arrays of one shape."""

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    """Fisher's exact, two-sided."""


def independent(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Independent:
    """Compare (..., 2) arrays of successes and pictures.

    Raises:
        AuditError: an empty group, or counts that are none.
    """
    from scipy.stats import fisher_exact

    x, n = checked_pair(np.asarray(first)[..., 0], np.asarray(first)[..., 1])
    y, m = checked_pair(np.asarray(second)[..., 0], np.asarray(second)[..., 1])
    p, q = x / n, y / m
    mine, other = wilson(x, n, level), wilson(y, m, level)
    low = p - q - np.sqrt((p - mine.low) ** 2 + (other.high - q) ** 2)
    high = p - q + np.sqrt((mine.high - p) ** 2 + (q - other.low) ** 2)
    tables = zip(np.ravel(x), np.ravel(n), np.ravel(y), np.ravel(m), strict=True)
    values = [fisher_exact([[a, b - a], [c, d - c]])[1] for a, b, c, d in tables]
    return Independent(
        difference=p - q,
        low=low,
        high=high,
        p=np.clip(np.reshape(values, np.shape(x)), 0.0, 1.0),
    )
