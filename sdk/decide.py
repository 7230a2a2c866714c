"""Turns findings into verdicts: the one place where a policy's rules meet a control's scores.

Detectors find, this decides.  Whatever is missing, not a finding, out of range, late or raised
becomes Decision.ERROR and refuses the picture; the strictest verdict of all wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

from sdk.asking import within
from sdk.errors import PluginError, PolicyError
from sdk.parts import Named
from sdk.policy import Policy
from sdk.request import Request
from sdk.tables import Rule, Stage
from sdk.types import Decision, Finding, Verdict
from sdk.when import facts, holds

_ALLOW = Decision.ALLOW
_SEVERITY = {decision: decision.severity for decision in Decision}
MOST_FINDINGS = 1000
"""Of one filter about one request or picture; the ledger keeps the strictest of each category."""
MOST_OBSERVATIONS = 64
"""Of one auditor about one picture: each is a row of the ledger entry, which has 65,535 bytes."""


class Warned(TypedDict, total=False):
    """What observers are told of a stage beside its name."""

    warned: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One control, and how to ask it about this picture."""

    plugin: str
    ask: Callable[[], object]
    timeout_s: float
    categories: tuple[str, ...]
    """Every one must come back; empty for auditors, who may abstain."""
    unsafe_allow_on_error: bool = False
    votes: int = 1
    """How often it is asked; the median score of each category counts."""


def asked(named: Named[Any], ask: Callable[[], object]) -> Asked:
    """A control of the policy, ready to be asked."""
    spec = named.spec
    return Asked(
        named.name, ask, spec.timeout_s, named.categories, spec.unsafe_allow_on_error, spec.votes
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all controls of one stage measured, and what the policy made of it."""

    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def allows(self) -> bool:
        """At least one control answered, and every verdict allows."""
        return bool(self.verdicts) and all(verdict.allows for verdict in self.verdicts)

    @property
    def warned(self) -> Warned:
        """For observers: the categories that met a bound, where there are some."""
        met = sorted({v.category for v in self.verdicts if v.decision is not Decision.ALLOW})
        return {"warned": ", ".join(met)} if met else {}

    @property
    def decision(self) -> Decision:
        """The strictest verdict; ERROR where nobody answered."""
        return strictest(self.verdicts)


def strictest(verdicts: Sequence[Verdict]) -> Decision:
    """Return the strictest decision of some verdicts; ERROR where there is none."""
    return max([v.decision for v in verdicts], key=_SEVERITY.__getitem__, default=Decision.ERROR)


def judge(
    policy: Policy, stage: Stage, controls: Sequence[Asked], request: Request | None = None
) -> Judgement:
    """Ask every control of a stage, then decide.  Never raises for what a control did.

    Conditions of rules see the findings of all controls, and the facts of `request`.
    """
    answers = [_answer(stage, control) for control in controls]
    findings = tuple(f for answer in answers if not isinstance(answer, Verdict) for f in answer)
    known = facts(stage, findings, request) if policy.has_conditions else None
    verdicts: list[Verdict] = []
    for control, answer in zip(controls, answers, strict=True):
        if isinstance(answer, Verdict):
            verdicts.append(answer)
            continue
        for finding in answer:
            said = _decide(policy.rules_for(stage, finding.category), stage, finding, known)
            failed = said.decision is Decision.ERROR
            verdicts.append(_failed(control, said.reason) if failed else said)
    return Judgement(findings, tuple(verdicts))


def decide(
    policy: Policy, stage: Stage, findings: Sequence[Finding], request: Request | None = None
) -> tuple[Verdict, ...]:
    """Turn findings into verdicts, one for each; asks nobody."""
    known = facts(stage, findings, request) if policy.has_conditions else None
    rules = policy.by_subject
    return tuple([_decide(rules.get((stage, f.category), ()), stage, f, known) for f in findings])


def _answer(stage: Stage, control: Asked) -> tuple[Finding, ...] | Verdict:
    """What a control found; a verdict where it failed or abstained."""
    try:
        most = MOST_OBSERVATIONS if stage == "audit" else MOST_FINDINGS
        runs = [
            _checked(control, within(control.timeout_s, control.ask), most)
            for _ in range(control.votes)
        ]
        found = runs[0] if len(runs) == 1 else _median(runs)
    except PluginError as exc:
        return _failed(control, str(exc))
    except Exception as exc:  # noqa: BLE001 - a control that fails is a verdict
        return _failed(control, f"raised {type(exc).__name__}")  # no message: it may quote
    if stage == "audit" and not found:
        return Verdict(decision=Decision.ALLOW, reason="abstained", by=control.plugin)
    return found


def _median(runs: Sequence[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Of each category the finding in the middle of all runs, each counted by its highest."""
    chosen: list[Finding] = []
    for category in dict.fromkeys(f.category for run in runs for f in run):
        of = [[f for f in run if f.category == category] for run in runs]
        highest = [max(found, key=_score) for found in of if found]
        highest.sort(key=_score, reverse=True)
        if len(highest) > len(runs) // 2:  # a run that did not find it counts as nothing found
            chosen.append(highest[len(runs) // 2])
    return tuple(chosen)


def _score(finding: Finding) -> float:
    return finding.score


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


def _decide(
    rules: Sequence[Rule], stage: Stage, finding: Finding, known: Mapping[str, object] | None
) -> Verdict:
    if not rules:
        decision = Decision.ALLOW if stage == "audit" else Decision.ERROR
        reason = "recorded" if stage == "audit" else f"no rule for category {finding.category!r}"
        return Verdict(
            decision=decision,
            reason=reason,
            by=finding.by,
            category=finding.category,
            score=finding.score,
        )
    if len(rules) == 1 and known is None:
        return _apply(rules[0], finding)
    try:
        counting = [r for r in rules if not r.when or holds(r.when, known or {}, finding)]
    except PolicyError as exc:
        return Verdict(decision=Decision.ERROR, reason=str(exc), by=finding.by)
    if not counting:
        return _allowed(finding, "no rule applies", "")
    return max((_apply(r, finding) for r in counting), key=lambda v: _SEVERITY[v.decision])


def _apply(rule: Rule, finding: Finding) -> Verdict:
    score = finding.score
    for decision, bound in rule.bounds:
        if score >= bound:
            reason = f"{rule.reason or finding.category} ({score:.2f} >= {bound:g})"
            return _verdict(decision, reason, finding, bound, rule.trace)
    return _verdict(_ALLOW, "below every bound", finding, None, rule.untraced)


def _allowed(finding: Finding, reason: str, rule: str) -> Verdict:
    return _verdict(_ALLOW, reason, finding, None, (rule, "", ""))


def _verdict(
    decision: Decision,
    reason: str,
    finding: Finding,
    bound: float | None,
    trace: tuple[str, str, str],
) -> Verdict:
    """Make a verdict, which has nothing to check, by its slots: 1.3 us.

    The constructor of a frozen dataclass sets each field by `object.__setattr__` and takes 3.4 us
    (benchmarks/decision.py), and there is one verdict for each finding.
    """
    made = Verdict.__new__(Verdict)
    _SET_DECISION(made, decision)
    _SET_REASON(made, reason)
    _SET_BY(made, finding.by)
    _SET_CATEGORY(made, finding.category)
    _SET_SCORE(made, finding.score)
    _SET_THRESHOLD(made, bound)
    rule, citation, jurisdiction = trace
    _SET_RULE(made, rule)
    _SET_CITATION(made, citation)
    _SET_JURISDICTION(made, jurisdiction)
    return made


(
    _SET_DECISION,
    _SET_REASON,
    _SET_BY,
    _SET_CATEGORY,
    _SET_SCORE,
    _SET_THRESHOLD,
    _SET_RULE,
    _SET_CITATION,
    _SET_JURISDICTION,
) = (vars(Verdict)[field.name].__set__ for field in fields(Verdict))


def _failed(control: Asked, cause: str) -> Verdict:
    if control.unsafe_allow_on_error:
        reason = f"failed, allowed by unsafe_allow_on_error: {cause}"
        return Verdict(decision=Decision.WARN, reason=reason, by=control.plugin, rule="unsafe")
    return Verdict(decision=Decision.ERROR, reason=cause, by=control.plugin)
