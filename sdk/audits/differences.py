"""The words of differences between pictures of the same seeds: other prompts, other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdk.audits.plots import Line
from sdk.audits.wording import percent, points, signed

PAIR_HEAD = ("Prompts", "Group", "Value", "Seeds", "Difference", "Interval", "Claim")


def pair_says(margin: float) -> str:
    """Return how the prompts of one seed are compared."""
    return (
        "Each difference is the share with the first prompt minus the share with the second, in "
        f"percentage points of the answers, over pictures of the same seeds; margin ±"
        f"{points(margin)}."
    )


def pair_lines(results: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Return attribute and value → the lines of its plot; what no seed answers has none."""
    found: dict[str, list[Line]] = {}
    for pair in results["pairs"]:
        if pair["difference"] is not None:
            prompts = f"{pair['first'] or '(none)'} - {pair['second'] or '(none)'}"
            label = prompts if pair["group"] == "all" else f"{pair['group']}: {prompts}"
            found.setdefault(_shown(pair), []).append(_line(label, pair))
    return found


def rewritten_lines(rewritten: Mapping[str, Any]) -> dict[str, list[Line]]:
    """Return attribute and value → the lines of its plot; what no seed answers has none."""
    found: dict[str, list[Line]] = {}
    for row in rewritten["changes"]:
        if row["difference"] is not None:
            found.setdefault(_shown(row), []).append(_line(row["group"], row))
    return found


def _line(label: str, row: Mapping[str, Any]) -> Line:
    return Line(
        label=label,
        low=row["low"],
        high=row["high"],
        estimate=row["difference"],
        target=0.0,
        claim=row["claim"],
    )


def _shown(row: Mapping[str, Any]) -> str:
    return f"{row['attribute'].replace('_', ' ')}: {row['value']}"


def pair_rows(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the counterfactuals, texts for the columns of `PAIR_HEAD`."""
    for pair in results["pairs"]:
        there = pair["difference"] is not None
        yield (
            f"{pair['axis']}: {pair['first'] or '(none)'} minus {pair['second'] or '(none)'}",
            pair["group"],
            _shown(pair),
            f"{pair['seeds']:,}"
            + (f" ({pair['seeds_without_two_answers']:,} without two answers)"
               if pair["seeds_without_two_answers"] else ""),
            signed(pair["difference"]) if there else "none",
            f"{signed(pair['low'])} to {signed(pair['high'])}" if there else "none",
            pair["claim"],
        )  # fmt: skip


REWRITTEN_HEAD = ("Group", "Value", "Seeds", "Without", "With", "Difference", "Interval", "Claim")


def rewritten_says(rewritten: Mapping[str, Any], margin: float) -> str:
    """Return what was drawn twice, and how the two are compared."""
    by = ", ".join(rewritten["by"]) or "the policy's rewriters, which left all of them alone"
    return (
        f"Prompts were worded anew by {by}. The same prompts and seeds were drawn once more "
        f"without: {rewritten['twin']['observed']:,} pictures. Each difference is the share with "
        "less the share without, in percentage points of the answers, over seeds with two answers "
        f"(McNemar's exact test, adjusted; margin ±{points(margin)})."
    )


def rewritten_rows(rewritten: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the paired re-audit, texts for the columns of `REWRITTEN_HEAD`."""
    for row in rewritten["changes"]:
        yield (
            row["group"],
            _shown(row),
            f"{row['pictures']:,}"
            + (f" ({row['missing']:,} without two answers)" if row["missing"] else ""),
            percent(row["first"]),
            percent(row["second"]),
            "none" if row["difference"] is None else signed(row["difference"]),
            f"{signed(row['low'])} to {signed(row['high'])}",
            row["claim"],
        )
