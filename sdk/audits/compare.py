"""Two reports of the same question: what changed, seed by seed where the seeds are the same.

    rows = compare_runs(before, after, answerers)      # paired: McNemar
    rows = compare_tallies(a, b)                       # other pictures: Fisher, Newcombe

Used after a mitigation, a new model or a new policy.  A run is compared in pairs when both runs
have the same prompts and seeds: the picture of a seed before and after is then the same question
twice.  Claims are those of a report: differs, equivalent within ±margin, undecided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from sdk.audits.estimating import Answerer
from sdk.audits.folder import Folder
from sdk.audits.gathering import ABSTAINED, answer_of, cell_of
from sdk.audits.independent import independent
from sdk.audits.intervals import wilson
from sdk.audits.multiple import CONTROLS
from sdk.audits.paired import p_within, paired
from sdk.audits.statements import Claim
from sdk.audits.tally import Tally
from sdk.errors import AuditError
from sdk.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One share of the second report less that of the first, in answers."""

    attribute: str
    group: str
    value: str
    first: float | None
    """None where no seed has two answers; so are `second` and `difference`."""
    second: float | None
    difference: float | None
    low: float
    high: float
    p_differs: float
    p_equivalent: float
    claim: str
    pictures: int
    """Seeds with two answers, or pictures of both reports."""
    paired: bool
    missing: int = 0
    """Seeds of a pair without two answers: refused, not drawn, nobody shown, or abstained.  What is
    equivalent is so whatever they would have shown; the rest is of the seeds with two answers."""

    def to_json(self) -> dict[str, JSON]:
        """Return the row of a comparison."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in ((n, getattr(self, n)) for n in self.__slots__)
        }


def compare_runs(
    first: Folder,
    second: Folder,
    answerers: Mapping[str, Answerer],
    *,
    level: float = 0.95,
    margin: float = 0.05,
    control: str = "bh",
) -> list[Change]:
    """Compare two runs of the same prompts and seeds.

    Raises:
        AuditError: the prompts, seeds or attributes are not the same, no seed has two answers, or
            the margin is outside 0..1.
    """
    _check_margin(margin)
    a, b = first.plan, second.plan
    if [c.prompt for c in a.cells] != [c.prompt for c in b.cells] or a.seed != b.seed:
        raise AuditError(
            "asked to compare two runs seed by seed, found other prompts or seeds; run the second "
            "with the first plan, or compare their counts"
        )
    if {x.name: x.among for x in a.attributes} != {x.name: x.among for x in b.attributes}:
        raise AuditError("asked to compare two runs, found other attributes; use one plan")
    mine, theirs = (_by_task(folder) for folder in (first, second))
    tables: dict[tuple[str, str, str], np.ndarray[tuple[int, int], np.dtype[np.int64]]] = {}
    cells = {cell.index: cell for cell in a.cells}
    lost: Counter[tuple[str, str, str]] = Counter()
    for task in sorted(mine.keys() | theirs.keys()):
        group = cell_of(mine.get(task) or theirs[task], cells).group
        for name, answerer in answerers.items():
            among = answerer.attribute.among
            one, two = (_answer(rows.get(task), name, answerer) for rows in (mine, theirs))
            for value in among[:1] if len(among) == 2 else among:
                table = tables.setdefault((name, group, value), np.zeros((2, 2), np.int64))
                if one in among and two in among:
                    table[int(two != value), int(one != value)] += 1
                else:
                    lost[name, group, value] += 1
    kept = {key: table for key, table in tables.items() if table.sum()}
    if not kept:
        raise AuditError("asked to compare two runs, found no seed with two answers; draw some")
    cells_ = np.array([*kept.values()])
    seen = paired(cells_, level)
    reach = np.array([margin * _least_sharp(answerers[name]) for name, _, _ in kept])
    missing = [lost[key] for key in kept]
    within = [
        float(p_within(table, m, gone)) if m > 0 else 1.0
        for table, m, gone in zip(cells_, reach, missing, strict=True)
    ]
    shares = np.stack([cells_[:, :, 0].sum(1), cells_[:, 0].sum(1)], 1) / seen.n[:, None]
    rows = _changes([*kept], shares, seen, np.array(within), (level, control), is_paired=True)
    answered = [replace(row, missing=gone) for row, gone in zip(rows, missing, strict=True)]
    return [*answered, *(_unanswered(key, lost[key]) for key in tables if key not in kept)]


def _check_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise AuditError(f"asked for margin {margin!r}; give one between 0 and 1")


def _unanswered(key: tuple[str, str, str], missing: int) -> Change:
    """A group none of whose seeds has two answers: shown, and nothing is known of it."""
    attribute, group, value = key
    return Change(
        attribute=attribute, group=group, value=value, first=None, second=None, difference=None,
        low=-1.0, high=1.0, p_differs=1.0, p_equivalent=1.0, claim=str(Claim.UNDECIDED),
        pictures=0, paired=True, missing=missing,
    )  # fmt: skip


def _answer(line: Mapping[str, JSON] | None, name: str, answerer: Answerer) -> str:
    """What one run answers; nothing where the policy refused, or it was not drawn."""
    return ABSTAINED if line is None or "refused" in line else answer_of(line, name, answerer)[0]


def compare_tallies(
    first: Tally, second: Tally, *, level: float = 0.95, margin: float = 0.05, control: str = "bh"
) -> list[Change]:
    """Compare counts of other pictures, group by group.

    Raises:
        AuditError: another attribute or other values, no group in common with pictures, or a
            margin outside 0..1.
    """
    _check_margin(margin)
    if (first.attribute, first.values) != (second.attribute, second.values):
        raise AuditError(
            f"asked to compare {first.attribute} of {', '.join(first.values)} with "
            f"{second.attribute} of {', '.join(second.values)}; give counts of the same values, in "
            "the same order"
        )
    rows = []
    for group in first.groups:
        if group in second.groups:
            one = first.counts[first.groups.index(group)]
            two = second.counts[second.groups.index(group)]
            if sum(one) and sum(two):
                rows.append((group, one, two))
    if not rows:
        raise AuditError("asked to compare counts, found no group that both have pictures of")
    values = range(1) if len(first.values) == 2 else range(len(first.values))
    keys = [(first.attribute, group, first.values[v]) for group, _, _ in rows for v in values]
    a = np.array([[one[v], sum(one)] for _, one, _ in rows for v in values])
    b = np.array([[two[v], sum(two)] for _, _, two in rows for v in values])
    seen = independent(b, a, level)
    shares = np.stack([a[:, 0] / a[:, 1], b[:, 0] / b[:, 1]], 1)
    within = _independent_within(a, b, margin * _sharpness(first.confusion))
    return _changes(
        keys, shares, seen, within, (level, control), is_paired=False, n=a[:, 1] + b[:, 1]
    )


def _independent_within(
    a: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    b: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    margin: float,
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """TOST p-values of two shares, Wald with one picture added to each cell (Agresti, Caffo)."""
    from scipy.special import ndtr

    if margin <= 0:
        return np.ones(len(a))
    p, q = ((x[:, 0] + 1) / (x[:, 1] + 2) for x in (a, b))
    spread = np.sqrt(p * (1 - p) / (a[:, 1] + 2) + q * (1 - q) / (b[:, 1] + 2))
    return np.asarray(np.maximum(ndtr((q - p - margin) / spread), ndtr(-(q - p + margin) / spread)))


def _sharpness(confusion: Sequence[Sequence[int]]) -> float:
    """How much of a true difference surely shows; see `sdk.audits.results`."""
    if not confusion:
        return 1.0
    if len(confusion) != 2:
        return 0.0
    right = [row[i] for i, row in enumerate(confusion)]
    return float(max(0.0, wilson(right, [sum(row) for row in confusion]).low.sum() - 1))


def _least_sharp(answerer: Answerer) -> float:
    """Of every matrix that may be the right one: two runs may be of two models."""
    return min(map(_sharpness, (answerer.confusion, *answerer.of_models)))


def _changes(
    keys: Sequence[tuple[str, str, str]],
    shares: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    seen: object,
    within: np.ndarray[tuple[int], np.dtype[np.float64]],
    how: tuple[float, str],
    *,
    is_paired: bool,
    n: object = None,
) -> list[Change]:
    level, control = how
    found = cast(
        "dict[str, list[float]]", {f: getattr(seen, f) for f in ("difference", "low", "high")}
    )
    differs, equivalent = (CONTROLS[control](p) for p in (seen.p, within))  # type: ignore[attr-defined]
    counts = cast("list[int]", seen.n if n is None else n)  # type: ignore[attr-defined]
    rows = []
    for i, (attribute, group, value) in enumerate(keys):
        claim = Claim.DIFFERS if differs[i] <= 1 - level else Claim.UNDECIDED
        claim = Claim.EQUIVALENT if equivalent[i] <= 1 - level else claim
        rows.append(
            Change(
                attribute=attribute,
                group=group,
                value=value,
                first=float(shares[i, 0]),
                second=float(shares[i, 1]),
                difference=float(found["difference"][i]),
                low=float(found["low"][i]),
                high=float(found["high"][i]),
                p_differs=float(differs[i]),
                p_equivalent=float(equivalent[i]),
                claim=str(claim),
                pictures=int(counts[i]),
                paired=is_paired,
            )
        )
    return rows


def _by_task(folder: Folder) -> dict[str, Mapping[str, JSON]]:
    return {str(line["task"]): line for line in folder.lines()}
