"""Many small cells: Dirichlet shrinkage for intersections.

    shrink([[3, 1, 0, 0], [2, 2, 1, 0]])

An intersection such as (occupation, perceived gender, perceived skin tone) has few pictures in
each cell, and the most extreme cells are mostly the smallest.  Groups are taken as draws of one
Dirichlet distribution; its mean is that of all pictures, its concentration the one that makes the
counts likeliest (empirical Bayes; the fixed point for the precision of a Polya distribution in
Minka, "Estimating a Dirichlet distribution", 2000).  Each share moves towards that
mean by as much as its pictures are few.

Shrunk shares are for ranking and for pictures.  Their intervals hold on average over the groups,
not for each of them, and they take the fit as known; so no claim of a report rests on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Bounds, Floats, checked_counts, checked_level
from sdk.errors import AuditError

MOST_CONCENTRATION = 1e5
"""Groups that differ no more than chance makes them do get this much of the common mean."""
FEWEST_GROUPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """Shares after shrinkage."""

    shares: Floats
    """(G, K), sum 1."""
    bounds: Bounds
    """(G, K), equal-tailed credible intervals."""
    mean: Floats
    """(K,): what the groups shrink to."""
    concentration: float
    """Pictures that the common mean weighs."""


def shrink(counts: ArrayLike, level: float = 0.95) -> Shrunk:
    """Shrink (G, K) counts towards their common mean.

    Raises:
        AuditError: fewer than five groups, which say nothing about how groups vary, or no
            pictures at all.
    """
    from scipy.special import betaincinv

    x = checked_counts(counts).astype(float)
    if x.ndim != 2 or len(x) < FEWEST_GROUPS or x.shape[1] < 2 or x.sum() == 0:
        raise AuditError(
            f"asked to shrink counts of shape {x.shape}; give at least {FEWEST_GROUPS} groups with "
            "pictures and two values"
        )
    alpha = _fit(x)
    posterior = x + alpha
    total = posterior.sum(axis=1, keepdims=True)
    tail = (1 - checked_level(level)) / 2
    low = betaincinv(posterior, total - posterior, tail)
    high = betaincinv(posterior, total - posterior, 1 - tail)
    weight = float(alpha.sum())
    return Shrunk(
        shares=posterior / total,
        bounds=Bounds(low=low, high=high),
        mean=alpha / weight,
        concentration=weight,
    )


def _fit(x: Floats) -> Floats:
    """Return the Dirichlet parameters that make the counts likeliest (Minka, equation 55)."""
    from scipy.special import digamma

    n = x.sum(axis=1)
    mean = (x.sum(axis=0) + 0.5) / (x.sum() + 0.5 * x.shape[1])  # no value has parameter zero
    concentration = float(max(1.0, n.mean() / 4))
    for _ in range(2000):
        alpha = mean * concentration
        above = (mean * (digamma(x + alpha) - digamma(alpha))).sum()
        below = (digamma(n + concentration) - digamma(concentration)).sum()
        step = float(above / below) if below > 0 else 1.0
        changed = min(MOST_CONCENTRATION, max(1e-3, concentration * step))
        if abs(changed - concentration) <= 1e-8 * concentration:
            break
        concentration = changed
    return np.asarray(mean * concentration)
