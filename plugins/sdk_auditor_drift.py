"""Watches released pictures for drift away from a target, with an e-process for each attribute.

    [[auditors]]
    plugin = "drift"
    [auditors.settings]
    estimator = "emoji"
    state = "state/drift.db"
    target.perceived_gender = { woman = 0.5, man = 0.5 }

    [[rules]]                  # without a rule an alarm is written down and changes nothing
    id = "audit.drift"
    stage = "audit"
    category = "drift.perceived_gender"
    warn = 0.95                # 1 - alpha; `block` would stop the line until a restart
    reason = "women and men no longer come in the expected shares"

Each sampled picture is measured once; its estimates go into the receipt, and with them a finding
`drift.ATTRIBUTE` whose score is 1 - 1/E of the highest evidence E since the last restart.  Answers
beside the target (`unspecified`, `unclear`, `none`) and abstentions are not counted.  Where the
estimator knows its confusion matrix, the expected shares are those that it would answer if the
target were true.  Not for audits of single prompts: a stream mixes what its users ask for.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from sdk import (
    Auditor,
    Confusion,
    DataError,
    Drift,
    Estimate,
    Finding,
    Monitor,
    Picture,
    PluginError,
    Registry,
    Request,
    Sampler,
    Settings,
    expected_answers,
    findings_of,
    hookimpl,
)

VERSION = "1"
NO_SETTINGS: Settings = {}
log = logging.getLogger(__name__)


class DriftAuditor:
    """An estimator and a monitor; safe to share between threads."""

    provides = frozenset({"watch-drift"})

    def __init__(
        self,
        estimator: str,
        target: Mapping[str, Mapping[str, float]],
        state: str,
        settings: Settings = NO_SETTINGS,
        alpha: float = 0.05,
        tolerance: float = 0.0,
        sample_rate: float = 1.0,
        budget_ms: float = 0.0,
    ) -> None:
        self._estimator: Any = Registry().make("auditor", estimator, settings)
        if not hasattr(self._estimator, "estimate"):
            raise PluginError(
                f"asked to watch with {estimator!r}, found an auditor that estimates nothing"
            )
        self._sampler = Sampler(sample_rate, budget_ms)
        self._watched = {
            attribute: self._begun(attribute, shares, tolerance)
            for attribute, shares in target.items()
        }
        try:
            self._monitor = Monitor.open(state, self._watched, alpha=alpha)
        except DataError as exc:
            raise PluginError(str(exc)) from exc

    def audit(self, picture: Picture, request: Request) -> list[Finding]:
        """Measure and count one picture; nothing for one that is not sampled."""
        if not self._sampler.wants(picture):
            return []
        with self._sampler.timed():
            estimates = list(self._estimator.estimate(picture.pixels))
            return [*findings_of(self._estimator, estimates), *self._counted(estimates)]

    def _counted(self, estimates: list[Estimate]) -> list[Finding]:
        """Count the answers; a state that cannot be written is said, and stops nothing."""
        findings = []
        for estimate in estimates:
            drift = self._watched.get(estimate.attribute)
            if drift is None or estimate.value not in drift.values:
                continue
            try:
                for alarm in self._monitor.observe({estimate.attribute: estimate.value}):
                    log.warning("drift of %s after %d answers", alarm.attribute, alarm.drift.n)
                state, unsaved = self._monitor.state(estimate.attribute), ""
            except DataError:
                log.exception("an answer for %s was not counted", estimate.attribute)
                state, unsaved = drift, " not counted"
            findings.append(self._finding(estimate.attribute, state, unsaved))
        return findings

    def _finding(self, attribute: str, state: Drift, unsaved: str) -> Finding:
        highest = math.exp(min(state.peak, 700.0))
        return Finding(
            category=f"drift.{attribute}",
            score=max(0.0, 1 - 1 / highest),
            distribution=dict(zip(state.values, state.shares, strict=True)),
            detector=f"drift {VERSION} alpha={self._monitor.alpha:g} n={state.n}{unsaved}",
            note=f"{state.n} answers, evidence {state.evidence:.3g}, highest {highest:.3g}",
        )

    def _begun(self, attribute: str, shares: Mapping[str, float], tolerance: float) -> Drift:
        known = self._estimator.attributes.get(attribute, ())
        if missing := sorted(set(shares) - set(known)) or not shares:
            raise PluginError(
                f"asked to watch {attribute} for {missing}; {self._estimator.id} answers "
                f"{', '.join(known) or 'nothing of that name'}"
            )
        expected = target = tuple(float(share) for share in shares.values())
        matrix: Confusion | None = self._estimator.confusion.get(attribute)
        try:
            Drift(values=tuple(shares), expected=target)  # says what is wrong with the target
            if matrix is not None and set(shares) <= set(matrix.labels):
                places = [matrix.labels.index(value) for value in shares]
                table = [[matrix.counts[row][column] for column in places] for row in places]
                if all(map(sum, table)):  # else a value was never measured: watch the target itself
                    expected = expected_answers(expected, table)
            return Drift(values=tuple(shares), expected=expected, tolerance=tolerance)
        except DataError as exc:
            raise PluginError(f"{attribute}: {exc}") from exc


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the monitor; the settings are the constructor's arguments."""
    return DriftAuditor(**settings)  # type: ignore[arg-type]
