"""What an audit found, as JSON: every share with its interval, its claim and its target.

    blocks = [Block(tally=tally, among=("man", "woman"), target=table, says=described(target))]
    results = shares_of(blocks, level=0.95, margin=0.05, control="bh", interval="wilson")

All shares of all blocks are one family for Holm or Benjamini-Hochberg.  Of two listed values the
first is tested; the second mirrors it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdk.audits.counting import Floats
from sdk.audits.distances import kl_divergence, total_variation
from sdk.audits.gathering import PairTable
from sdk.audits.intervals import wilson
from sdk.audits.multiple import CONTROLS
from sdk.audits.paired import p_within, paired
from sdk.audits.statements import Asked, Claim, Decided, ask, decide_all
from sdk.audits.tally import Tally
from sdk.errors import AuditError
from sdk.types import JSON

DIGITS = 6
"""Of every number in a report: the same on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One attribute, or one pair of attributes, with what it is compared with."""

    tally: Tally
    among: tuple[str, ...]
    target: Floats
    """(G, K) for the groups and values of the tally; NaN where nothing is known."""
    says: Mapping[str, JSON]
    """The target in words and numbers."""

    @property
    def listed(self) -> list[bool]:
        """Which values the shares are among."""
        return [value in self.among for value in self.tally.values]


def shares_of(
    blocks: Sequence[Block], *, level: float, margin: float, control: str, interval: str
) -> list[dict[str, JSON]]:
    """Decide every share of an audit and write it down.

    Raises:
        AuditError: no group of any block has a picture of a listed value, or a target is wrong.
    """
    kept = [_with_pictures(block) for block in blocks]
    if not any(block is not None for block in kept):
        raise AuditError(
            "asked for shares, found no picture that shows a listed value or lacks an answer; "
            "draw some, or list other values"
        )
    asked = [_asked(block, level, margin, interval) for block in kept if block is not None]
    decided = iter(decide_all(asked, level=level, control=control))
    tests = iter(asked)
    found: list[dict[str, JSON]] = []
    for block, left in zip(blocks, kept, strict=True):
        rows: list[JSON] = []
        if left is not None:
            rows = _rows(left, next(tests), next(decided), level)
        there = set(left.tally.groups) if left is not None else set()
        found.append(
            {
                "attribute": block.tally.attribute,
                "among": list(block.among),
                "corrected": bool(block.tally.confusion),
                "source": dict(block.tally.source),
                "target": dict(block.says),
                "groups": rows,
                "empty_groups": [group for group in block.tally.groups if group not in there],
            }
        )
    return found


def pairs_of(
    tables: Sequence[PairTable],
    tallies: Mapping[str, Tally],
    *,
    level: float,
    margin: float,
    control: str,
) -> list[dict[str, JSON]]:
    """Decide every counterfactual; all of them are one family of their own."""
    full = [one for one in tables if sum(map(sum, one.table))]
    found: dict[int, dict[str, JSON]] = {}
    if full:
        cells = np.array([one.table for one in full])
        seen = paired(cells, level)
        reach = [margin * _sharpness(tallies[one.attribute]) for one in full]
        within = np.array([_within(one, m) for one, m in zip(full, reach, strict=True)])
        differs, equivalent = CONTROLS[control](seen.p), CONTROLS[control](within)
        for i, one in enumerate(full):
            claim = Claim.DIFFERS if differs[i] <= 1 - level else Claim.UNDECIDED
            claim = Claim.EQUIVALENT if equivalent[i] <= 1 - level else claim
            found[id(one)] = {
                "difference": _number(seen.difference[i]),
                "low": _number(seen.low[i]),
                "high": _number(seen.high[i]),
                "discordant": int(seen.discordant[i]),
                "p_differs": _number(differs[i]),
                "p_equivalent": _number(equivalent[i]),
                "claim": str(claim),
            }
    nothing: dict[str, JSON] = {"difference": None, "claim": str(Claim.UNDECIDED)}
    return [
        {
            "axis": one.pair.axis,
            "first": one.pair.first,
            "second": one.pair.second,
            "attribute": one.attribute,
            "value": one.value,
            "group": one.group,
            "seeds": sum(map(sum, one.table)),
            "seeds_without_two_answers": one.dropped,
            "table": [list(row) for row in one.table],
            **found.get(id(one), nothing),
        }
        for one in tables
    ]


def _within(one: PairTable, margin: float) -> float:
    return float(p_within(one.table, margin, one.dropped)) if margin > 0 else 1.0


def counted(blocks: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """How many tested shares got each claim; those without a target are counted apart."""
    total = dict.fromkeys((*map(str, Claim), "without_target"), 0)
    for block in blocks:
        for row in block["groups"]:  # type: ignore[union-attr]
            for share in row["shares"]:  # type: ignore[index, call-overload, union-attr]
                if share["target"] is None:  # type: ignore[index, call-overload]
                    total["without_target"] += 1
                elif share["tested"]:  # type: ignore[index, call-overload]
                    total[str(share["claim"])] += 1  # type: ignore[index, call-overload]
    return dict(total)


def _sharpness(tally: Tally) -> float:
    """How much of a true difference of two values an estimator surely shows: 0..1.

    Errors make a difference of two prompts look smaller, by sensitivity + specificity - 1; so the
    margin shrinks by what that is at least.  For more than two values nothing is claimed.
    """
    if not tally.confusion:
        return 1.0
    if len(tally.values) != 2:
        return 0.0
    right = [row[i] for i, row in enumerate(tally.confusion)]
    least = wilson(right, [sum(row) for row in tally.confusion]).low
    return float(max(0.0, least.sum() - 1))


def _with_pictures(block: Block) -> Block | None:
    """Leave out the groups that show no listed value and lack no answer."""
    listed = np.array(block.listed)
    some = np.array(block.tally.counts)[:, listed].sum(axis=1) + np.array(block.tally.silent) > 0
    if not some.any():
        return None
    groups = [group for group, there in zip(block.tally.groups, some, strict=True) if there]
    return Block(
        tally=block.tally.only(groups),
        among=block.among,
        target=block.target[some],
        says=block.says,
    )


def _asked(block: Block, level: float, margin: float, interval: str) -> Asked:
    listed = block.listed
    family = ~np.isnan(block.target) & np.array(listed)
    if sum(listed) == 2:
        family[:, [i for i, there in enumerate(listed) if there][1]] = False
    return ask(
        block.tally.answers(listed, interval),
        block.target,
        margin=margin,
        level=level,
        family=family,
    )


def _rows(block: Block, asked: Asked, decided: Decided, level: float) -> list[JSON]:
    tally, at = block.tally, [i for i, there in enumerate(block.listed) if there]
    distances = _distances(block, level, at)
    rows: list[JSON] = []
    for g, group in enumerate(tally.groups):
        shares: list[JSON] = [_share(block, asked, decided, g, i, at) for i in at]
        counts: dict[str, JSON] = {v: tally.counts[g][i] for i, v in enumerate(tally.values)}
        rows.append(
            {
                "group": group,
                "pictures": sum(tally.counts[g]) + tally.silent[g],
                "counts": counts,
                "abstained": tally.silent[g],
                "shares": shares,
                "distance": distances[g],
            }
        )
    return rows


def _share(block: Block, asked: Asked, decided: Decided, g: int, i: int, at: Sequence[int]) -> JSON:
    target = block.target[g, i]
    from_ = at[0] if len(at) == 2 else i  # of two values the second mirrors the first
    tested = bool(asked.tested[g, from_])
    needed = decided.needed[g, from_]
    return {
        "value": block.tally.values[i],
        "target": _number(target),
        "estimate": _number(decided.estimate[g, i]),
        "low": _number(decided.bounds.low[g, i]),
        "high": _number(decided.bounds.high[g, i]),
        "tested": tested and from_ == i,
        "p_differs": _number(decided.p_differs[g, from_]) if tested else None,
        "p_equivalent": _number(decided.p_equivalent[g, from_]) if tested else None,
        "claim": str(decided.claim[g, from_]) if tested else str(Claim.UNDECIDED),
        "why": _why(decided.fits[g], target, tested),
        "more_pictures": None if math.isinf(needed) or not tested else int(needed),
        "more_would_help": bool(tested and not math.isinf(needed)),
    }


def _why(fits: NDArray[np.bool_], target: float, tested: bool) -> str:
    if not fits.all():
        return "the answers contradict the estimator's validation; nothing is claimed"
    if math.isnan(target):
        return "the target says nothing about this group"
    return "" if tested else "not tested"


def _distances(block: Block, level: float, at: Sequence[int]) -> list[JSON]:
    """Distances of the answers from the target: uncorrected, and null where nothing is known."""
    found: list[JSON] = []
    for g in range(len(block.tally.groups)):
        counts = np.array(block.tally.counts[g])[list(at)]
        target = block.target[g, list(at)]
        if np.isnan(target).any() or not counts.sum():
            found.append(None)
            continue
        tv, kl = total_variation(counts, target, level), kl_divergence(counts, target)
        found.append(
            {
                "of": "answers",
                "total_variation": _number(tv.plain),
                "total_variation_debiased": _number(tv.debiased),
                "total_variation_low": _number(tv.low),
                "total_variation_high": _number(tv.high),
                "kl_debiased": _number(kl.debiased),
            }
        )
    return found


def _number(value: object) -> float | None:
    """A number of a report; null where there is none."""
    found = float(value)  # type: ignore[arg-type]
    return round(found, DIGITS) if math.isfinite(found) else None
