"""Few human labels and many answers: prediction-powered inference.

    powered(labelled=[[40, 3], [2, 55]], answers=[410, 590])     # Powered(estimate=0.44 …)

People label a random part of the audited pictures; the estimator answers all.  The share is

    λ · (share of answers on the unlabelled) + mean(label - λ · answer) on the labelled

which is right whatever the estimator's errors, because they are measured on these very pictures
(Angelopoulos, Bates, Fannjiang, Jordan, Zrnic, Science 382 (2023), 669-674; with the weight λ that
gives the smallest variance: "PPI++", arXiv:2311.01453, section 6).  With λ = 0 it is the labels
alone, so a bad estimator costs nothing.

The published interval is normal with plug-in variances, and has width zero where all labels agree
with the answers.  Ours adds `ADDED` pictures to each cell of the labelled table, as Agresti and
Caffo add one to each cell of two binomials (American Statistician 54 (2000), 280-288).
docs/audits/coverage.md has its measured coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Floats, checked_counts, z_of
from sdk.errors import AuditError

ADDED = 0.5
FEWEST_LABELS = 20
"""Labelled pictures below which no interval is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Powered:
    """A share with its interval; arrays of one shape."""

    estimate: Floats
    low: Floats
    high: Floats
    error: Floats
    """Standard error."""
    weight: Floats
    """λ: how much the answers count, 0 for labels alone."""


def powered(labelled: ArrayLike, answers: ArrayLike, level: float = 0.95) -> Powered:
    """Estimate the share of one value from labels and answers.

    `labelled` is (..., 2, 2), pictures by label (row: has the value, has not) and answer (column:
    the same); `answers` is (..., 2), answers on the pictures that were not labelled.

    Raises:
        AuditError: fewer than 20 labels, no unlabelled picture, or shapes that do not fit.
    """
    table = checked_counts(labelled, asked="read labels").astype(float)
    rest = checked_counts(answers, asked="read answers").astype(float)
    if table.shape[-2:] != (2, 2) or rest.shape[-1:] != (2,):
        raise AuditError("asked for labels by answers, found other shapes; give 2 x 2 and 2")
    n, unlabelled = table.sum(axis=(-1, -2)), rest.sum(axis=-1)
    if (n < FEWEST_LABELS).any() or (unlabelled < 1).any():
        raise AuditError(
            f"asked to use {int(np.min(n))} labels, found too few; label at least {FEWEST_LABELS} "
            "pictures of a group, picked at random, and leave some unlabelled"
        )
    cells = (table + ADDED) / (n + 4 * ADDED)[..., None, None]
    answered = (rest[..., 0] + ADDED) / (unlabelled + 2 * ADDED)
    y, f = cells[..., 0, :].sum(axis=-1), cells[..., :, 0].sum(axis=-1)
    spread_y, spread_f = y * (1 - y), f * (1 - f)
    together = cells[..., 0, 0] - y * f
    weight = np.clip(together / ((1 + n / unlabelled) * spread_f), 0.0, 1.0)
    estimate = y + weight * (answered - f)
    left = spread_y - 2 * weight * together + weight**2 * spread_f
    error = np.sqrt(left / n + weight**2 * answered * (1 - answered) / unlabelled)
    reach = z_of(level) * error
    return Powered(
        estimate=np.clip(estimate, 0, 1),
        low=np.clip(estimate - reach, 0, 1),
        high=np.clip(estimate + reach, 0, 1),
        error=error,
        weight=weight,
    )
