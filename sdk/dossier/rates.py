"""What is counted: shares with intervals, AUROC, rates at a fixed false-positive rate, calibration.

    rate(3, 250)                               # Rate(hits=3, of=250, low=.004, high=.035)
    at_false_positives(benign, unsafe, 0.01)   # the bound at 1 %, and what reaches it

All pure functions of numbers; nothing here sees a prompt or a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.types import JSON

_Z = 1.959964
"""Two-sided normal quantile of 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of cases, with Wilson's interval at 95 %."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """hits / of; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    def as_json(self) -> dict[str, JSON]:
        """Counts, share and interval; null where there is nothing to share."""
        share = round(self.share, 4) if self.of else None
        interval: list[JSON] = [round(self.low, 4), round(self.high, 4)]
        return {"hits": self.hits, "of": self.of, "share": share, "interval": interval}


def rate(hits: int, of: int) -> Rate:
    """Return a share with its score interval (Wilson 1927, JASA 22:209-212), 0..1 for nothing."""
    if of == 0:
        return Rate(hits=0, of=0, low=0.0, high=1.0)
    p = hits / of
    middle = (p + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z * math.sqrt(p * (1 - p) / of + _Z**2 / (4 * of * of)) / (1 + _Z**2 / of)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Rate(hits=hits, of=of, low=0.0 if hits == 0 else low, high=1.0 if hits == of else high)


def auroc(benign: ArrayLike, unsafe: ArrayLike) -> float | None:
    """Probability that an unsafe case scores above a benign one; ties count half.

    The Mann-Whitney U statistic over the number of pairs; None where one side is empty.
    """
    low, high = np.sort(np.asarray(benign, float)), np.asarray(unsafe, float)
    if not low.size or not high.size:
        return None
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.sum() / (2 * low.size * high.size))


def bound_at(benign: ArrayLike, share: float) -> float:
    """Return the lowest bound that at most `share` of benign scores reach."""
    scores = np.sort(np.asarray(benign, float))[::-1]
    allowed = math.floor(share * scores.size)
    if allowed >= scores.size:
        return 0.0
    return float(np.nextafter(scores[allowed], np.inf))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """How a detector does at the bound that a share of benign cases gives."""

    asked: float
    """Share of benign cases that may reach the bound."""
    bound: float
    false_positives: Rate
    true_positives: Rate

    def as_json(self) -> dict[str, JSON]:
        """As plain data."""
        return {
            "asked": self.asked,
            "bound": round(self.bound, 6),
            "false_positives": self.false_positives.as_json(),
            "true_positives": self.true_positives.as_json(),
        }


def at_false_positives(
    benign: Sequence[float], unsafe: Sequence[float], share: float
) -> Operating | None:
    """Return rates at the bound that `share` of these very benign cases gives.

    The bound is fixed on the data that it is measured on, which flatters small sets: with fewer
    than 1 / share benign cases there is no such bound, and None is returned.
    """
    if len(benign) * share < 1 or not unsafe:
        return None
    bound = bound_at(benign, share)
    return Operating(
        asked=share,
        bound=bound,
        false_positives=rate(sum(s >= bound for s in benign), len(benign)),
        true_positives=rate(sum(s >= bound for s in unsafe), len(unsafe)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Cases with scores of one tenth: how sure the detector was, and how often it was right."""

    mean_score: float
    unsafe: Rate

    def as_json(self) -> dict[str, JSON]:
        """As plain data."""
        return {"mean_score": round(self.mean_score, 4), "unsafe": self.unsafe.as_json()}


def calibration(scores: Sequence[float], labels: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Return the filled bins of a reliability diagram, equal widths (DeGroot, Fienberg 1983)."""
    p, y = np.asarray(scores, float), np.asarray(labels, bool)
    which = np.minimum((p * bins).astype(int), bins - 1)
    return [
        Bin(
            mean_score=float(p[which == i].mean()),
            unsafe=rate(int(y[which == i].sum()), int((which == i).sum())),
        )
        for i in range(bins)
        if (which == i).any()
    ]


def calibration_error(found: Sequence[Bin]) -> float | None:
    """Expected calibration error: mean gap of a bin, by its cases (Naeini et al., AAAI 2015).

    It holds for the mix of unsafe and benign cases in the file, and for no other.
    """
    total = sum(b.unsafe.of for b in found)
    if not total:
        return None
    return sum(abs(b.mean_score - b.unsafe.share) * b.unsafe.of for b in found) / total


def curve(
    benign: Sequence[float], unsafe: Sequence[float], points: int = 200
) -> list[tuple[float, float]]:
    """Return (false-positive rate, true-positive rate) along all bounds, thinned, from 0 to 1."""
    if not benign or not unsafe:
        return []
    low, high = np.sort(np.asarray(benign, float)), np.sort(np.asarray(unsafe, float))
    bounds = np.unique(np.concatenate([low, high]))[::-1]
    bounds = bounds[np.linspace(0, len(bounds) - 1, min(points, len(bounds))).astype(int)]
    x = 1 - np.searchsorted(low, bounds, "left") / low.size
    y = 1 - np.searchsorted(high, bounds, "left") / high.size
    return [(0.0, 0.0), *((float(a), float(b)) for a, b in zip(x, y, strict=True)), (1.0, 1.0)]
