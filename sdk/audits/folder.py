"""The folder of one run: its plan, a line for each observation, its pictures, and its cost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from sdk.audits.plans import Plan, plan_of
from sdk.energy import Energy, Spent, spent_in
from sdk.errors import AuditError
from sdk.output import Placement
from sdk.types import JSON

HEAD, LINES, PICTURES = "run.json", "observations.jsonl", "pictures"
ENERGY = "energy.jsonl"


class Folder:
    """The folder of one run."""

    def __init__(self, path: Path, head: Mapping[str, JSON]) -> None:
        """Use `create` or `read`."""
        self.path, self.head = path, head

    @classmethod
    def create(cls, path: Path, plan: Plan, head: Mapping[str, JSON]) -> Folder:
        """Begin a run, or go on with the one that lies there.

        Raises:
            AuditError: another plan, policy or model was run there; what lies there is kept.
        """
        if (path / HEAD).exists():
            folder = cls.read(path)
            for what in ("plan_sha256", "policy", "model"):
                if folder.head.get(what) != head.get(what):
                    raise AuditError(
                        f"asked to go on with {path}, found the run of another {what}; name "
                        "another folder (what lies there is kept)"
                    )
            return folder
        try:
            (path / PICTURES).mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise AuditError(f"asked to run in {path}, found {exc.strerror}") from exc
        whole = {**head, "plan": cast("JSON", plan.model_dump(mode="json"))}
        text = json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
        Placement.stage(path / HEAD, text.encode()).release()
        return cls(path, whole)

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Open the folder of a run.

        Raises:
            AuditError: no run lies there.
        """
        try:
            head = json.loads((path / HEAD).read_text("utf-8"))
            assert isinstance(head, dict)
        except (OSError, ValueError, AssertionError) as exc:
            raise AuditError(
                f"asked for the run in {path}, found none ({exc}); make one with sdk audit run"
            ) from exc
        return cls(path, head)

    @property
    def plan(self) -> Plan:
        """The plan of the run, checked again."""
        return plan_of(cast("dict[str, object]", self.head["plan"]), "of the run")

    def lines(self) -> list[dict[str, JSON]]:
        """Every whole observation, in the order they were made; a torn last line is left out.

        Raises:
            AuditError: a line in the middle is broken, or a picture is noted twice.
        """
        try:
            data = (self.path / LINES).read_bytes() if (self.path / LINES).exists() else b""
        except OSError as exc:
            raise AuditError(f"asked to read {self.path / LINES}, found {exc.strerror}") from exc
        whole, _, _torn = data.rpartition(b"\n")
        found: list[dict[str, JSON]] = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                assert isinstance(row["task"], str)
            except (ValueError, AssertionError, KeyError, TypeError) as exc:
                raise AuditError(
                    f"asked to read {self.path / LINES}, found line {number} broken; restore it "
                    "from a backup, or remove it to have the picture drawn again"
                ) from exc
            found.append(row)
        names = [row["task"] for row in found]
        if len(set(map(str, names))) != len(names):
            raise AuditError(f"asked to read {self.path / LINES}, found a picture noted twice")
        return found

    def spend(self, energy: Energy, before: int) -> None:
        """Note what a session cost, for the pictures that were noted after the first `before`."""
        rows = self.lines()[before:]
        sizes = [float(cast("float", row.get("megapixel_steps", 0.0))) for row in rows]
        spent: dict[str, JSON] = {
            "type": "energy",
            "joules": round(energy.joules, 3),
            "drawn": len(rows),
            "megapixel_steps": round(sum(sizes), 6),
            "method": energy.method,
            "assumptions": energy.assumptions,
            "quality": energy.quality,
        }
        if rows:
            _append(self.path / ENERGY, [spent])

    def spent(self) -> list[Spent]:
        """What all sessions cost, by method.

        Raises:
            AuditError: the file is damaged.
        """
        try:
            text = (self.path / ENERGY).read_text("utf-8") if (self.path / ENERGY).exists() else ""
            return spent_in([json.loads(line) for line in text.splitlines()])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise AuditError(
                f"asked to read {self.path / ENERGY}, found {type(exc).__name__}; restore it, or "
                "remove it to report without energy"
            ) from exc

    def note(self, rows: Sequence[Mapping[str, JSON]]) -> None:
        """Put observations on disk; a torn line of a killed run is cut off first."""
        _append(self.path / LINES, rows)


def _append(path: Path, rows: Sequence[Mapping[str, JSON]]) -> None:
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(0)
        data = file.read() if end else b""
        if data and not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
