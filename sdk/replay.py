"""Decides past calls again, from the findings in their receipts; no prompt is needed.

    for call in replayed(ledger, load("default"), load("eu"), tally): print(call.after)

A receipt keeps, for each control and category, the score of the strictest verdict.  These are put
before both policies.  What cannot be told again stays as it was: a control that failed has no
score, and what a call refused at the prompt would have looked like is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdk.decide import decide, strictest
from sdk.errors import PluginError, RequestError
from sdk.ledger import Ledger
from sdk.manifests import as_list, as_object
from sdk.policy import Policy
from sdk.request import Request
from sdk.tables import Stage
from sdk.types import JSON, Decision, Finding, Verdict

STAGES: Mapping[str, Stage] = {
    "prompt_filter": "prompt",
    "image_filter": "image",
    "auditor": "audit",
}
"""Kind of plugin → the stage at which it is asked."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One past call under two policies."""

    index: int
    call: str
    at: str
    outcome: str
    """What really became of it."""
    before: Decision
    after: Decision
    rules: tuple[str, ...]
    """Rules of the second policy that made the difference, as `stage: rule`."""

    def as_json(self) -> dict[str, JSON]:
        """Return it for programs."""
        return {
            "index": self.index,
            "call": self.call,
            "at": self.at,
            "outcome": self.outcome,
            "before": str(self.before),
            "after": str(self.after),
            "rules": list(self.rules),
        }


@dataclass(slots=True)
class Tally:
    """How many calls were looked at."""

    calls: int = 0
    changed: int = 0
    undecidable: int = 0
    """Receipts without a finding: the call failed before anything was measured."""


def replayed(ledger: Ledger, one: Policy, other: Policy, tally: Tally) -> Iterator[Replayed]:
    """Yield every past call that the two policies decide differently; count all in `tally`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    size = int(ledger.checkpoint().splitlines()[1])
    for index in range(size):
        leaf: dict[str, JSON] = json.loads(json.dumps(dict(ledger.entry(index).leaf)))
        if leaf.get("type") != "generation":
            continue
        tally.calls += 1
        before, after = again(one, leaf), again(other, leaf)
        if not before:
            tally.undecidable += 1
            continue
        was, would = strictest(before), strictest(after)
        if was is would:
            continue
        tally.changed += 1
        rules = {v.rule for v in after if v.decision is would and v.rule}
        rules |= {v.rule for v in before if v.decision is was and v.rule and would.severity == 0}
        text = {key: str(leaf.get(key, "")) for key in ("call", "at", "outcome")}
        yield Replayed(index, **text, before=was, after=would, rules=tuple(sorted(rules)))


def again(policy: Policy, leaf: Mapping[str, JSON]) -> list[Verdict]:
    """Decide the findings of a receipt under a policy; a control that failed fails again."""
    kinds = {
        str(as_object(p).get("name")): str(as_object(p).get("kind"))
        for p in as_list(leaf.get("plugins"))
    }
    found: dict[Stage, list[Finding]] = {}
    verdicts: list[Verdict] = []
    for row in map(as_object, as_list(leaf.get("verdicts"))):
        by, category, score = str(row.get("by")), str(row.get("category")), row.get("score")
        stage = STAGES.get(kinds.get(by, ""))
        if stage is None or not category or not isinstance(score, (int, float)):
            verdicts.append(_as_it_was(row))
            continue
        try:
            finding = Finding(category=category, score=float(score), by=by)
        except PluginError:
            verdicts.append(_as_it_was(row))
            continue
        found.setdefault(stage, []).append(finding)
    request = _asked(as_object(leaf.get("request")))
    for stage, findings in found.items():
        verdicts += decide(policy, stage, findings, request)
    return verdicts


def _as_it_was(row: Mapping[str, JSON]) -> Verdict:
    try:
        decision = Decision(str(row.get("decision")))
    except ValueError:
        decision = Decision.ERROR
    return Verdict(decision=decision, reason="as recorded", by=str(row.get("by")))


def _asked(asked: Mapping[str, JSON]) -> Request | None:
    """What conditions may ask about a past call: sizes and counts, and no words."""
    whole = {
        key: value
        for key in ("width", "height", "count", "steps")
        if isinstance(value := asked.get(key), int)
    }
    try:
        return Request(prompt="-", **whole)  # type: ignore[arg-type]
    except RequestError:
        return None
