"""Who allowed what to be done with pictures: `consent.toml` in their folder, and the same as text.

    by = "Mara Lind"
    date = 2026-11-01
    scope = ["lora"]
    until = 2027-11-01          # may be left out

What a record claims is the claim of whoever wrote it; the signature of what is trained says who
made use of it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from sdk import DataError

T = TypeVar("T")
NAME = "consent.toml"
_TEXT = re.compile(
    r"given by (?P<by>.+) on (?P<on>\d{4}-\d\d-\d\d) for (?P<scope>[\w-]+(?:, [\w-]+)*)"
    r"(?:, until (?P<until>\d{4}-\d\d-\d\d))?"
)
_WORD = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One person's permission."""

    by: str
    """Who gave it."""
    on: date
    scope: tuple[str, ...]
    """What may be done: `lora`, or other words that people agree on."""
    until: date | None = None
    """The last day; None where it has none."""

    @property
    def text(self) -> str:
        """As it stands in manifests and cards."""
        end = f", until {self.until}" if self.until else ""
        return f"given by {self.by} on {self.on} for {', '.join(self.scope)}{end}"

    @classmethod
    def of(cls, text: str) -> Consent | None:
        """Read what `text` wrote; None for anything else."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            return None
        try:
            until = date.fromisoformat(found["until"]) if found["until"] else None
            on = date.fromisoformat(found["on"])
        except ValueError:  # the 31st of February
            return None
        scope = tuple(found["scope"].split(", "))
        return cls(by=found["by"], on=on, scope=scope, until=until)

    def allows(self, use: str, today: date) -> bool:
        """Whether it is for `use`, was given by `today`, and is not over."""
        given = self.on <= today and (self.until is None or today <= self.until)
        return given and use in self.scope


def read_consent(folder: Path) -> Consent | None:
    """The folder's record; None where there is none.

    Raises:
        DataError: it cannot be read, or does not say who, when and what for.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        if unknown := sorted(found.keys() - {"by", "date", "scope", "until"}):
            raise ValueError(f"unknown keys {', '.join(unknown)}")
        made = Consent(
            by=" ".join(_is(found["by"], str).split()),
            on=_is(found["date"], date),
            scope=tuple(_is(word, str) for word in _is(found["scope"], list)),
            until=_is(found["until"], date) if "until" in found else None,
        )
        if not made.by or not made.scope or not all(map(_WORD.fullmatch, made.scope)):
            raise ValueError("an empty name, or a scope that is no list of words")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"asked for the consent in {path}, found {type(exc).__name__} {exc}; say by (who), "
            'date (2026-11-01), scope (["lora"]), and until if it ends'
        ) from exc
    return made


def _is(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
