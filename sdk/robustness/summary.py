"""Joins the records of a measurement into the dossier's document: counts, shares, intervals.

Nothing is averaged over groups or sizes: photos hide marks that flat art shows.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sdk.dossier.rates import rate
from sdk.robustness.measure import ORDINARY, Record
from sdk.robustness.pictures import Pictures
from sdk.robustness.running import Measured, Plan
from sdk.robustness.transforms import GRID
from sdk.types import JSON
from sdk.version import GENERATOR, VERSION

SCHEMA = "https://responsible-generation-sdk.github.io/schemas/robustness-1.json"
QUALITIES = ("psnr_db", "ssim", "delta_e_mean", "delta_e_smooth", "delta_e_pixel")
_STEPS = (-0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""log10 p at which the share of unmarked pictures is counted."""
LIMITS = (
    "A share holds for these pictures, this size and these settings. Read the interval and the "
    "number of pictures: no failure in ten says only that fewer than 28 in a hundred fail.",
    "Ordinary handling only. What somebody does who wants the mark gone was not tried: "
    "regeneration by a diffusion model, averaging, or knowledge of the key.",
    "A mark points to a signed manifest. Its presence alone proves nothing: marks can be copied "
    "and, with the key, forged.",
    "Pictures without a mark bound the rate of false accepts by about three in their number; the "
    "rates that a plugin states below that rest on its own argument.",
)
"""Printed on every page: what such numbers do not say."""


def document(
    plan: Plan, pictures: Pictures, found: Mapping[str, Measured], records: Sequence[Record]
) -> dict[str, JSON]:
    """Return the whole dossier as plain data; docs/watermark/bench.md describes every field."""
    subjects = {name: _subject(plan, name, found[name], records) for name in plan.watermarks}
    first = subjects[plan.plugin]
    others = [name for name in plan.peers if name != plan.plugin]
    return {
        "schema": SCHEMA,
        "title": plan.plugin,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": f"{GENERATOR} {VERSION}",
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "pictures": {
            "name": pictures.name,
            "sha256": pictures.sha256,
            "count": len(pictures.each),
            "groups": dict(sorted(Counter(one.group for one in pictures.each).items())),
        },
        "transforms": {name: GRID[name].family for name in plan.names},
        **first,
        "peers": [
            {**subjects[name], "times_as_long": _times(first["speed"], subjects[name]["speed"])}
            for name in others
        ],
        "limits": list(LIMITS),
    }


def _subject(plan: Plan, name: str, found: Measured, records: Sequence[Record]) -> dict[str, Any]:
    mine = [r for r in records if r["plugin"] == name]
    searched = [r for r in mine if "presence" in r]
    marked = [r for r in mine if "reads" in r or "refused" in r]
    skipped = Counter(_place(r) for r in mine if "skipped" in r and not r["searched"])
    cells = sorted({_place(r) for r in marked})
    return {
        "watermark": {
            "plugin": name,
            "distribution": found.id.distribution,
            "version": found.id.version,
            "code_sha256": found.id.sha256,
            "algorithm": found.algorithm,
            "payload_bits": 8 * found.payload_bytes,
            "min_side": found.min_side,
            "settings": sorted(plan.settings) if name == plan.plugin else [],
        },
        "cells": [
            _cell(plan, cell, [r for r in marked if _place(r) == cell], skipped[cell])
            for cell in cells
        ],
        "unmarked": [
            _unmarked(side, [r for r in searched if r["side"] == side]) for side in plan.sides
        ],
        "speed": [_speed(side, marked, searched) for side in plan.sides],
    }


def _cell(
    plan: Plan, cell: tuple[int, str], records: Sequence[Any], too_small: int
) -> dict[str, JSON]:
    """One size and one group of pictures; a picture that was refused counts as not read."""
    done = [r for r in records if "refused" not in r]
    n = len(records)

    def read(name: str) -> JSON:
        return rate(sum(r["reads"][name] == "exact" for r in done), n).as_json()

    families = {GRID[name].family: None for name in plan.names}
    ordinary = [name for name in ORDINARY if name in plan.names]
    return {
        "side": cell[0],
        "group": cell[1],
        "pictures": n,
        "too_small": too_small,
        "refused": n - len(done),
        "weak": sum(bool(r["weak"]) for r in done),
        "silent_failures": sum(
            not r["weak"] and any(r["reads"][name] != "exact" for name in ordinary) for r in done
        ),
        "wrong_payloads": sum(said == "wrong" for r in done for said in r["reads"].values()),
        "quality": {name: _spread([float(r[name]) for r in done]) for name in QUALITIES},
        "transforms": {name: read(name) for name in plan.names},
        "families": {
            family: rate(sum(_all_read(r, plan, family) for r in done), n).as_json()
            for family in families
        },
        "each": [[r["psnr_db"], _share_read(r)] for r in done],
        "lost": {
            name: [str(r["id"]) for r in done if r["reads"][name] != "exact"][:10]
            for name in plan.names
            if any(r["reads"][name] != "exact" for r in done)
        },
    }


def _place(record: Record) -> tuple[int, str]:
    return int(str(record["side"])), str(record["group"])


def _all_read(record: Any, plan: Plan, family: str) -> bool:
    """Whether a picture's mark survived every transform of a family."""
    names = [name for name in plan.names if GRID[name].family == family]
    return all(record["reads"][name] == "exact" for name in names)


def _share_read(record: Any) -> float:
    reads: list[str] = list(record["reads"].values())
    return round(sum(said == "exact" for said in reads) / max(1, len(reads)), 4)


def _unmarked(side: int, records: Sequence[Any]) -> dict[str, JSON]:
    n = len(records)
    values = [float(r["log10_p"]) for r in records]
    said = Counter(str(r["presence"]) for r in records)
    return {
        "side": side,
        "searches": n,
        "present": rate(said["present"], n).as_json(),
        "inconclusive": said["inconclusive"],
        "kinds": dict(sorted(Counter(str(r["kind"]) for r in records).items())),
        "log10_p_at_or_below": [
            {"log10_p": step, "seen": sum(v <= step for v in values), "due": round(n * 10**step, 2)}
            for step in _STEPS
        ],
    }


def _speed(side: int, marked: Sequence[Any], searched: Sequence[Any]) -> dict[str, JSON]:
    """Median CPU milliseconds, one process."""

    def median(records: Sequence[Any], key: str) -> float | None:
        times = [float(r[key]) for r in records if r["side"] == side and key in r]
        return round(float(np.median(times)), 2) if times else None

    embed = median(marked, "embed_ms")
    return {
        "side": side,
        "embed_ms": embed,
        "embed_mpx_per_s": round(side * side / 1000 / embed, 2) if embed else None,
        "detect_marked_ms": median(marked, "detect_ms"),
        "detect_unmarked_ms": median(searched, "detect_ms"),
    }


def _times(ours: Sequence[Any], theirs: Sequence[Any]) -> list[JSON]:
    """How many times as long a peer takes, by size; null where one was not timed."""
    out: list[JSON] = []
    for a, b in zip(ours, theirs, strict=True):
        row: dict[str, JSON] = {"side": a["side"]}
        for key in ("embed_ms", "detect_marked_ms", "detect_unmarked_ms"):
            row[key.removesuffix("_ms")] = round(b[key] / a[key], 2) if a[key] and b[key] else None
        out.append(row)
    return out


def _spread(values: Sequence[float]) -> JSON:
    if not values:
        return None
    found = np.array(values)
    return {
        "mean": round(float(found.mean()), 4),
        "min": round(float(found.min()), 4),
        "median": round(float(np.median(found)), 4),
        "max": round(float(found.max()), 4),
    }
