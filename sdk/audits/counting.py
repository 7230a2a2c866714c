"""Arrays that every statistic takes and returns: checked counts, and bounds.

    counts = checked_counts([[12, 238], [130, 120]])      # groups by values

All statistics of this wing are pure functions of such counts.  They see no pictures and no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.errors import AuditError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUM_TOLERANCE = 1e-6
"""How far the shares of a target may be from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Lower and upper ends of intervals, arrays of one shape."""

    low: Floats
    high: Floats

    def contains(self, value: ArrayLike) -> NDArray[np.bool_]:
        """Say for each interval whether it holds `value`, ends included."""
        wanted = np.asarray(value, float)
        return np.asarray((self.low <= wanted) & (wanted <= self.high))


def checked_counts(counts: ArrayLike, *, asked: str = "read counts") -> Ints:
    """Return counts as int64, any shape.

    Raises:
        AuditError: a number is negative, not whole, not finite, or beyond 2**53.
    """
    try:
        given = np.asarray(counts)
        numbers = np.asarray(given, float)
    except (TypeError, ValueError) as exc:
        raise AuditError(f"asked to {asked}, found no numbers; give counts of pictures") from exc
    if given.dtype == bool or not np.isfinite(numbers).all():
        raise AuditError(f"asked to {asked}, found no finite numbers; give counts of pictures")
    if (numbers < 0).any() or (numbers != np.floor(numbers)).any() or (numbers > 2.0**53).any():
        raise AuditError(
            f"asked to {asked}, found a negative, broken or huge number; give counts of pictures"
        )
    return numbers.astype(np.int64)


def checked_pair(successes: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Return successes and totals as float arrays of one shape.

    Raises:
        AuditError: no pictures in a group, or more successes than pictures.
    """
    x = checked_counts(successes, asked="read successes").astype(float)
    total = checked_counts(n, asked="read numbers of pictures").astype(float)
    x, total = np.broadcast_arrays(x, total)
    if (total < 1).any():
        raise AuditError(
            "asked for a share of an empty group; leave the group out, or draw pictures for it"
        )
    if (x > total).any():
        raise AuditError("asked for a share with more successes than pictures; check the counts")
    return x, total


def checked_level(level: float) -> float:
    """Return a confidence level.

    Raises:
        AuditError: it is not between 0.5 and 1.
    """
    if not 0.5 <= level < 1:
        raise AuditError(f"asked for confidence level {level!r}; give one such as 0.95")
    return float(level)


def checked_shares(shares: ArrayLike, *, asked: str = "read a target") -> Floats:
    """Return shares that sum to 1 along the last axis.

    Raises:
        AuditError: a share is outside 0..1, or they do not sum to 1.
    """
    found = np.asarray(shares, float)
    if not np.isfinite(found).all() or (found < 0).any() or (found > 1).any():
        raise AuditError(f"asked to {asked}, found a share outside 0..1; give shares")
    if (abs(found.sum(axis=-1) - 1) > SUM_TOLERANCE).any():
        total = float(np.ravel(found.sum(axis=-1))[0])
        raise AuditError(f"asked to {asked}, found shares that sum to {total:g}, not to 1")
    return found


def z_of(level: float) -> float:
    """Return the two-sided normal quantile of a confidence level: 1.96 for 0.95."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + checked_level(level) / 2)
