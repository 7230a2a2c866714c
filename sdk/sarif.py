"""Writes findings as SARIF 2.1.0, which code hosts and editors show beside the lines and files.

    sarif([Rule(id="a.b", short="what is wrong")],
          [Finding(rule="a.b", message="found it", places=[Place(path="a.toml", line=3)])])

One run of one tool.  Only rules that are described may be named.  Texts may be hostile: control and
direction characters are made visible, and what SARIF would read as a placeholder or a link is
taken out of its meaning (OASIS SARIF 2.1.0 errata 01, 3.11.5 and 3.11.6).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sdk.report import harmless
from sdk.types import JSON
from sdk.version import GENERATOR, VERSION

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
HOME = "https://responsible-generation-sdk.github.io/"
LEVELS = ("none", "note", "warning", "error")
"""How grave a finding is (3.27.10)."""
KINDS = ("pass", "open", "informational", "notApplicable", "review", "fail")
"""What a finding is; only `fail` has a level other than `none` (3.27.9)."""
_LONGEST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a finding may be about."""

    id: str
    """Stable and without spaces, such as `signingCredential.untrusted`."""
    short: str
    """What it means, in one sentence."""
    help: str = ""
    """What causes it and what to do."""
    level: str = "error"
    """The default for its findings, one of `LEVELS`."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a finding is: a file, a place in it, or a key such as `rules[3].block`."""

    path: str | Path
    """Absolute, or relative to where the command ran."""
    line: int | None = None
    """From 1."""
    column: int | None = None
    """From 1, in Unicode code points."""
    key: str = ""
    """Where in the document, in its own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding."""

    rule: str
    """`id` of its rule."""
    message: str
    places: Sequence[Place] = ()
    level: str = ""
    """One of `LEVELS`; the rule's when empty."""
    kind: str = "fail"
    """One of `KINDS`."""
    same: str = ""
    """Equal in two runs when it is the same finding, such as a digest of the file."""
    more: Mapping[str, JSON] = field(default_factory=dict)
    """Facts beside the message."""


def sarif(
    rules: Iterable[Rule],
    findings: Iterable[Finding],
    *,
    problems: Sequence[str] = (),
    command: str = "sdk",
) -> dict[str, JSON]:
    """Return the SARIF log; `problems` say what the tool could not do.

    Raises:
        KeyError: a finding names a rule that is not described.
        ValueError: a level or kind that SARIF does not know.
    """
    listed = list({rule.id: rule for rule in rules}.values())
    index = {rule.id: place for place, rule in enumerate(listed)}
    levels = {rule.id: rule.level for rule in listed}
    driver: dict[str, JSON] = {
        "name": f"{GENERATOR} {command}",
        "semanticVersion": VERSION,
        "informationUri": HOME,
        "rules": [_rule(rule) for rule in listed],
    }
    notifications: list[JSON] = [
        {"level": "error", "message": {"text": text_of(problem)}} for problem in problems
    ]
    run: dict[str, JSON] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not problems,
                "toolExecutionNotifications": notifications,
            }
        ],
        "results": [_result(found, index[found.rule], levels[found.rule]) for found in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def text_of(text: str) -> str:
    """Return a text as a SARIF message says it: harmless, no placeholder, no link."""
    plain = harmless(text, _LONGEST).replace("{", "{{").replace("}", "}}")
    return plain.replace("](", "] (")


def uri_of(path: str | Path) -> str:
    """Return a path as RFC 3986 reference: relative ones stay relative, any byte is allowed."""
    given = Path(path)
    if given.is_absolute() and os.name == "nt":
        return given.as_uri()
    try:
        name = os.fsencode(given.as_posix())
    except UnicodeEncodeError:  # a lone surrogate, which no POSIX name and few Windows names have
        name = given.as_posix().encode("utf-8", "surrogatepass")
    reference = quote(name, safe="/")
    return f"file://{reference}" if given.is_absolute() else reference


def _rule(rule: Rule) -> dict[str, JSON]:
    if rule.level not in LEVELS:
        raise ValueError(f"level {rule.level!r} of rule {rule.id!r} is not one of {LEVELS}")
    written: dict[str, JSON] = {
        "id": harmless(rule.id),
        "shortDescription": {"text": text_of(rule.short)},
        "defaultConfiguration": {"level": rule.level},
    }
    if rule.help:
        written["help"] = {"text": text_of(rule.help)}
    if rule.tags:
        written["properties"] = {"tags": [*rule.tags]}
    return written


def _result(found: Finding, index: int, default: str) -> dict[str, JSON]:
    level = (found.level or default) if found.kind == "fail" else "none"
    if level not in LEVELS or found.kind not in KINDS:
        raise ValueError(f"{found.kind!r} with level {level!r} is not known to SARIF")
    written: dict[str, JSON] = {
        "ruleId": harmless(found.rule),
        "ruleIndex": index,
        "kind": found.kind,
        "level": level,
        "message": {"text": text_of(found.message)},
        "locations": [_place(place) for place in found.places],
    }
    if found.same:
        written["partialFingerprints"] = {"sdk/v1": found.same}
    if found.more:
        written["properties"] = dict(found.more)
    return written


def _place(place: Place) -> dict[str, JSON]:
    physical: dict[str, JSON] = {"artifactLocation": {"uri": uri_of(place.path)}}
    if place.line is not None:
        region: dict[str, JSON] = {"startLine": place.line}
        if place.column is not None:
            region["startColumn"] = place.column
        physical["region"] = region
    written: dict[str, JSON] = {"physicalLocation": physical}
    if place.key:
        written["logicalLocations"] = [{"fullyQualifiedName": harmless(place.key)}]
    return written
