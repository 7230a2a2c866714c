"""Counts of perceived values per group: what lies between pictures, or a table, and statistics.

    tally = Tally(attribute="perceived_gender", values=("man", "woman"), groups=("nurse",),
                  counts=((3, 247),))
    tally.write(Path("nurse.json"))

One tally is one attribute.  Where an estimator answered, its confusion matrix comes along; where
people did, or a publication says so, there is none, and the counts are taken at their word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdk.audits.counting import checked_counts
from sdk.audits.inversion import Answers
from sdk.audits.plain import Counts
from sdk.errors import AuditError
from sdk.output import Placement
from sdk.types import JSON

FORMAT = "audit-counts-1"
MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one attribute.

    Raises:
        AuditError: shapes that do not fit, a name twice, or no pictures at all.
    """

    attribute: str
    values: tuple[str, ...]
    groups: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row for each group, one column for each value."""
    abstained: tuple[int, ...] = ()
    """Per group: pictures without an answer; empty for none."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """`confusion[truth][answer]` of the estimator over `values`; empty where answers are taken
    at their word."""
    weights: tuple[int, ...] = ()
    """Validation pictures that each row is worth, where that is not its sum (intersections)."""
    source: Mapping[str, JSON] = field(default_factory=dict)
    """Who answered: estimator with version, digest and licence, or a publication with digest."""

    def __post_init__(self) -> None:
        rows, k = len(self.groups), len(self.values)
        for what, names in (("group", self.groups), ("value", self.values)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise AuditError(
                    f"asked to count {self.attribute}, found {what} {twice[0]!r} twice; "
                    "give each a name of its own"
                )
        if k < 2 or not rows or len(self.counts) != rows or any(len(r) != k for r in self.counts):
            raise AuditError(
                f"asked to count {self.attribute}, found a table that is not {rows} groups by {k} "
                "values; give at least one group and two values"
            )
        if len(self.abstained) not in (0, rows):
            raise AuditError(f"asked to count {self.attribute}, found abstentions of other groups")
        if self.confusion and (
            len(self.confusion) != k or any(len(r) != k for r in self.confusion)
        ):
            raise AuditError(
                f"asked to count {self.attribute}, found a confusion matrix of other values"
            )
        if len(self.weights) not in (0, k):
            raise AuditError(f"asked to count {self.attribute}, found weights of other values")
        checked_counts(self.counts)
        if sum(map(sum, self.counts)) + sum(self.abstained) == 0:
            raise AuditError(
                f"asked to count {self.attribute}, found no picture in any group; draw some"
            )

    @property
    def silent(self) -> tuple[int, ...]:
        """Abstentions per group, zeros where none were noted."""
        return self.abstained or (0,) * len(self.groups)

    def only(self, groups: Sequence[str]) -> Tally:
        """Return the same tally of fewer groups, in that order."""
        at = [self.groups.index(group) for group in groups]
        return Tally(
            attribute=self.attribute,
            values=self.values,
            groups=tuple(groups),
            counts=tuple(self.counts[i] for i in at),
            abstained=tuple(self.silent[i] for i in at),
            confusion=self.confusion,
            weights=self.weights,
            source=self.source,
        )

    def answers(self, listed: Sequence[bool], method: str = "wilson") -> Counts | Answers:
        """Return what statistics ask: corrected for errors where the errors are known."""
        if self.confusion:
            return Answers.of(
                self.counts,
                confusion=self.confusion,
                weights=self.weights or None,
                abstained=self.silent,
                listed=listed,
            )
        return Counts.of(self.counts, abstained=self.silent, listed=listed, method=method)

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON object of a counts file."""
        return {
            "format": FORMAT,
            "attribute": self.attribute,
            "values": list(self.values),
            "groups": list(self.groups),
            "counts": [list(row) for row in self.counts],
            "abstained": list(self.silent),
            "confusion": [list(row) for row in self.confusion],
            "weights": list(self.weights),
            "source": dict(self.source),
        }

    def write(self, path: Path) -> None:
        """Write a counts file; it appears whole, and never over another.

        Raises:
            OutputError: the name is taken, or the folder cannot be written.
        """
        text = json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n"
        Placement.stage(path, text.encode()).release()

    @classmethod
    def read(cls, path: Path) -> Tally:
        """Read a counts file.

        Raises:
            AuditError: it cannot be read, or is no counts file.
        """
        try:
            if path.stat().st_size > MOST_BYTES:
                raise AuditError(f"asked to read {path}, found more than 64 MiB; no counts file")
            return cls.of_json(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, RecursionError) as exc:
            raise AuditError(
                f"asked to read counts from {path}, found {exc}; give a file that sdk audit import "
                "made, or a run's folder"
            ) from exc

    @classmethod
    def of_json(cls, found: object) -> Tally:
        """Read what `to_json` made.

        Raises:
            AuditError: it is something else.
        """
        try:
            assert isinstance(found, dict)
            assert found["format"] == FORMAT
            return cls(
                attribute=str(found["attribute"]),
                values=tuple(map(str, found["values"])),
                groups=tuple(map(str, found["groups"])),
                counts=_rows(found["counts"]),
                abstained=tuple(map(int, found["abstained"])),
                confusion=_rows(found["confusion"]),
                weights=tuple(map(int, found["weights"])),
                source=dict(found["source"]),
            )
        except (AssertionError, KeyError, TypeError, ValueError) as exc:
            raise AuditError(
                f"asked to read counts, found no {FORMAT} document; make one with sdk audit import"
            ) from exc


def _rows(found: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    checked_counts(found if len(found) else [[0]])
    return tuple(tuple(int(cell) for cell in row) for row in found)
