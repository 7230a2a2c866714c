"""How far a distribution is from its target: total variation and Kullback-Leibler, debiased.

    total_variation([25, 20, 30, 25], [0.25] * 4)      # Distance(plain=0.05, debiased=0.0, …)

Small samples manufacture distance: ten values, exact parity and 8 pictures give a plain total
variation of 0.43 on average.  Each |p - t| is therefore replaced by the m whose expected plain
value E|X/n - t|, with X normal around m, is what was seen; below the expectation at parity m
continues as a mirror image, so that errors cancel in the sum instead of adding up.  KL is debiased
by (k - 1) / 2n (Miller, in "Information Theory in Psychology", 1955, 95-100; Paninski, Neural
Computation 15 (2003), 1191-1253).  No unbiased estimator of total variation exists;
docs/audits/coverage.md has what is left of the bias.

The interval of the total variation holds at least at its level: the shares lie in a box of
Clopper-Pearson intervals at level 1 - alpha / k each (Bonferroni), and the interval is the least
and the greatest distance in that box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Floats, checked_counts, checked_level, checked_shares
from sdk.audits.intervals import clopper_pearson
from sdk.errors import AuditError

MOST_VALUES = 20
"""The greatest distance is looked for among all subsets of values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far counts are from a target, per group."""

    plain: Floats
    debiased: Floats
    """0 where the plain distance is no more than chance makes."""
    low: Floats
    """Of an interval; NaN where none is given."""
    high: Floats


def total_variation(counts: ArrayLike, target: ArrayLike, level: float = 0.95) -> Distance:
    """Return half the sum of |share - target|; (..., K) counts against (K,) or (..., K) shares.

    Raises:
        AuditError: an empty group, more than 20 values, or a target that does not sum to 1.
    """
    x, n, t = _checked(counts, target)
    p = x / n
    smooth = (x + 1) / (n + 2)  # a value that was not seen has no variance of zero
    spread = np.sqrt(smooth * (1 - smooth) / n)
    plain = np.abs(p - t).sum(axis=-1) / 2
    debiased = np.clip(_moved(np.abs(p - t), spread).sum(axis=-1) / 2, 0, 1)
    low, high = _reach(x, n, t, level)
    return Distance(plain=plain, debiased=debiased, low=low, high=high)


def kl_divergence(counts: ArrayLike, target: ArrayLike) -> Distance:
    """Return KL(shares || target) in nats; a value with target 0 that was seen gives infinity.

    Raises:
        AuditError: an empty group, or a target that does not sum to 1.
    """
    x, n, t = _checked(counts, target)
    p = x / n
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(x > 0, p * np.log(p / t), 0.0)
    plain = terms.sum(axis=-1)
    possible = (t > 0).sum(axis=-1)
    debiased = np.maximum(0.0, plain - (possible - 1) / (2 * n[..., 0]))
    nothing = np.full_like(plain, np.nan)
    return Distance(plain=plain, debiased=debiased, low=nothing, high=nothing)


def _checked(counts: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats, Floats]:
    x = checked_counts(counts).astype(float)
    t = checked_shares(target)
    n = x.sum(axis=-1, keepdims=True)
    if x.ndim < 1 or not 2 <= x.shape[-1] <= MOST_VALUES or t.shape[-1] != x.shape[-1]:
        raise AuditError(
            f"asked for a distance of counts {x.shape} from a target {t.shape}; give 2 to "
            f"{MOST_VALUES} values, the same in both"
        )
    if (n < 1).any():
        raise AuditError("asked for the distance of an empty group; leave it out")
    return x, n, np.broadcast_to(t, x.shape)


def _moved(seen: Floats, spread: Floats) -> Floats:
    """Return the m with E|N(m, spread²)| = seen; mirrored below its value at m = 0."""
    least = spread * np.sqrt(2 / np.pi)
    wanted = np.where(seen >= least, seen, 2 * least - seen)
    low, high = np.zeros_like(seen), wanted + spread
    for _ in range(40):
        middle = (low + high) / 2
        above = _folded(middle, spread) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(seen >= least, low, -low)


def _folded(mean: Floats, spread: Floats) -> Floats:
    """Return E|X| of a normal X (the folded normal distribution)."""
    from scipy.special import ndtr

    z = mean / spread
    return np.asarray(spread * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + mean * (1 - 2 * ndtr(-z)))


def _reach(x: Floats, n: Floats, t: Floats, level: float) -> tuple[Floats, Floats]:
    """Least and greatest total variation over the shares in a simultaneous box."""
    k = x.shape[-1]
    box = clopper_pearson(x, n, 1 - (1 - checked_level(level)) / k)
    low = np.maximum(
        np.clip(box.low - t, 0, None).sum(axis=-1), np.clip(t - box.high, 0, None).sum(axis=-1)
    )
    high = np.zeros_like(low)
    for chosen in range(1, 2 ** (k - 1)):  # a subset and its complement differ equally
        inside = (chosen >> np.arange(k)) & 1 == 1
        most = np.minimum(
            box.high[..., inside].sum(axis=-1), 1 - box.low[..., ~inside].sum(axis=-1)
        )
        least = np.maximum(
            box.low[..., inside].sum(axis=-1), 1 - box.high[..., ~inside].sum(axis=-1)
        )
        wanted = t[..., inside].sum(axis=-1)
        high = np.maximum(high, np.maximum(most - wanted, wanted - least))
    return np.minimum(low, 1), np.clip(high, 0, 1)
