"""Measures for a detector: AUROC, rates at a fixed false-positive rate, intervals, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share with its interval."""

    hits: int
    of: int
    share: float
    low: float
    """95 %, Wilson."""
    high: float


def rate(hits: int, of: int) -> Rate:
    """Return a share with Wilson's interval (Wilson 1927, JASA 22:209, z = 1.96)."""
    if of == 0:
        return Rate(hits=0, of=0, share=math.nan, low=0.0, high=1.0)
    z, p = 1.959964, hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Rate(
        hits=hits, of=of, share=p, low=max(0.0, middle - half), high=min(1.0, middle + half)
    )


def auroc(benign: ArrayLike, unsafe: ArrayLike) -> float:
    """Probability that an unsafe example scores above a benign one; ties count half.

    Mann-Whitney U over sorted scores; NaN where one side is empty.
    """
    low, high = np.sort(np.asarray(benign, np.float64)), np.asarray(unsafe, np.float64)
    if not low.size or not high.size:
        return math.nan
    below = np.searchsorted(low, high, "left")
    up_to = np.searchsorted(low, high, "right")
    return float((below + up_to).sum() / (2 * low.size * high.size))


def threshold_at(benign: ArrayLike, share: float) -> float:
    """The lowest threshold t for which at most `share` of benign scores are >= t."""
    scores = np.sort(np.asarray(benign, np.float64))[::-1]
    allowed = math.floor(share * scores.size)
    if allowed >= scores.size:
        return float("-inf")
    return float(np.nextafter(scores[allowed], np.inf))


def at_or_above(scores: ArrayLike, threshold: float) -> Rate:
    """Share of scores that reach a threshold."""
    values = np.asarray(scores, np.float64)
    return rate(int((values >= threshold).sum()), int(values.size))


def calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> float:
    """Expected calibration error over equal-width bins (Naeini et al. 2015), weighted."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    w = np.ones_like(p) if weights is None else np.asarray(weights, np.float64)
    which = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for index in range(bins):
        inside = which == index
        if inside.any():
            gap = float(
                np.average(p[inside], weights=w[inside]) - np.average(y[inside], weights=w[inside])
            )
            total += abs(gap) * float(w[inside].sum())
    return total / float(w.sum())


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"p50": float(np.quantile(values, 0.5)), "p95": float(np.quantile(values, 0.95))}
