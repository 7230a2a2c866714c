"""Observes how bright pictures come out.

policy:  [[auditors]]
         plugin = "NAME"
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk import Auditor, Finding, Picture, Request, Settings, hookimpl

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of R, G and B, ITU-R BT.709."""


class Brightness:
    """Writes the mean luma of each picture into its receipt."""

    def audit(self, picture: Picture, request: Request, /) -> Sequence[Finding]:
        """Return one observation: mean luma of the pixels as they are, 0 black .. 1 white."""
        luma = float((picture.pixels.mean(axis=(0, 1)) / 255) @ LUMA)
        return [Finding(category="brightness", score=min(luma, 1.0), detector="NAME 1")]


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the auditor; it takes no settings."""
    return Brightness(**settings)
