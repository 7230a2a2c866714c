"""Reads catalogues of legal rules, and refuses what could not be stood by.

A rule has a literal quote, where and when it was read, who it binds, from when until when, what it
applies to, what must be true, and how grave it is when it is not.  Held here, when a catalogue is
read: a rule that nobody read at a source (`verified = false`) is a note and nothing more; one that
was has its quote; conditions name facts that exist (`sdk.law.facts`), with values of their kind.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from sdk.canonical import canonical
from sdk.errors import PolicyError
from sdk.law.facts import FACTS
from sdk.packs import problems
from sdk.tables import Name, Strict

Severity = Literal["note", "warning", "error"]
Value = bool | int | float | str


class Condition(Strict):
    """Something that must be true of one fact."""

    fact: str
    equals: Value | None = None
    at_least: float | None = None
    at_most: float | None = None
    matches: str | None = None
    """A regular expression that must match from the start."""
    has: tuple[str, ...] | None = None
    """A set that must hold all of these."""
    has_any: tuple[str, ...] | None = None
    lacks: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _fits_the_fact(self) -> Condition:
        known = FACTS.get(self.fact)
        if known is None:
            raise ValueError(f"no fact {self.fact!r}; known: {', '.join(sorted(FACTS))}")
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_KINDS)} for {self.fact}")
        if known.kind not in _KINDS[given[0]]:
            raise ValueError(f"{self.fact} is a {known.kind}, which {given[0]} cannot ask about")
        if given[0] == "equals" and type(self.equals).__name__ != _PYTHON[known.kind]:
            raise ValueError(f"{self.fact} is a {known.kind}, found {self.equals!r}")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as exc:
                raise ValueError(f"{self.matches!r} is no regular expression: {exc}") from exc
        return self

    def __str__(self) -> str:
        """The condition in words."""
        for name in _KINDS:
            value = getattr(self, name)
            if value is not None:
                listed = ", ".join(value) if isinstance(value, tuple) else str(value)
                listed = listed.lower() if isinstance(value, bool) else listed
                listed = f"{value:g}" if isinstance(value, float) else listed
                return f"{self.fact} {name.replace('_', ' ')} {listed}"
        return self.fact


_KINDS = {
    "equals": ("truth", "number", "text"),
    "at_least": ("number",),
    "at_most": ("number",),
    "matches": ("text",),
    "has": ("set",),
    "has_any": ("set",),
    "lacks": ("set",),
}
_PYTHON = {"truth": "bool", "number": "int", "text": "str"}


class LegalRule(Strict):
    """One duty, as far as a file can show whether it was kept."""

    id: Name
    title: Annotated[str, Field(min_length=5, max_length=140)]
    """What must be true, in one sentence."""
    quote: str = ""
    """The literal words, in their language; […] where words are left out."""
    source: Annotated[str, Field(min_length=5)]
    """Law and article, or standard and section."""
    read_in: str = ""
    """Where the quote was read."""
    accessed: date
    verified: bool
    """Whether the quoted words were read in the law, the standard, or a text that quotes it."""
    actor: Literal["provider", "deployer", "platform", "user", "anyone"]
    effective_from: date
    effective_until: date | None = None
    """The last day on which it counts."""
    severity: Severity
    applies_if: tuple[Condition, ...] = ()
    check: Annotated[tuple[Condition, ...], Field(min_length=1)]
    do: Annotated[str, Field(min_length=5)]
    """What to do where it is not met."""
    caveat: str = ""
    """What is not certain about it."""

    @model_validator(mode="after")
    def _can_be_stood_by(self) -> LegalRule:
        if not self.verified and self.severity != "note":
            raise ValueError("a rule that is not verified only informs: severity = note")
        if self.verified and not (self.quote and self.read_in):
            raise ValueError("a verified rule has a literal quote and says where it was read")
        if self.effective_until and self.effective_until < self.effective_from:
            raise ValueError("effective_until is before effective_from")
        return self

    def in_force(self, day: date) -> bool:
        """Whether the rule counts on a day."""
        return self.effective_from <= day and (
            self.effective_until is None or day <= self.effective_until
        )


class Catalogue(Strict):
    """The rules of one market."""

    market: Name
    title: str
    rules: tuple[LegalRule, ...]

    @model_validator(mode="after")
    def _names_each_once(self) -> Catalogue:
        ids = [rule.id for rule in self.rules]
        if twice := sorted({rule for rule in ids if ids.count(rule) > 1}):
            raise ValueError(f"rule ids must be unique: {', '.join(twice)}")
        if wrong := [rule for rule in ids if not rule.startswith(f"{self.market}.")]:
            raise ValueError(f"ids begin with {self.market}., found {', '.join(wrong)}")
        return self


def markets() -> list[str]:
    """Names of the markets whose rules ship with the SDK; `std` holds what counts everywhere."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if ".toml" in p.name)


@lru_cache(maxsize=32)
def load_market(market: str) -> Catalogue:
    """Read the rules of a market.

    Raises:
        PolicyError: there is none of this name, or a rule cannot be stood by.
    """
    if market not in markets():
        raise PolicyError(
            f"asked for market {market!r}, found no such rules; known: {', '.join(markets())}"
        )
    return parse_catalogue((_folder() / f"{market}.toml").read_text("utf-8"), market)


def parse_catalogue(text: str, name: str) -> Catalogue:
    """Read a catalogue from TOML.

    Raises:
        PolicyError: no TOML, or a rule that is wrong; the message names the key.
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise PolicyError(f"asked to read {name}, found no TOML ({exc}); mend the line") from exc
    for rule in raw.get("rules", ()):
        for key in ("accessed", "effective_from", "effective_until"):
            if isinstance(rule, dict) and type(rule.get(key)) is date:
                rule[key] = rule[key].isoformat()
    try:
        body = canonical(raw, asked=f"read {name}", error=PolicyError)
        return Catalogue.model_validate_json(body)
    except ValidationError as exc:
        raise PolicyError(f"asked to read {name}, found {problems(exc)}") from exc


def find_rule(rule: str) -> LegalRule | None:
    """Return the rule with this id, of any market; None where there is none."""
    return next((found for found in every_rule() if found.id == rule), None)


def every_rule() -> Iterator[LegalRule]:
    """Yield the rules of all markets."""
    for market in markets():
        yield from load_market(market).rules


def _folder() -> Traversable:
    packed = files("sdk") / "policies"
    home = packed if packed.is_dir() else Path(str(files("sdk"))).parent / "policies"
    return home / "law"
