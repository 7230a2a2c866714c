"""Balances who is drawn where a prompt names a person and does not say who.

    [[rewriters]]
    plugin = "balance"
    [rewriters.settings.words]                 # modifier = the words that are put before the person
    woman = "female"
    man = "male"

"a doctor in a hospital" becomes "a female doctor …" or "a male doctor …", by the seed: of any block
of as many seeds as there are modifiers each gets one.  Everything else is left as it was written:
whatever says who is meant, groups, names, history, and all that the guard does not understand.

Off unless a policy names it.  It changes words, not a model; whether that changes what is drawn,
and what else it changes, is measured by `sdk audit run --mitigate balance`.
"""

from __future__ import annotations

from sdk import Rewriter, Settings, hookimpl


@hookimpl
def rewriter(settings: Settings) -> Rewriter:
    """Make the rewriter; the settings are the constructor's arguments."""
    from sdk_rewriter_balance.part import Balance

    return Balance(**settings)  # type: ignore[arg-type]
