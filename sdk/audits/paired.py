"""Two prompts, the same seeds: McNemar's test and the interval of a paired difference.

    paired([[30, 12], [3, 55]])         # Paired(difference=0.09, p=0.035, …)

Pictures of one seed differ only by the prompt, so only the seeds where the two answers differ say
something.  The test is exact: of b + c discordant seeds b is binomial with 1/2 (McNemar,
Psychometrika 12 (1947), 153-157).  The interval is the adjusted Wald interval of Bonett and Price
(J. Educational and Behavioral Statistics 37 (2012), 479-488), which adds one seed to each of b
and c and so has no width zero where none is discordant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import Floats, checked_counts, z_of
from sdk.errors import AuditError


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """The first prompt's share minus the second's, with seeds as pairs; arrays of one shape."""

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    """Exact, two-sided, of "no difference"."""
    discordant: Floats
    """Seeds whose two answers differ."""
    n: Floats
    """Seeds."""


def paired(table: ArrayLike, level: float = 0.95) -> Paired:
    """Compare (..., 2, 2) seeds by first answer (row: has the value, has not) and second (column).

    Raises:
        AuditError: no seeds, or another shape.
    """
    from scipy.stats import binom

    cells = checked_counts(table, asked="read pairs").astype(float)
    if cells.shape[-2:] != (2, 2):
        raise AuditError("asked to compare pairs, found another shape; give 2 x 2 tables")
    n = cells.sum(axis=(-1, -2))
    if (n < 1).any():
        raise AuditError("asked to compare pairs, found no seed with two answers; draw some")
    b, c = cells[..., 0, 1], cells[..., 1, 0]
    p = np.minimum(1.0, 2 * binom.cdf(np.minimum(b, c), b + c, 0.5))
    more, less = (b + 1) / (n + 2), (c + 1) / (n + 2)
    spread = np.sqrt((more + less - (more - less) ** 2) / (n + 2))
    reach = z_of(level) * spread
    return Paired(
        difference=(b - c) / n,
        low=np.maximum(-1.0, more - less - reach),
        high=np.minimum(1.0, more - less + reach),
        p=p,
        discordant=b + c,
        n=n,
    )


def p_within(table: ArrayLike, margin: float, missing: int = 0) -> Floats:
    """Return TOST p-values of "the paired difference is outside ±margin", on the same footing.

    `missing` are seeds without two answers: the p-value holds whatever they would have shown.

    Raises:
        AuditError: no seeds, another shape, or a margin outside 0..1.
    """
    if not 0 < margin < 1:
        raise AuditError(f"asked for margin {margin!r}; give one between 0 and 1")
    cells = checked_counts(table, asked="read pairs").astype(float)
    n = paired(table).n + missing
    b, c = cells[..., 0, 1], cells[..., 1, 0]
    ends = _tost(b + missing, c, n, margin), _tost(b, c + missing, n, margin)
    return np.asarray(np.maximum(*ends))


def _tost(b: Floats, c: Floats, n: Floats, margin: float) -> Floats:
    from scipy.special import ndtr

    more, less = (b + 1) / (n + 2), (c + 1) / (n + 2)
    spread = np.sqrt((more + less - (more - less) ** 2) / (n + 2))
    difference = more - less
    below, above = ndtr((difference - margin) / spread), ndtr(-(difference + margin) / spread)
    return np.asarray(np.maximum(below, above))
