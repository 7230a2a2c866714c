"""Shares behind a classifier that errs: Rogan-Gladen for any number of values.

    answers = Answers.of(counts, confusion=matrix)      # (groups, values), (values, values)
    answers.bounds(0.95)                                # of the true shares
    answers.p_differs(0.5)

An estimator's confusion matrix says how often each true value gets each answer.  With M its rows
and q the shares of the answers, the true shares solve q = Mᵀ π; for two values that is
p = (q + specificity - 1) / (sensitivity + specificity - 1) (Rogan, Gladen, "Estimating prevalence
from the results of a screening test", Am. J. Epidemiology 107 (1978), 71-76).

The interval inverts a score test.  For a share t of value k among the listed values,

    e(t) = (π_k - t D) estimated,   D = share of the listed values and of the abstentions
    V(t) = variance of e(t) where the share is t: multinomial sampling of the answers, and of
           every row of the confusion matrix

and the interval is every t with e(t)² <= z² V(t).  Without errors this is the Wilson interval,
to the last digit; for two values it is Fieller's theorem for the ratio (Fieller, JRSS B 16 (1954),
175-185), so that a matrix too small to tell the values apart gives [0, 1] and not a narrow lie.
Rows enter V with 2 / K pictures added to each cell, as Lang and Reiczigel add one (Preventive
Veterinary Medicine 113 (2014), 13-22): a row of 50 right out of 50 is not free of error.

Pictures without an answer are not thrown away: the lower end counts them all against a value, the
upper end all for it.  Values that are not listed (`none`, say) leave the denominator.

What this rests on: the estimator errs on these pictures as often as on those that it was validated
on.  No formula checks that; human labels of the audited pictures do (`sdk.audits.powered`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.audits.counting import Bounds, Floats, checked_counts, z_of
from sdk.errors import AuditError

MOST_CONDITION = 1e3
"""Condition number of a confusion matrix beyond which its values cannot be told apart."""
_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What is known of an estimator's errors."""

    rates: Floats
    """(G or 1, K, K): share of each answer (column) for each true value (row)."""
    smoothed: Floats
    """(G or 1, K, K): the same with 2 / K pictures added to each cell; for variances only."""
    n: Floats
    """(G or 1, K): pictures behind each row."""

    @classmethod
    def of(cls, confusion: ArrayLike, weights: ArrayLike | None = None) -> Errors:
        """Read a confusion matrix, rows truth; or one for each group, (G, K, K).

        `weights` (K,) are the pictures that each row is worth, where that is not their sum.

        Raises:
            AuditError: not square, a true value without pictures, or values that the estimator
                does not tell apart.
        """
        counts = checked_counts(confusion, asked="read a confusion matrix").astype(float)
        counts = counts[None] if counts.ndim == 2 else counts
        k = counts.shape[-1]
        if counts.ndim != 3 or counts.shape[1] != k or k < 2:
            raise AuditError(
                f"asked to read a confusion matrix, found shape {counts.shape[1:]}; give one "
                "row and one column for each value, at least two"
            )
        n = counts.sum(axis=2)
        if (n == 0).any():
            raise AuditError(
                f"asked to correct for errors, found no validation pictures of value "
                f"{int(np.argmin(n)) % k}; label some, or leave the correction out"
            )
        rates = counts / n[:, :, None]
        if weights is not None:
            n = np.broadcast_to(checked_counts(weights).astype(float), n.shape)
        if (np.linalg.cond(rates) > MOST_CONDITION).any():
            raise AuditError(
                "asked to correct for errors, found a confusion matrix whose values cannot be "
                "told apart; use another estimator, or human labels"
            )
        smoothed = (rates * n[:, :, None] + 2 / k) / (n + 2)[:, :, None]
        return cls(rates=rates, smoothed=smoothed, n=n)


@dataclass(frozen=True)
class Answers:
    """Counts of answers, and what they say about the shares of the true values."""

    counts: Floats
    """(G, K): answers of each value, per group."""
    abstained: Floats
    """(G,): pictures without an answer."""
    errors: Errors
    listed: NDArray[np.bool_]
    """(K,): the values that the shares are among."""

    @classmethod
    def of(
        cls,
        counts: ArrayLike,
        *,
        confusion: ArrayLike,
        weights: ArrayLike | None = None,
        abstained: ArrayLike = 0,
        listed: Sequence[bool] | None = None,
    ) -> Answers:
        """Read (G, K) counts, their abstentions and a (K, K) confusion matrix.

        Raises:
            AuditError: shapes that do not fit, or a group without a picture.
        """
        errors = Errors.of(confusion, weights)
        found = np.atleast_2d(checked_counts(counts)).astype(float)
        k = errors.n.shape[1]
        if found.ndim != 2 or found.shape[1] != k:
            raise AuditError(
                f"asked to correct counts of shape {found.shape}, found a confusion matrix of "
                f"{k} values; give the values in one order"
            )
        if len(errors.n) not in (1, len(found)):
            raise AuditError("asked to correct counts, found another number of confusion matrices")
        silent = np.broadcast_to(checked_counts(abstained).astype(float), found.shape[:1])
        if (found.sum(axis=1) + silent < 1).any():
            raise AuditError(
                "asked for a share of an empty group; leave it out, or draw pictures for it"
            )
        among = np.ones(k, bool) if listed is None else np.asarray(listed, bool)
        if among.shape != (k,) or among.sum() < 2:
            raise AuditError("asked for shares among fewer than two listed values; list two")
        return cls(found, silent, errors, among)

    @cached_property
    def total(self) -> Floats:
        """(G,): pictures per group, abstentions included."""
        return np.asarray(self.counts.sum(axis=1) + self.abstained)

    @cached_property
    def _inverse(self) -> Floats:
        """(G or 1, K, K): true shares = this @ shares of answers."""
        return np.asarray(np.linalg.inv(self.errors.rates.swapaxes(1, 2)))

    @cached_property
    def _truth(self) -> Floats:
        """(G, K): estimated shares of the true values among all pictures; may leave 0..1."""
        return np.asarray((self._inverse @ self._observed[:, :, None])[:, :, 0])

    @cached_property
    def _observed(self) -> Floats:
        return np.asarray(self.counts / self.total[:, None])

    @cached_property
    def _silent(self) -> Floats:
        return np.asarray(self.abstained / self.total)

    @cached_property
    def _among(self) -> Floats:
        """(G,): estimated share of pictures that show a listed value, or may show one."""
        shown = self._truth[:, self.listed].sum(axis=1) + self._silent
        return np.asarray(np.clip(shown, 1e-9, 1.0))

    @property
    def estimate(self) -> Floats:
        """(G, K): shares among the listed values of what was answered, 0..1; NaN for others."""
        shown = np.clip(self._truth, 0, 1)
        within = np.where(self.listed, shown, 0).sum(axis=1, keepdims=True)
        share = np.divide(shown, within, out=np.full_like(shown, np.nan), where=within > 0)
        return np.where(self.listed, share, np.nan)

    def z(self, at: ArrayLike, *, silent: float) -> Floats:
        """(G, K): how many standard errors each share lies above `at`.

        `silent` is the part of the abstentions that show the value: 0 or 1.
        """
        e, v = self._score(np.broadcast_to(np.asarray(at, float), self.counts.shape), silent)
        root = np.sqrt(np.maximum(v, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(np.abs(e) <= 1e-12, 0.0, e / root))

    def p_differs(self, target: ArrayLike) -> Floats:
        """(G, K): two-sided p-values of "the share is `target`", abstentions at their worst."""
        return np.asarray(np.clip(2 * np.minimum(self.p_above(target), self.p_below(target)), 0, 1))

    def p_above(self, bound: ArrayLike) -> Floats:
        """(G, K): one-sided p-values of "the share is at most `bound`"."""
        from scipy.special import ndtr

        return np.asarray(ndtr(-self.z(bound, silent=0.0)))

    def p_below(self, bound: ArrayLike) -> Floats:
        """(G, K): one-sided p-values of "the share is at least `bound`"."""
        from scipy.special import ndtr

        return np.asarray(ndtr(self.z(bound, silent=1.0)))

    def bounds(self, level: float = 0.95) -> Bounds:
        """(G, K): intervals of the true shares; abstentions at their worst.

        Where the answers contradict the confusion matrix at this level (no share fits, which
        happens when it does not apply to these pictures), and for values that are not listed, the
        interval is [0, 1].
        """
        z = z_of(level)
        low = self._end(z, silent=0.0, upwards=False)
        high = self._end(z, silent=1.0, upwards=True)
        broken = np.isnan(low) | np.isnan(high) | ~self.listed
        return Bounds(low=np.where(broken, 0.0, low), high=np.where(broken, 1.0, high))

    def fits(self, level: float = 0.95) -> NDArray[np.bool_]:
        """(G, K): whether some share in 0..1 fits the answers and the confusion matrix."""
        z = z_of(level)
        ends = (
            self._end(z, silent=0.0, upwards=False),
            self._end(z, silent=1.0, upwards=True),
        )
        return ~(np.isnan(ends[0]) | np.isnan(ends[1]))

    def _end(self, z: float, *, silent: float, upwards: bool) -> Floats:
        """(G, K): the last share, going out from the estimate, that the data do not reject."""
        numerator = self._truth + silent * self._silent[:, None]
        start = np.clip(numerator / self._among[:, None], 0.0, 1.0)
        edge = np.full_like(start, float(upwards))

        def rejected(at: Floats) -> NDArray[np.bool_]:
            e, v = self._score(at, silent)
            return np.asarray(e**2 > z**2 * v + 1e-15)

        inside, outside = start.copy(), edge.copy()
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            out = rejected(middle)
            outside = np.where(out, middle, outside)
            inside = np.where(out, inside, middle)
        end = np.where(rejected(edge), inside, edge)
        return np.where(rejected(start), np.nan, end)

    def variances(self, at: Floats) -> tuple[Floats, Floats]:
        """(G, K) each: variance of the shares by sampling and by validation, at shares `at`."""
        _, sampling, validation = self._parts(at, 0.0)
        scale = self._among[:, None] ** 2
        return sampling / scale, validation / scale

    def _score(self, at: Floats, silent: float) -> tuple[Floats, Floats]:
        """(G, K) each: e(t) and V(t) at shares `at`, see the module."""
        e, sampling, validation = self._parts(at, silent)
        return e, sampling + validation

    def _parts(self, at: Floats, silent: float) -> tuple[Floats, Floats, Floats]:
        """(G, K) each: e(t), and V(t) by its two sources."""
        k = at.shape[1]
        eye, among = np.eye(k), self.listed.astype(float)
        weights = eye[None] - at[:, :, None] * among  # (G, K, K) over true values
        w = weights @ self._inverse  # (G, K, K) over answers
        w_silent = silent - at  # (G, K)
        spoken = w_silent * self._silent[:, None]
        e = (w * self._observed[:, None]).sum(axis=2) + spoken
        truth = self._constrained(at, silent)  # (G, K, K): shares where value k has share t
        answers = truth @ self.errors.rates
        mean = (w * answers).sum(axis=2) + spoken
        square = (w**2 * answers).sum(axis=2) + w_silent * spoken
        sampling = (square - mean**2) / self.total[:, None]
        smoothed = self.errors.smoothed.swapaxes(1, 2)
        rows = w**2 @ smoothed - (w @ smoothed) ** 2  # (G, K, K)
        validation = (truth**2 * rows / self.errors.n[:, None]).sum(axis=2)
        return e, sampling, validation

    def _constrained(self, at: Floats, silent: float) -> Floats:
        """(G, K, K): true shares, sum 1 - abstained, with share t for value k, the rest in ratio.

        Values that are not listed keep their estimate.
        """
        k = at.shape[1]
        eye = np.eye(k, dtype=bool)
        known = np.clip(self._truth, 0, None)
        scale = np.divide(
            1 - self._silent,
            known.sum(axis=1),
            out=np.zeros_like(self._silent),
            where=known.sum(axis=1) > 0,
        )
        known = known * scale[:, None]
        among = np.where(self.listed, known, 0).sum(axis=1) + self._silent
        own = np.clip(at * among[:, None] - silent * self._silent[:, None], 0, None)
        own = np.minimum(own, (among - self._silent)[:, None])
        rest = (among - self._silent)[:, None] - own  # (G, K)
        others = np.where(self.listed & ~eye, known[:, None, :] + 1e-12, 0.0)
        others = others / np.maximum(others.sum(axis=2, keepdims=True), 1e-300)
        listed = np.where(eye, own[:, :, None], others * rest[:, :, None])
        return np.asarray(np.where(self.listed, listed, known[:, None, :]))
