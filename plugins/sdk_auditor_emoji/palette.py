"""Skin tone by palette: how much of a drawing is near which colours that drawings are made of.

Every colour of the palette is a centre in CIELAB; a pixel is shared out among the centres near it.
The shares go through one linear layer.  Where in the picture a colour stands does not count, so
hair and wood count too; that is what the centres that are no skin are for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdk import lab_of

Floats = NDArray[np.float32]

SOFTNESS = 5.0
"""Delta E at which a centre's pull has fallen to exp(-1/2); about two just noticeable steps."""
WHITE = 97
"""L* from which a pixel is margin."""
_MIDDLE = np.s_[8:46, 14:50]
"""Rows and columns of the 64 × 64 view."""


def shares(view: NDArray[np.uint8], centres: Floats) -> Floats:
    """Share a view's drawn pixels out among `centres` (K, 3) in CIELAB: (2 K,), square roots.

    First of the whole view, then of its middle, where most drawings have the face.  The square
    root keeps small areas, such as a face under a helmet, in sight (Hellinger).
    """
    lab = lab_of(view)
    flat = lab.reshape(-1, 3)
    apart = (flat**2).sum(1)[:, None] - 2 * flat @ centres.T + (centres**2).sum(1)
    apart /= 2 * SOFTNESS**2
    pull = np.exp(apart.min(1, keepdims=True) - apart)
    pull /= pull.sum(1, keepdims=True)
    pull *= (flat[:, 0] < WHITE)[:, None]
    pull = pull.reshape(*view.shape[:2], -1)
    found = [_mean_root(pull), _mean_root(pull[_MIDDLE])]
    both: Floats = np.concatenate(found).astype(np.float32)
    return both


def _mean_root(pull: Floats) -> Floats:
    mean = pull.sum((0, 1))
    root: Floats = np.sqrt(mean / max(float(mean.sum()), 1e-6))
    return root
