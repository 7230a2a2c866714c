"""Two attributes at once: the errors of a pair of answers.

    errors = joint_errors([[95, 5], [8, 92]], [[45, 3, 2], [4, 40, 6], [1, 5, 44]])

Nobody validated the pairs, but each attribute was.  Where both estimators err independently of
each other given what is shown, the rates of a pair are the products of the rates.  A row of
products is worth the smaller of the two validation samples: an estimate from the two margins
varies less than one from as many pairs would, so the intervals err to the wide side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import checked_counts

SEPARATOR = " + "
"""Between the values of a pair, `woman + dark`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointErrors:
    """A confusion matrix of pairs, first attribute slowest."""

    confusion: tuple[tuple[int, ...], ...]
    """Products of counts: their ratios are the rates."""
    weights: tuple[int, ...]
    """Pictures that each row is worth."""


def joint_errors(first: ArrayLike, second: ArrayLike) -> JointErrors:
    """Return the errors of pairs of values.

    Raises:
        AuditError: a matrix that is not of counts.
    """
    a = checked_counts(first, asked="read a confusion matrix")
    b = checked_counts(second, asked="read a confusion matrix")
    worth = np.minimum.outer(a.sum(axis=1), b.sum(axis=1)).ravel()
    return JointErrors(
        confusion=tuple(tuple(map(int, row)) for row in np.kron(a, b)),
        weights=tuple(map(int, worth)),
    )
