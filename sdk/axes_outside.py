"""Concludes what pixels, ledger and the user's rules say: the axes beside the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdk.errors import VerifyError
from sdk.evidence import Evidence, soft_bindings
from sdk.report import AXES, Axis, harmless
from sdk.strict import RULES, Complaint
from sdk.types import JSON, Detection, Presence

MOST_COMPLAINTS = 100
"""Strict complaints that a report holds."""


def watermark(found: Evidence) -> Axis:
    """Whether the mark in the pixels is the one that the manifest names."""
    bound = {} if found.store is None else soft_bindings(found.store)
    named: list[JSON] = [harmless(algorithm) for algorithm in sorted(bound)]
    if not found.sightings:
        said = f"; the manifest names {', '.join(map(str, named))}" if named else ""
        return Axis(state="unchecked", reason=f"no detector was asked{said}")
    states = [_sighting(s.algorithm, s.detection, s.problem, bound) for s in found.sightings]
    if found.recovered is not None and found.recovered.match == "different":
        reason = "the mark in the pixels belongs to a picture that looks different"
        more: dict[str, JSON] = {"signed_sha256": found.recovered.sha256}
        return Axis(state="CONFLICT", reason=reason, more=more)
    order = ("CONFLICT", "matches", "present-unbound", "inconclusive", "absent", "unchecked")
    axis = min(states, key=lambda axis: order.index(axis.state))
    return Axis(state=axis.state, reason=axis.reason, more={**axis.more, "manifest_names": named})


def _sighting(
    algorithm: str, seen: Detection | None, problem: str, bound: Mapping[str, set[bytes]]
) -> Axis:
    if seen is None:
        return Axis(state="unchecked", reason=harmless(problem))
    name = harmless(algorithm)
    if seen.presence is Presence.INCONCLUSIVE:
        return Axis(state="inconclusive", reason=f"{name}: {harmless(seen.note) or 'unclear'}")
    if seen.presence is Presence.ABSENT or seen.payload is None:
        expected = ", though the manifest names one" if algorithm in bound else ""
        return Axis(state="absent", reason=f"no mark of {name} was found{expected}")
    more: dict[str, JSON] = {
        "algorithm": name,
        "payload": seen.payload.hex(),
        "log10_p": round(seen.log10_p, 2),
        "weak": seen.weak,
    }
    if algorithm not in bound:
        reason = "a mark is in the pixels, and no manifest here names it"
        return Axis(state="present-unbound", reason=reason, more=more)
    if seen.payload in bound[algorithm]:
        reason = "the mark in the pixels is the one that the manifest names"
        return Axis(state="matches", reason=reason, more=more)
    reason = "the mark in the pixels belongs to another picture than the manifest"
    return Axis(state="CONFLICT", reason=reason, more=more)


def ledger(found: Evidence) -> Axis:
    """Whether the user's ledger has a receipt for these very bytes."""
    if found.ledger_problem:
        return Axis(state="unchecked", reason=harmless(found.ledger_problem))
    if found.entries is None:
        return Axis(state="unchecked", reason="no ledger was asked")
    if not found.entries:
        return Axis(state="not-recorded", reason="the ledger has no receipt for these bytes")
    first = found.entries[0]
    more: dict[str, JSON] = {"index": first.index, "receipt": first.leaf_hash}
    return Axis(state="recorded", reason=f"released with receipt {first.index}", more=more)


def policy(
    axes: Mapping[str, Axis],
    rules: Sequence[str],
    strict: Sequence[Complaint] | None = None,
) -> Axis:
    """Whether every rule `axis=state|state` that the user gave is met, and the strict ones.

    Raises:
        VerifyError: a rule names no axis, or no state.
    """
    checks: list[JSON] = []
    failed: list[str] = []
    for rule, name, states in parsed(rules):
        met = axes[name].state in states
        checks.append({"rule": harmless(rule), "met": met, "found": axes[name].state})
        if not met:
            failed.append(f"{name} is {axes[name].state}, not {' or '.join(states)}")
    for code in RULES if strict is not None else ():
        broken = [complaint for complaint in strict or () if complaint.code == code]
        said = [complaint.found for complaint in broken]
        checks.append({"rule": code, "met": not broken, "found": said[0] if said else "kept"})
        if broken:
            others = f" and {len(said) - 1} more" if len(said) > 1 else ""
            failed.append(f"{code}: {said[0]}{others} ({broken[0].section})")
    if failed:
        more: dict[str, JSON] = {"rules": checks}
        if strict:
            more["strict"] = [complaint.to_json() for complaint in strict[:MOST_COMPLAINTS]]
        return Axis(state="failed", reason=harmless("; ".join(failed), 600), more=more)
    if not checks:
        return Axis(state="none", reason="no rule was given")
    return Axis(state="met", reason=f"all {len(checks)} rules are met", more={"rules": checks})


def parsed(rules: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """Return each rule with its axis and the states that it allows.

    Raises:
        VerifyError: a rule names no axis, or no state.
    """
    found = []
    for rule in rules:
        name, _, allowed = rule.partition("=")
        states = [state for state in allowed.split("|") if state]
        if name not in AXES or name == "policy" or not states:
            known = ", ".join(a for a in AXES if a != "policy")
            raise VerifyError(
                f"asked for the rule {harmless(rule)!r}; give AXIS=STATE or AXIS=STATE|STATE with "
                f"an axis of {known}"
            )
        found.append((rule, name, states))
    return found
