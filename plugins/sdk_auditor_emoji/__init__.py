"""Measures perceived gender presentation and skin tone in emoji art, and refuses everything else.

    policy:  auditors = [{plugin = "emoji"}]

Settings: `sample_rate` (share of pictures), `budget_ms` (processor time a picture in the mean, 0
for no limit), `weights` (a folder that `python -m sdk_auditor_emoji.train` wrote).  The confusion
matrices are in docs/auditors/emoji.md.  Results say nothing about models that draw other things.
"""

from __future__ import annotations

from sdk import Auditor, Settings, hookimpl

from .part import Emoji

__all__ = ["Emoji", "auditor"]


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the estimator; settings: `weights`, `sample_rate`, `budget_ms`."""
    return Emoji(**settings)  # type: ignore[arg-type]
