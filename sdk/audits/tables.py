"""Reads counts that others published, and names what is wrong with them.

    tally = read_table("fairface", Path("results_fairface_generated_1-5.txt"))

Formats: `counts` (CSV: group, value, count), `fairface` (the text files of Fair Diffusion, two
lines an occupation), `percent` (CSV of percentages, one column a group, checked to sum to 100 and
to be whole pictures of n) and `ratings` (CSV with one row a rating: picture, rater, value; the
majority counts and Fleiss' kappa is kept).  Nothing is mended in silence: a table that does not
add up is refused, with every bad column by name.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdk.audits.agreement import fleiss_kappa
from sdk.audits.tally import MOST_BYTES, Tally
from sdk.errors import AuditError
from sdk.types import JSON

TIE = "unclear"
"""A picture whose raters do not agree in their majority is an abstention."""
_FAIRFACE = re.compile(r"man: *(\d+), *woman: *(\d+)(?:, *except: *(\d+))?")
_ROUNDING = 0.05
"""Half of the last digit of a percentage with one decimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a CSV file are called, and what the table says about itself."""

    attribute: str = "perceived_gender"
    group: str = "group"
    value: str = "value"
    count: str = "count"
    picture: str = "picture"
    pictures: int = 0
    """Pictures behind each column of percentages."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Code in the file → value, for ratings with codes."""


def read_table(format_: str, path: Path, columns: Columns | None = None) -> Tally:
    """Read a published table.

    Raises:
        AuditError: an unknown format, a file that cannot be read, or a table that does not add
            up; the message names every bad row or column.
    """
    if format_ not in FORMATS:
        raise AuditError(
            f"asked to import {format_!r}; the formats are {', '.join(FORMATS)}, "
            "and labels of a run"
        )
    text, digest = text_of(path)
    source: dict[str, JSON] = {"format": format_, "file": path.name, "sha256": digest}
    return FORMATS[format_](text, columns or Columns(), source)


def text_of(path: Path) -> tuple[str, str]:
    """Return the UTF-8 text of a table and the SHA-256 (hex) of its bytes.

    Raises:
        AuditError: it cannot be read, is larger than 64 MiB, or is no UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise AuditError(f"asked to import {path}, found {exc.strerror}; check the path") from exc
    if len(data) > MOST_BYTES:
        raise AuditError(f"asked to import {path}, found more than 64 MiB; split it")
    try:
        return data.decode("utf-8-sig"), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as exc:
        raise AuditError(f"asked to import {path}, found no UTF-8 text; save it as UTF-8") from exc


def _fairface(text: str, columns: Columns, source: dict[str, JSON]) -> Tally:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    counts: dict[str, tuple[int, int]] = {}
    if len(lines) % 2:
        raise AuditError("asked to import fairface counts, found an odd number of lines")
    for name, said in zip(lines[::2], lines[1::2], strict=True):
        found = _FAIRFACE.fullmatch(said)
        if found is None or name in counts:
            raise AuditError(
                f"asked to import fairface counts, found {said[:60]!r} after {name[:60]!r}, or "
                "that name twice; expected 'man: N, woman: N' once for each"
            )
        counts[name] = (int(found[1]), int(found[2]))
    return Tally(
        attribute=columns.attribute,
        values=("man", "woman"),
        groups=tuple(counts),
        counts=tuple(counts.values()),
        source={**source, "answered by": "FairFace, taken at its word"},
    )


def _counts(text: str, columns: Columns, source: dict[str, JSON]) -> Tally:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    values: dict[str, None] = {}
    for number, row in enumerate(rows_of_csv(text, columns.group, columns.value, columns.count), 2):
        group, value, said = row[columns.group], row[columns.value], row[columns.count]
        if not said.isascii() or not said.isdecimal():
            raise AuditError(
                f"asked to import counts, found {said[:40]!r} in line {number}; give a whole "
                "number, 0 or more"
            )
        if value in table[group]:
            raise AuditError(
                f"asked to import counts, found {group!r} with {value!r} twice, in line {number}"
            )
        table[group][value] = int(said)
        values.setdefault(value)
    return _tally(columns.attribute, table, [*values], source)


def _percent(text: str, columns: Columns, source: dict[str, JSON]) -> Tally:
    n = columns.pictures
    if n < 1:
        raise AuditError("asked to import percentages of 0 pictures; say how many were counted")
    rows = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    head = [cell.strip() for cell in rows[0][1:]] if rows else []
    if len(rows) < 3 or any(len(row) != len(head) + 1 for row in rows):
        raise AuditError(
            "asked to import percentages, found no table of at least two values; give one row for "
            "each value, one column for each group, and their names"
        )
    values = [row[0].strip() for row in rows[1:]]
    cells = {group: [row[i] for row in rows[1:]] for i, group in enumerate(head, 1)}
    table = {group: _column(said) for group, said in cells.items()}
    if len(cells) != len(head):
        raise AuditError("asked to import percentages, found two columns of one name")
    if bad := _complaints(table, values, n):
        raise AuditError(
            f"asked to import percentages of {n} pictures, found {len(bad)} columns that do not "
            f"add up: {'; '.join(bad)}; ask for the counts, or leave these columns out"
        )
    counted = {
        group: Counter({v: round(p * n / 100) for v, p in zip(values, said, strict=True)})
        for group, said in table.items()
    }
    return _tally(columns.attribute, counted, values, {**source, "pictures per group": n})


def _column(said: Sequence[str]) -> list[float]:
    try:
        return [float(cell.strip().removesuffix("%") or "nan") for cell in said]
    except ValueError as exc:
        raise AuditError(f"asked to import percentages, found {exc}; give numbers") from exc


def _complaints(table: Mapping[str, list[float]], values: Sequence[str], n: int) -> list[str]:
    """What is wrong with each column, in words; rounding to one decimal is not wrong."""
    bad = []
    for group, said in table.items():
        if not all(0 <= p <= 100 for p in said):
            bad.append(f"{group!r} has a cell outside 0..100")
        elif abs(sum(said) - 100) > _ROUNDING * len(said) + 1e-9:
            bad.append(f"{group!r} sums to {sum(said):.4g}")
        elif broken := [
            f"{p:g} for {v!r}"
            for p, v in zip(said, values, strict=True)
            if abs(p - round(p * n / 100) * 100 / n) > _ROUNDING + 1e-9
        ]:
            bad.append(f"{group!r} says {broken[0]}, which is no whole number of {n} pictures")
        elif sum(round(p * n / 100) for p in said) != n:
            bad.append(f"{group!r} makes {sum(round(p * n / 100) for p in said)} pictures, not {n}")
    return bad


def _ratings(text: str, columns: Columns, source: dict[str, JSON]) -> Tally:
    names = dict(columns.names)
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for number, row in enumerate(
        rows_of_csv(text, columns.picture, columns.value, columns.group), 2
    ):
        said = row[columns.value]
        if names and said not in names:
            raise AuditError(
                f"asked to import ratings, found code {said[:40]!r} in line {number}; the codes "
                f"given are {', '.join(names)}"
            )
        votes[row[columns.group], row[columns.picture]][names.get(said, said)] += 1
    values = [*dict.fromkeys(names.values())] or sorted({v for c in votes.values() for v in c})
    kappa = fleiss_kappa([[c[v] for v in values] for c in votes.values()])
    table: dict[str, Counter[str]] = defaultdict(Counter)
    silent: Counter[str] = Counter()
    for (group, _), count in votes.items():
        value, most = count.most_common(1)[0]
        if 2 * most > count.total() and value != TIE:
            table[group][value] += 1
        else:
            silent[group] += 1
            table[group].update({value: 0})
    known = {**source, "raters per picture": next(iter(votes.values())).total()}
    shown = [v for v in values if v != TIE]
    return _tally(
        columns.attribute, table, shown, {**known, "fleiss kappa": round(kappa, 6)}, silent
    )


def rows_of_csv(text: str, *wanted: str, optional: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the named columns of each row; those in `optional` may have empty cells.

    Raises:
        AuditError: a column is missing, a cell is empty, or a row has another shape.
    """
    wanted = (*wanted, *optional)
    reader = csv.DictReader(io.StringIO(text))
    if missing := [name for name in wanted if name not in (reader.fieldnames or [])]:
        raise AuditError(
            f"asked to import a CSV file, found no column {', '.join(missing)}; its columns are "
            f"{', '.join(map(str, reader.fieldnames or ['none']))}"
        )
    rows = []
    for number, row in enumerate(reader, 2):
        picked = {name: (row[name] or "").strip() for name in wanted}
        full = all(text for name, text in picked.items() if name not in optional)
        if not full or None in row:
            raise AuditError(f"asked to import a CSV file, found line {number} with another shape")
        rows.append(picked)
    if not rows:
        raise AuditError("asked to import a CSV file, found no row below its head")
    return rows


def _tally(
    attribute: str,
    table: Mapping[str, Counter[str]],
    values: Sequence[str],
    source: dict[str, JSON],
    silent: Counter[str] | None = None,
) -> Tally:
    return Tally(
        attribute=attribute,
        values=tuple(values),
        groups=tuple(table),
        counts=tuple(tuple(count[value] for value in values) for count in table.values()),
        abstained=tuple(silent[group] for group in table) if silent else (),
        source=source,
    )


FORMATS: Mapping[str, Callable[[str, Columns, dict[str, JSON]], Tally]] = {
    "counts": _counts,
    "fairface": _fairface,
    "percent": _percent,
    "ratings": _ratings,
}
