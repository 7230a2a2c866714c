"""Judges legal rules over the facts of one file, as of a day.

`undetermined` is an answer of its own: a file cannot show everything, and what it does not show is
not held against it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sdk.law.catalogue import Catalogue, Condition, LegalRule
from sdk.law.facts import Fact, Facts
from sdk.report import harmless
from sdk.types import JSON


class Outcome(StrEnum):
    """What became of one rule."""

    MET = "met"
    FIRED = "fired"
    """Not met; how grave is the rule's severity."""
    UNDETERMINED = "undetermined"
    """The file does not show it."""
    NOT_APPLICABLE = "not-applicable"
    NOT_IN_FORCE = "not-in-force"
    """On that day it does not count yet, or no longer."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule about one file."""

    rule: LegalRule
    outcome: Outcome
    because: tuple[str, ...] = ()
    """The conditions that were not met, or could not be decided, with what was found."""

    def as_json(self) -> dict[str, JSON]:
        """Return everything that a reader needs to check it."""
        rule = self.rule
        until = rule.effective_until
        return {
            "rule": rule.id,
            "outcome": str(self.outcome),
            "severity": rule.severity,
            "title": rule.title,
            "because": list(self.because),
            "do": rule.do,
            "quote": rule.quote,
            "source": rule.source,
            "read_in": rule.read_in,
            "accessed": rule.accessed.isoformat(),
            "verified": rule.verified,
            "actor": rule.actor,
            "effective_from": rule.effective_from.isoformat(),
            "effective_until": until.isoformat() if until else None,
            "caveat": rule.caveat,
        }


def judge(catalogues: Sequence[Catalogue], facts: Facts, as_of: date) -> list[Judged]:
    """Judge every rule of some markets over one file, as of a day."""
    return [judge_rule(rule, facts, as_of) for one in catalogues for rule in one.rules]


def judge_rule(rule: LegalRule, facts: Facts, as_of: date) -> Judged:
    """Judge one rule."""
    if not rule.in_force(as_of):
        return Judged(rule, Outcome.NOT_IN_FORCE)
    applies = [_holds(condition, facts) for condition in rule.applies_if]
    if False in applies:
        return Judged(rule, Outcome.NOT_APPLICABLE)
    if None in applies:
        return Judged(rule, Outcome.UNDETERMINED, _words(rule.applies_if, facts, None))
    checked = [_holds(condition, facts) for condition in rule.check]
    if False in checked:
        return Judged(rule, Outcome.FIRED, _words(rule.check, facts, False))
    if None in checked:
        return Judged(rule, Outcome.UNDETERMINED, _words(rule.check, facts, None))
    return Judged(rule, Outcome.MET)


def worst(rows: Sequence[Judged]) -> str:
    """Return the gravest severity that fired; empty where none did."""
    fired = {row.rule.severity for row in rows if row.outcome is Outcome.FIRED}
    return next((level for level in ("error", "warning", "note") if level in fired), "")


def _words(conditions: Sequence[Condition], facts: Facts, wanted: bool | None) -> tuple[str, ...]:
    return tuple(
        f"{condition}; found {_shown(facts.get(condition.fact))}"
        for condition in conditions
        if _holds(condition, facts) is wanted
    )


def _shown(fact: Fact) -> str:
    if fact is None:
        return "that it cannot be known from here"
    if isinstance(fact, frozenset):
        return harmless(", ".join(sorted(fact)) or "nothing")
    if isinstance(fact, bool):
        return str(fact).lower()
    return f"{fact:g}" if isinstance(fact, float) else harmless(fact or "nothing")


def _holds(condition: Condition, facts: Facts) -> bool | None:
    """Whether a condition holds; None where the fact is not known."""
    fact = facts.get(condition.fact)
    if fact is None:
        return None
    if isinstance(fact, frozenset):
        if condition.has is not None:
            return set(condition.has) <= fact
        if condition.has_any is not None:
            return bool(set(condition.has_any) & fact)
        return not set(condition.lacks or ()) & fact
    if condition.matches is not None:
        return re.match(condition.matches, str(fact)) is not None
    if condition.at_least is not None:
        return float(fact) >= condition.at_least
    if condition.at_most is not None:
        return float(fact) <= condition.at_most
    return fact == condition.equals
