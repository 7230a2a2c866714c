"""What `sdk verify` says about a file: eleven axes, one headline, one exit code.

Each axis answers one question and knows "could not tell" as an answer of its own; no axis hides
behind another.  Text that came out of a file is hostile and is made harmless here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import cast

from sdk.types import JSON

SCHEMA_VERSION = "1.2"
"""Of the JSON document; sdk/schemas/verify-1.json describes it."""
AXES = (
    "provenance",
    "integrity",
    "content_match",
    "signer",
    "time",
    "chain",
    "identity",
    "ai",
    "watermark",
    "ledger",
    "policy",
)
MAX_TEXT = 300
"""Characters of a text from a file that are shown."""
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Exit(IntEnum):
    """What the command's exit code means."""

    MET = 0
    """Intact, signed by someone on a list the user chose, and every rule is met."""
    FAILED = 1
    """The file could not be read."""
    USAGE = 2
    ABSENT = 3
    """No Content Credentials in the file."""
    CHANGED = 4
    """Something was changed: the file, its manifest, an ancestor, or the mark contradicts."""
    UNTRUSTED = 5
    """Intact, but nobody the user trusts vouches for the signer, or the signature expired."""
    RULE = 6
    """A rule that the user gave is not met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The answer to one question."""

    state: str
    reason: str
    """One sentence for people."""
    more: Mapping[str, JSON] = field(default_factory=dict)
    """Facts behind the answer; their texts are harmless already."""

    def to_json(self) -> dict[str, JSON]:
        """Return the axis as it stands in the JSON document."""
        return {"state": self.state, "reason": self.reason, **self.more}

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Axis:
        """Read what `to_json` wrote."""
        more = {key: value for key, value in document.items() if key not in ("state", "reason")}
        return cls(state=str(document["state"]), reason=str(document["reason"]), more=more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that verification found out about one file."""

    file: str
    """Its name as given."""
    sha256: str
    size: int
    """Bytes."""
    media_type: str
    """By its first bytes; empty when unknown."""
    headline: str
    exit_code: Exit
    axes: Mapping[str, Axis]
    """One for each of `AXES`, in that order."""
    claims: tuple[Mapping[str, JSON], ...] = ()
    """Unsigned metadata that says something about the origin."""
    statuses: tuple[Mapping[str, JSON], ...] = ()
    """C2PA status codes that are failures."""

    @property
    def codes(self) -> dict[str, str]:
        """Every status code that failed and every strict rule that is broken → where, harmless."""
        found: dict[str, str] = {}
        for status in self.statuses:
            code = str(status["code"])
            old = all(s["recorded"] for s in self.statuses if s["code"] == code)
            found.setdefault(code, "in an ancestor, when it was used" if old else "")
        strict = self.axes["policy"].more.get("strict")
        for complaint in strict if isinstance(strict, list) else ():
            if isinstance(complaint, dict):
                where = f"{complaint.get('found')} ({complaint.get('section')})"
                found.setdefault(str(complaint.get("code")), where)
        return found

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON document of sdk/schemas/verify-1.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "file": self.file,
            "sha256": self.sha256,
            "size": self.size,
            "media_type": self.media_type,
            "headline": self.headline,
            "exit_code": int(self.exit_code),
            "axes": {name: self.axes[name].to_json() for name in AXES},
            "unsigned_claims": [dict(claim) for claim in self.claims],
            "failures": [dict(status) for status in self.statuses],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> Report:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no such document.
        """
        try:
            axes = cast("dict[str, dict[str, JSON]]", document["axes"])
            return cls(
                file=str(document["file"]),
                sha256=str(document["sha256"]),
                size=cast("int", document["size"]),
                media_type=str(document["media_type"]),
                headline=str(document["headline"]),
                exit_code=Exit(cast("int", document["exit_code"])),
                axes={name: Axis.from_json(axes[name]) for name in AXES},
                claims=tuple(cast("list[dict[str, JSON]]", document["unsigned_claims"])),
                statuses=tuple(cast("list[dict[str, JSON]]", document["failures"])),
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"no report of sdk verify ({exc!r})") from exc


def harmless(text: object, limit: int = MAX_TEXT) -> str:
    """Return a text from a file so that a terminal, a log or a page shows it and nothing else.

    Control, format (all direction marks), private and unassigned characters and `<` `>` become
    \\u{…}; what is longer than `limit` is cut with an ellipsis.
    """
    plain = "".join(_shown(char) for char in str(text)[:limit])
    return plain + "…" if len(str(text)) > limit else plain


def harmless_json(value: JSON, depth: int = 6) -> JSON:
    """Return a JSON value with harmless texts, at most 50 entries wide and `depth` levels deep."""
    if isinstance(value, str):
        return harmless(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, list):
        return [harmless_json(item, depth - 1) for item in value[:50]]
    items = list(value.items())[:50]
    return {harmless(key, 80): harmless_json(item, depth - 1) for key, item in items}


def _shown(char: str) -> str:
    if char in "<>" or unicodedata.category(char) in _HARMFUL:
        return f"\\u{{{ord(char):X}}}"
    return char
