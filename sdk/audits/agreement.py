"""How far people agree: Fleiss' kappa.

    fleiss_kappa([[3, 0], [2, 1], [0, 3]])

Labels by people are not the truth either.  A report that rests on them says how far their raters
agreed (Fleiss, Psychological Bulletin 76 (1971), 378-382).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sdk.audits.counting import checked_counts
from sdk.errors import AuditError


def fleiss_kappa(ratings: ArrayLike) -> float:
    """Return kappa of (pictures, values) counts of ratings; 1 where all gave the same value.

    Raises:
        AuditError: no pictures, fewer than two ratings, or not equally many for each picture.
    """
    table = checked_counts(ratings, asked="read ratings").astype(float)
    if table.ndim != 2 or not len(table):
        raise AuditError("asked for agreement, found no ratings; give pictures by values")
    raters = table.sum(axis=1)
    if raters[0] < 2 or (raters != raters[0]).any():
        raise AuditError(
            "asked for agreement, found pictures with different numbers of ratings, or one; give "
            "each picture the same number, two or more"
        )
    m = raters[0]
    agreed = float((((table**2).sum(axis=1) - m) / (m * (m - 1))).mean())
    chance = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    return 1.0 if np.isclose(chance, 1.0) else (agreed - chance) / (1 - chance)
