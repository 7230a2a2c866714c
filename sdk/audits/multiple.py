"""Many tests at once: Holm and Benjamini-Hochberg.

    rejected = benjamini_hochberg(p, 0.05)

With 459 tests at 5 % some 23 reject where nothing is to be found.  Holm keeps the chance of one
false claim below alpha whatever the dependence (Holm, Scand. J. Statistics 6 (1979), 65-70);
Benjamini-Hochberg keeps the expected share of false claims below alpha for independent tests and
for positively dependent ones (JRSS B 57 (1995), 289-300; Benjamini, Yekutieli, Annals of
Statistics 29 (2001), 1165-1188, theorem 1.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdk.audits.counting import Floats
from sdk.errors import AuditError


def holm(p: ArrayLike) -> Floats:
    """Return adjusted p-values, shape of `p`; reject where they are at most alpha."""
    values, order = _sorted(p)
    m = values.size
    adjusted = np.maximum.accumulate(np.minimum(1.0, values[order] * (m - np.arange(m))))
    return _restored(adjusted, order, np.shape(p))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return adjusted p-values, shape of `p`; reject where they are at most alpha."""
    values, order = _sorted(p)
    m = values.size
    ranked = values[order] * m / np.arange(1, m + 1)
    adjusted = np.minimum(1.0, np.minimum.accumulate(ranked[::-1])[::-1])
    return _restored(adjusted, order, np.shape(p))


CONTROLS = {"bh": benjamini_hochberg, "holm": holm}
"""Names that plans use."""


def _sorted(p: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    values = np.ravel(np.asarray(p, float))
    if not ((values >= 0) & (values <= 1)).all():
        raise AuditError("asked to adjust p-values, found one outside 0..1")
    return values, np.asarray(np.argsort(values, kind="stable"), np.int64)


def _restored(adjusted: Floats, order: NDArray[np.int64], shape: tuple[int, ...]) -> Floats:
    back = np.empty_like(adjusted)
    back[order] = adjusted
    return back.reshape(shape)
