"""Who is measured: the filters of a policy with its rules, or one plugin alone.

subject = Subject.under(load("default"), "prompt")
subject.ask(case).refuses           # what the policy would do with it
subject.ask(case).scores["lists"]   # what each filter measured
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from sdk.asking import question
from sdk.decide import asked, judge
from sdk.dossier.cases import Case
from sdk.errors import PluginError, PolicyError, RequestError
from sdk.members import check_members, names_of
from sdk.parts import Named
from sdk.pixels import Picture
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.request import Request
from sdk.screen import Screen, Screened
from sdk.tables import Part, Stage
from sdk.types import JSON, NO_SETTINGS, Decision, Finding, Settings

KINDS: Mapping[Stage, str] = {"prompt": "prompt_filter", "image": "image_filter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was measured of one case, and what the policy made of it."""

    scores: Mapping[str, Mapping[str, float]]
    """Filter → category → highest score."""
    decision: Decision | None
    """None where no policy was asked."""
    took_s: float
    changed: bool = False
    """Whether a rule of the policy changed the words before they were let pass or refused."""
    reworded: bool = False
    """Whether a rewriter of the policy did, before anybody was asked."""

    @property
    def refuses(self) -> bool:
        """Whether the policy does not let it pass; an ERROR refuses."""
        return self.decision not in (None, Decision.ALLOW, Decision.WARN)

    def worst(self, filter_: str) -> float:
        """One score for a filter: `unsafe` where it has that category, else its highest."""
        found = self.scores.get(filter_, {})
        return found.get("unsafe", max(found.values(), default=0.0))


class Subject:
    """Filters of one stage, ready to be asked about cases."""

    def __init__(
        self,
        stage: Stage,
        filters: tuple[Named[Any], ...],
        policy: Policy | None,
        screen: Screen | None = None,
    ) -> None:
        if not filters:
            raise PolicyError(
                f"asked to measure the {stage} filters of a policy, found none; name another "
                "policy, or one plugin"
            )
        self.stage: Stage = stage
        self.filters = filters
        self.policy = policy
        self._screen = screen

    @classmethod
    def under(cls, policy: Policy, stage: Stage, registry: Registry | None = None) -> Self:
        """All filters of a policy's stage, under its rules.

        Raises:
            PolicyError: there is none, or one is not installed.
            PluginError: one does not import or refuses a setting.
        """
        known = registry or Registry()
        if stage == "prompt":
            screen = Screen(policy, known)
            return cls(stage, screen.filters, policy, screen)
        made = tuple(_named(known, stage, spec) for spec in policy.image_filters)
        return cls(stage, made, policy)

    @classmethod
    def alone(
        cls,
        plugin: str,
        stage: Stage,
        settings: Settings = NO_SETTINGS,
        registry: Registry | None = None,
    ) -> Self:
        """One plugin without rules: only its scores are measured."""
        spec = Part(plugin=plugin, settings=dict(settings))
        return cls(stage, (_named(registry or Registry(), stage, spec),), None)

    def described(self) -> dict[str, JSON]:
        """Name and digest of the policy, and the code and settings of each filter."""
        return {
            "policy": self.policy.name if self.policy else None,
            "policy_digest": self.policy.digest if self.policy else None,
            "filters": [
                {
                    "plugin": one.name,
                    "distribution": one.id.distribution,
                    "version": one.id.version,
                    "code_sha256": one.id.sha256,
                    "categories": list(one.categories),
                }
                for one in self.filters
            ],
            "rewriters": [one.name for one in self._screen.rewriters] if self._screen else [],
        }

    def ask(self, case: Case, text: str | None = None) -> Answer:
        """Ask every filter about a case, or about its text as it was disguised.

        Raises:
            PluginError: a filter that is measured alone failed; under a policy that is an ERROR.
            RequestError: the picture cannot be read.
        """
        picture = Picture(case.picture().pixels) if case.path else None
        start = time.perf_counter()
        if self._screen is not None:
            return _screened(self._screen.judge(case.text if text is None else text), start)
        try:
            request = Request(prompt=(case.text if text is None else text) or "a picture")
        except RequestError:  # a text that is no request is refused before any filter
            return Answer(scores={}, decision=Decision.BLOCK if self.policy else None, took_s=0.0)
        asks = [
            question(one.part.inspect, request, *([picture] if picture else []))
            for one in self.filters
        ]
        if self.policy is None:
            findings: list[tuple[str, Finding]] = [
                (one.name, f)
                for one, ask in zip(self.filters, asks, strict=True)
                for f in _seen(ask())
            ]
            decision = None
        else:
            controls = [asked(one, ask) for one, ask in zip(self.filters, asks, strict=True)]
            judged = judge(self.policy, self.stage, controls, request)
            findings = [(f.by, f) for f in judged.findings]
            decision = max(
                (v.decision for v in judged.verdicts),
                key=lambda d: d.severity,
                default=Decision.ERROR,
            )
        took = time.perf_counter() - start
        return Answer(scores=_highest(findings), decision=decision, took_s=took)


def _screened(found: Screened, start: float) -> Answer:
    """What a policy would do with a prompt; the scores are those before rules changed it."""
    findings = found.first.findings if found.first else ()
    refused = Decision.BLOCK if found.first is None else found.decision  # no request at all
    return Answer(
        scores=_highest([(f.by, f) for f in findings]),
        decision=refused,
        took_s=time.perf_counter() - start,
        changed=bool(found.changed),
        reworded=bool(found.worded_by),
    )


def _highest(findings: list[tuple[str, Finding]]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for by, finding in findings:
        mine = out.setdefault(by, {})
        mine[finding.category] = max(finding.score, mine.get(finding.category, 0.0))
    return out


def _seen(answer: object) -> list[Finding]:
    if not isinstance(answer, (list, tuple)) or not all(isinstance(f, Finding) for f in answer):
        raise PluginError(f"asked a filter to measure, found {type(answer).__name__}, no findings")
    return list(answer)


def _named(registry: Registry, stage: Stage, spec: Part) -> Named[Any]:
    kind = KINDS[stage]
    part = registry.make(kind, spec.plugin, deepcopy(spec.settings))
    check_members(kind, spec.plugin, part)
    names = names_of(spec.plugin, part, "categories")
    return Named(part, spec, registry.identify(kind, spec.plugin), tuple(names))
