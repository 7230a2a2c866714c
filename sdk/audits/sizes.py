"""How many pictures an answer needs, before they are drawn.

    pictures_for_width(0.05)                      # 381: a 95 % interval of ±0.05 at a share of 0.5
    pictures_to_differ(0.6, target=0.5)           # 199: found with a probability of 80 %
    pictures_to_equate(0.5, target=0.5, margin=0.1)

Powers are exact: sums of binomial probabilities over the counts at which the exact tests of
`sdk.audits.plain` reject.  With an estimator that errs, `Noise` says by how much its errors and the
size of its validation widen everything; beyond its floor no number of pictures helps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.audits.counting import Floats, z_of
from sdk.audits.intervals import wilson
from sdk.audits.inversion import Answers, Errors
from sdk.errors import AuditError

MOST_PICTURES = 1_000_000
"""More per group is answered with infinity."""
POWER = 0.8
_SIZES = np.unique(np.geomspace(4, MOST_PICTURES, 800).astype(np.int64))
_LASTING = 4
"""Powers of exact tests go up like a saw: this many sizes in a row must reach the power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What an estimator's errors do to the variance of a corrected share."""

    factor: float = 1.0
    """Pictures that weigh as one picture with a true answer."""
    floor: float = 0.0
    """Variance that stays however many pictures are drawn: that of the validation."""

    @classmethod
    def of(cls, confusion: ArrayLike, value: int, share: float) -> Noise:
        """Measure a (K, K) confusion matrix for one value at a share; the rest equal.

        Raises:
            AuditError: the matrix cannot be used, or the share is outside 0..1.
        """
        _checked(share)
        k = Errors.of(confusion).n.shape[1]
        rest = (1 - share) / (k - 1)
        truth = np.where(np.arange(k) == value, share, rest)
        answers = truth @ Errors.of(confusion).rates[0]
        counts = np.round(answers * 10**9).astype(np.int64)
        one = Answers.of([counts], confusion=confusion)
        sampling, validation = one.variances(np.where(np.arange(k) == value, share, 0.5)[None])
        spread = max(share * (1 - share), 1e-9)
        factor = float(sampling[0, value] * one.total[0]) / spread
        return cls(factor=max(1.0, factor), floor=float(validation[0, value]))


def pictures_for_width(
    half_width: float, *, share: float = 0.5, level: float = 0.95, noise: Noise | None = None
) -> float:
    """Return the pictures per group for a Wilson interval of ±`half_width`; infinity for none.

    Raises:
        AuditError: a half-width outside 0..0.5, or a share outside 0..1.
    """
    if not 0 < half_width < 0.5:
        raise AuditError(f"asked for half-width {half_width!r}; give one between 0 and 0.5")
    _checked(share)
    given = noise or Noise()
    bounds = wilson(np.round(_SIZES * share), _SIZES, level)
    half = (bounds.high - bounds.low) / 2
    reach = z_of(level)
    wanted = half_width**2 - reach**2 * given.floor
    if wanted <= 0:
        return float("inf")
    fits = np.flatnonzero(half <= np.sqrt(wanted / given.factor))
    return _refined(fits, lambda n: _half(n, share, level) <= np.sqrt(wanted / given.factor))


def pictures_to_differ(
    share: ArrayLike, *, target: ArrayLike, alpha: float = 0.05, power: float = POWER
) -> Floats:
    """Return the pictures with which "differs" is found with probability `power`; arrays broadcast.

    Raises:
        AuditError: a share or target outside 0..1, an alpha or power outside 0..1.
    """
    from scipy.stats import binom

    p, t = _columns(share, target, alpha, power)
    with np.errstate(invalid="ignore"):
        upper = binom.isf(alpha / 2, _SIZES, t) + 1  # P(X >= upper) <= alpha / 2
        lower = binom.ppf(alpha / 2, _SIZES, t) - 1
        lower += binom.cdf(lower + 1, _SIZES, t) <= alpha / 2
        found = binom.sf(upper - 1, _SIZES, p) + binom.cdf(lower, _SIZES, p)
    return _first(found >= power, np.shape(np.asarray(share) + np.asarray(target)))


def pictures_to_equate(
    share: ArrayLike,
    *,
    target: ArrayLike,
    margin: float,
    alpha: float = 0.05,
    power: float = POWER,
) -> Floats:
    """Return the pictures with which "equivalent within ±margin" is found; arrays broadcast.

    Infinity where the share itself is not within the margin.

    Raises:
        AuditError: a share or target outside 0..1, a margin, alpha or power outside 0..1.
    """
    from scipy.stats import binom

    if not 0 < margin < 1:
        raise AuditError(f"asked for margin {margin!r}; give one between 0 and 1")
    p, t = _columns(share, target, alpha, power)
    below, above = np.clip(t - margin, 0, 1), np.clip(t + margin, 0, 1)
    least = np.where(below <= 0, 0, binom.isf(alpha, _SIZES, below) + 1)
    most = binom.ppf(alpha, _SIZES, above) - 1
    most += binom.cdf(most + 1, _SIZES, above) <= alpha
    most = np.where(above >= 1, _SIZES, most)
    found = np.clip(binom.cdf(most, _SIZES, p) - binom.cdf(least - 1, _SIZES, p), 0, 1)
    found = np.where(most >= least, found, 0)
    return _first(found >= power, np.shape(np.asarray(share) + np.asarray(target)))


def _columns(
    share: ArrayLike, target: ArrayLike, alpha: float, power: float
) -> tuple[Floats, Floats]:
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise AuditError(f"asked for alpha {alpha!r} and power {power!r}; give shares")
    p, t = np.broadcast_arrays(_checked(share), _checked(target))
    return np.ravel(p)[:, None], np.ravel(t)[:, None]


def _first(reached: NDArray[np.bool_], shape: tuple[int, ...]) -> Floats:
    """The first size from which on the power is reached for some sizes in a row."""
    lasting = reached.copy()
    for ahead in range(1, _LASTING):
        lasting[:, :-ahead] &= reached[:, ahead:]
    at = lasting.argmax(axis=1)
    sizes = np.where(lasting.any(axis=1), _SIZES[at], np.inf)
    return np.asarray(sizes.reshape(shape), float)


def _half(n: float, share: float, level: float) -> float:
    bounds = wilson(round(n * share), int(n), level)
    return float(bounds.high - bounds.low) / 2


def _refined(fits: NDArray[np.int64], good: Callable[[int], bool]) -> float:
    if not fits.size:
        return float("inf")
    first = int(fits[0])
    low, high = int(_SIZES[max(0, first - 1)]), int(_SIZES[first])
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle + 1, high)
    return float(high)


def _checked(share: ArrayLike) -> Floats:
    found = np.asarray(share, float)
    if not ((found >= 0) & (found <= 1)).all():
        raise AuditError("asked for a number of pictures, found a share outside 0..1")
    return found
