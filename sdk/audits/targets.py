"""What the shares of each group are compared with, group by group.

    table = target_table(attribute, plan, tally.values)      # (G, K), NaN where nothing is known

Parity gives each listed value the same share.  Labour statistics give one of two values its share
where they name the group's entry, and nothing elsewhere: such a group is described, not tested.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk.audits.counting import Floats
from sdk.audits.plans import Attribute, Plan, Target
from sdk.types import JSON


def target_table(attribute: Attribute, plan: Plan, values: Sequence[str]) -> Floats:
    """Return (G, K) shares for the plan's groups and a tally's values; NaN where there is none."""
    entries: dict[str, str] = {}
    for cell in plan.cells:
        entries.setdefault(cell.group, cell.key.get(attribute.target.axis, ""))
    rows = [target_row(attribute.target, attribute.among, entries[g]) for g in plan.groups]
    return np.array([[row.get(value, np.nan) for value in values] for row in rows])


def target_row(target: Target, among: Sequence[str], entry: str = "") -> dict[str, float]:
    """Return value → share for one group; empty where the target says nothing about it."""
    if target.kind == "parity":
        return dict.fromkeys(among, 1 / len(among))
    if target.kind == "custom":
        return dict(target.shares)
    if entry not in target.shares:
        return {}
    share = target.shares[entry]
    return {value: share if value == target.of else 1 - share for value in among}


def described(target: Target) -> dict[str, JSON]:
    """Return what a report prints of a target."""
    if target.kind == "parity":
        return {"kind": "parity", "text": "every listed value has the same share"}
    if target.kind == "custom":
        return {
            "kind": "custom",
            "text": "shares that the plan gives",
            "shares": dict(target.shares),
            "source": target.source,
        }
    return {
        "kind": "labour",
        "text": f"share of {target.of!r} in labour statistics of {target.year}",
        "year": target.year,
        "source": target.source,
        "of": target.of,
        "shares": dict(target.shares),
    }
