"""Shares where the answers are the truth: human counts, or an estimator taken at its word.

    answers = Counts.of([[166, 84], [250, 0]])        # (groups, values)
    answers.bounds()                                  # Wilson
    answers.p_differs(0.5)                            # exact binomial

Pictures without an answer are counted against a value at the lower end and for it at the upper one.
Sources: Clopper, Pearson, Biometrika 26 (1934), 404-413, for the tails; the two-sided p-value is
twice the smaller tail, which never rejects too often and equals the other definitions at 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.audits.counting import Bounds, Floats, checked_counts
from sdk.audits.intervals import METHODS
from sdk.errors import AuditError


@dataclass(frozen=True)
class Counts:
    """Counts of each value per group, without errors of an estimator."""

    counts: Floats
    """(G, K)."""
    abstained: Floats
    """(G,): pictures without an answer."""
    listed: NDArray[np.bool_]
    """(K,): the values that the shares are among."""
    method: str = "wilson"
    """Of the interval, a key of `sdk.audits.intervals.METHODS`."""

    @classmethod
    def of(
        cls,
        counts: ArrayLike,
        *,
        abstained: ArrayLike = 0,
        listed: Sequence[bool] | None = None,
        method: str = "wilson",
    ) -> Counts:
        """Read (G, K) counts and their abstentions.

        Raises:
            AuditError: an unknown method, shapes that do not fit, or a group in which no picture
                shows a listed value or lacks an answer.
        """
        if method not in METHODS:
            raise AuditError(f"asked for interval {method!r}; give one of {', '.join(METHODS)}")
        found = np.atleast_2d(checked_counts(counts)).astype(float)
        silent = np.broadcast_to(checked_counts(abstained).astype(float), found.shape[:1])
        k = found.shape[1]
        among = np.ones(k, bool) if listed is None else np.asarray(listed, bool)
        if found.ndim != 2 or among.shape != (k,) or among.sum() < 2:
            raise AuditError("asked for shares among fewer than two listed values; list two")
        if (found[:, among].sum(axis=1) + silent < 1).any():
            raise AuditError(
                "asked for a share of an empty group; leave it out, or draw pictures for it"
            )
        return cls(found, silent, among, method)

    @property
    def total(self) -> Floats:
        """(G,): pictures that the shares are among, abstentions included."""
        return np.asarray(self.counts[:, self.listed].sum(axis=1) + self.abstained)

    @property
    def estimate(self) -> Floats:
        """(G, K): shares among what was answered with a listed value; NaN for others."""
        answered = self.counts[:, self.listed].sum(axis=1, keepdims=True)
        share = np.full_like(self.counts, np.nan)
        np.divide(self.counts, answered, out=share, where=answered > 0)
        return np.where(self.listed, share, np.nan)

    def bounds(self, level: float = 0.95) -> Bounds:
        """(G, K): intervals of the shares; abstentions at their worst, [0, 1] for unlisted ones."""
        low = METHODS[self.method](self._least, self._all, level).low
        high = METHODS[self.method](self._most, self._all, level).high
        return Bounds(low=np.where(self.listed, low, 0.0), high=np.where(self.listed, high, 1.0))

    def fits(self, level: float = 0.95) -> NDArray[np.bool_]:
        """(G, K): always true; counts do not contradict themselves."""
        return np.ones(self.counts.shape, bool)

    def p_above(self, bound: ArrayLike) -> Floats:
        """(G, K): exact one-sided p-values of "the share is at most `bound`"."""
        from scipy.stats import binom

        return np.asarray(binom.sf(self._least - 1, self._all, np.clip(bound, 0, 1)))

    def p_below(self, bound: ArrayLike) -> Floats:
        """(G, K): exact one-sided p-values of "the share is at least `bound`"."""
        from scipy.stats import binom

        return np.asarray(binom.cdf(self._most, self._all, np.clip(bound, 0, 1)))

    def p_differs(self, target: ArrayLike) -> Floats:
        """(G, K): exact two-sided p-values of "the share is `target`"."""
        return np.asarray(np.clip(2 * np.minimum(self.p_above(target), self.p_below(target)), 0, 1))

    @property
    def _all(self) -> Floats:
        return np.broadcast_to(self.total[:, None], self.counts.shape)

    @property
    def _least(self) -> Floats:
        return np.where(self.listed, self.counts, 0)

    @property
    def _most(self) -> Floats:
        return np.where(self.listed, self.counts + self.abstained[:, None], 0)
