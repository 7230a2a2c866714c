"""Asks a policy's prompt filters about prompts, without drawing anything.

    screen = Screen(load("default"))
    screen.judge("a red apple").decision        # Decision.ALLOW

The same filters, rules and timeouts as in a governed call; nothing is written to the ledger,
because nothing is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdk.asking import question
from sdk.decide import Judgement, asked, judge
from sdk.errors import RequestError
from sdk.parts import prompt_filters
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.request import Request
from sdk.types import JSON, Decision


@dataclass(frozen=True, slots=True)
class Screened:
    """What a policy says about one prompt."""

    judgement: Judgement | None
    """None where the text is no request at all; `error` says why."""
    error: str = ""

    @property
    def decision(self) -> Decision:
        """The strictest verdict; ERROR where nobody could tell."""
        if self.judgement is None or not self.judgement.verdicts:
            return Decision.ERROR
        return max((v.decision for v in self.judgement.verdicts), key=lambda d: d.severity)

    def as_json(self) -> dict[str, JSON]:
        """Decision, verdicts and findings; never the prompt."""
        verdicts = self.judgement.verdicts if self.judgement else ()
        findings = self.judgement.findings if self.judgement else ()
        return {
            "decision": str(self.decision),
            "error": self.error,
            "verdicts": [
                {
                    "by": v.by,
                    "category": v.category,
                    "decision": str(v.decision),
                    "rule": v.rule,
                    "score": v.score,
                    "threshold": v.threshold,
                    "reason": v.reason,
                }
                for v in verdicts
            ],
            "findings": [
                {
                    "by": f.by,
                    "category": f.category,
                    "score": f.score,
                    "detector": f.detector,
                    "span": list(f.span) if f.span else None,
                }
                for f in findings
            ],
        }


class Screen:
    """The prompt filters of a policy, ready."""

    def __init__(self, policy: Policy, registry: Registry | None = None) -> None:
        """Build the prompt filters only: no model is loaded.

        Raises:
            PolicyError: the policy has none, or names one that is not installed.
            PluginError: a filter cannot be made.
        """
        self._policy = policy
        self._filters = prompt_filters(policy, registry or Registry())

    def judge(self, prompt: str, negative_prompt: str = "") -> Screened:
        """Ask every filter about one prompt; never raises for what the text is."""
        try:
            request = Request(prompt=prompt, negative_prompt=negative_prompt)
        except RequestError as error:
            return Screened(None, str(error))
        asks = [asked(f, question(f.part.inspect, request)) for f in self._filters]
        return Screened(judge(self._policy, "prompt", asks, request))

    def judge_lines(self, lines: Iterator[object]) -> Iterator[Screened]:
        """Judge each line's `prompt` (and `negative_prompt`); a line without one is an ERROR."""
        for line in lines:
            if isinstance(line, dict) and isinstance(line.get("prompt", line.get("text")), str):
                negative = line.get("negative_prompt") or ""
                yield self.judge(str(line.get("prompt", line.get("text"))), str(negative))
            else:
                yield Screened(None, "found no object with a text under prompt or text")
