"""How a file does under the rubric.

verdict = judge(source)
verdict.passed, verdict.kept, verdict.broken
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdk.report import harmless
from sdk.rubric.checks import CHECKS, SPEC, Check
from sdk.rubric.facts import Facts
from sdk.source import Source
from sdk.types import JSON

RUBRIC = f"C2PA Asset Conformance 0.2, Spec {SPEC} (2026-08-06)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """Every check with what breaks it."""

    file: str
    manifest: str
    """Label of the active manifest, harmless."""
    found: tuple[tuple[Check, tuple[str, ...]], ...]
    """Check → what breaks it, harmless; nothing when it is kept."""

    @property
    def kept(self) -> int:
        """How many checks are kept."""
        return sum(not broken for _, broken in self.found)

    @property
    def passed(self) -> bool:
        """Whether every check is kept, but for those that only warn."""
        return not any(broken and not check.warns for check, broken in self.found)

    def to_json(self) -> dict[str, JSON]:
        """Return it as a JSON document."""
        return {
            "file": self.file,
            "rubric": RUBRIC,
            "manifest": self.manifest,
            "passed": self.passed,
            "kept": self.kept,
            "checks": [
                {
                    "id": check.id,
                    "says": check.says,
                    "section": check.section,
                    "result": _result(check, broken),
                    "found": [*broken],
                }
                for check, broken in self.found
            ],
        }

    def lines(self) -> list[str]:
        """Return it for people: one line a check, what is broken last."""
        ordered = sorted(self.found, key=lambda pair: bool(pair[1]))
        words = {"pass": "ok  ", "warn": "warn", "fail": "FAIL"}
        lines = [f"{self.file}: {self.kept} of {len(self.found)} checks of {RUBRIC}", ""]
        for check, broken in ordered:
            where = f" ({check.section})" if check.section else ""
            lines.append(f"  {words[_result(check, broken)]}  {check.says}{where}")
            lines += [f"        {check.id}: found {text}" for text in broken[:10]]
        return lines


def judge(source: Source) -> Conformance | None:
    """Put the active manifest of a file to every check; None where no manifest can be read."""
    document = source.crjson(b"")
    return None if document is None else judged(source.name, document)


def judged(name: str, crjson: Mapping[str, JSON]) -> Conformance:
    """Put the active manifest of a crJSON document to every check."""
    facts = Facts.of(crjson)
    return Conformance(
        file=harmless(name),
        manifest=harmless(facts.label),
        found=tuple((check, tuple(map(harmless, check.breaks(facts)))) for check in CHECKS),
    )


def _result(check: Check, broken: tuple[str, ...]) -> str:
    if not broken:
        return "pass"
    return "warn" if check.warns else "fail"
