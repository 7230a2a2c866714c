"""Turns findings into verdicts: the one place where a policy's rules meet a control's scores.

Detectors find, this decides.  Whatever is missing, not a finding, out of range, late or raised
becomes Decision.ERROR and refuses the picture; the strictest verdict of all wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdk.asking import within
from sdk.errors import PluginError
from sdk.parts import Named
from sdk.policy import Policy, Rule, Stage
from sdk.types import Decision, Finding, Verdict

MOST_FINDINGS = 1000
"""Of one filter about one request or picture; the ledger keeps the strictest of each category."""
MOST_OBSERVATIONS = 64
"""Of one auditor about one picture: each is a row of the ledger entry, which has 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One control, and how to ask it about this picture."""

    plugin: str
    ask: Callable[[], object]
    timeout_s: float
    categories: tuple[str, ...]
    """Every one must come back; empty for auditors, who may abstain."""
    unsafe_allow_on_error: bool = False


def asked(named: Named[Any], ask: Callable[[], object]) -> Asked:
    """A control of the policy, ready to be asked."""
    spec = named.spec
    return Asked(named.name, ask, spec.timeout_s, named.categories, spec.unsafe_allow_on_error)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all controls of one stage measured, and what the policy made of it."""

    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def allows(self) -> bool:
        """At least one control answered, and every verdict allows."""
        return bool(self.verdicts) and all(verdict.allows for verdict in self.verdicts)


def judge(policy: Policy, stage: Stage, controls: Sequence[Asked]) -> Judgement:
    """Ask every control of a stage, then decide.  Never raises for what a control did."""
    findings: list[Finding] = []
    verdicts: list[Verdict] = []
    for control in controls:
        found, said = _judge_one(policy, stage, control)
        findings += found
        verdicts += said
    return Judgement(tuple(findings), tuple(verdicts))


def _judge_one(
    policy: Policy, stage: Stage, control: Asked
) -> tuple[tuple[Finding, ...], list[Verdict]]:
    try:
        most = MOST_OBSERVATIONS if stage == "audit" else MOST_FINDINGS
        found = _checked(control, within(control.timeout_s, control.ask), most)
    except PluginError as exc:
        return (), [_failed(control, str(exc))]
    except Exception as exc:  # noqa: BLE001 - a control that fails is a verdict
        return (), [_failed(control, f"raised {type(exc).__name__}")]  # no message: it may quote
    if stage == "audit" and not found:
        abstains = Verdict(decision=Decision.ALLOW, reason="abstained", by=control.plugin)
        return (), [abstains]
    return found, [_decide(policy, stage, control, finding) for finding in found]


def _checked(control: Asked, answer: object, most: int) -> tuple[Finding, ...]:
    if not isinstance(answer, (list, tuple)):
        raise PluginError(f"returned {type(answer).__name__}, not a sequence of Finding")
    taken = tuple(answer)  # the plugin may hold on to its list
    if len(taken) > most:
        raise PluginError(f"returned {len(taken):,} findings, at most {most} are taken")
    for finding in taken:
        if type(finding) is not Finding:
            raise PluginError(f"returned {type(finding).__name__}, not Finding")
    found = tuple(replace(finding, by=control.plugin) for finding in taken)  # checks it again
    if missing := sorted(set(control.categories) - {finding.category for finding in found}):
        raise PluginError(f"did not measure {', '.join(missing)}")
    return found


def _decide(policy: Policy, stage: Stage, control: Asked, finding: Finding) -> Verdict:
    rules = policy.rules_for(stage, finding.category)
    if not rules and stage == "audit":
        return Verdict(
            decision=Decision.ALLOW,
            reason="recorded",
            by=control.plugin,
            category=finding.category,
            score=finding.score,
        )
    if not rules:
        return _failed(control, f"no rule for category {finding.category!r}")
    return max((_apply(rule, finding) for rule in rules), key=lambda v: v.decision.severity)


def _apply(rule: Rule, finding: Finding) -> Verdict:
    bounds = (
        (Decision.BLOCK, rule.block),
        (Decision.REVIEW, rule.review),
        (Decision.TRANSFORM, rule.transform),
        (Decision.WARN, rule.warn),
    )
    for decision, bound in bounds:
        if bound is not None and finding.score >= bound:
            said = rule.reason or finding.category
            return _verdict(
                decision, f"{said} ({finding.score:.2f} >= {bound:g})", rule, finding, bound
            )
    return _verdict(Decision.ALLOW, "below every bound", rule, finding, None)


def _verdict(
    decision: Decision, reason: str, rule: Rule, finding: Finding, bound: float | None
) -> Verdict:
    return Verdict(
        decision=decision,
        reason=reason,
        by=finding.by,
        category=finding.category,
        score=finding.score,
        threshold=bound,
        rule=rule.id,
    )


def _failed(control: Asked, cause: str) -> Verdict:
    if control.unsafe_allow_on_error:
        reason = f"failed, allowed by unsafe_allow_on_error: {cause}"
        return Verdict(decision=Decision.WARN, reason=reason, by=control.plugin, rule="unsafe")
    return Verdict(decision=Decision.ERROR, reason=cause, by=control.plugin)
