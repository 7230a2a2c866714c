"""Asks a policy's prompt filters about prompts, without drawing anything.

    screen = Screen(load("default"))
    screen.judge("a red apple").decision        # Decision.ALLOW

The same rewriters, filters, rules and timeouts as in a governed call, and the same changes by rules
that apply them; nothing is written to the ledger, because nothing is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdk.asking import question
from sdk.decide import Judgement, asked, judge, strictest
from sdk.errors import PluginError, PolicyError, Refused, RequestError
from sdk.parts import prompt_filters, rewriters
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.request import Request
from sdk.rewording import Admission, screened
from sdk.rewriting import rewritten
from sdk.types import JSON, Decision

SEEDS = 16
"""Rewriters word by the seed: the seeds 0 to 15 are tried, and each different wording is asked."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What a policy says about one prompt."""

    judgement: Judgement | None
    """Of the words that would be drawn; None where nobody was asked, and `error` says why."""
    error: str = ""
    first: Judgement | None = None
    """Before rules changed the request; None only where the text is no request at all."""
    changed: tuple[str, ...] = ()
    """Rules that changed it."""
    worded_by: tuple[str, ...] = ()
    """Modifiers of rewriters that changed it, `balance: woman`; of different seeds."""
    drawn: tuple[str, ...] = ()
    """The different prompts that would be drawn, where they are not what was asked."""
    offer: str = ""
    """What may be asked instead, where a rule offers a change and does not apply it."""

    @property
    def decision(self) -> Decision:
        """The strictest verdict; ERROR where nobody could tell."""
        return strictest(self.judgement.verdicts if self.judgement else ())

    def as_json(self) -> dict[str, JSON]:
        """Decision, verdicts and findings; never the prompt."""
        verdicts = self.judgement.verdicts if self.judgement else ()
        findings = self.judgement.findings if self.judgement else ()
        return {
            "decision": str(self.decision),
            "error": self.error,
            "changed": list(self.changed),
            "worded_by": list(self.worded_by),
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
    """The rewriters and prompt filters of a policy, ready."""

    def __init__(self, policy: Policy, registry: Registry | None = None) -> None:
        """Build rewriters and prompt filters only: no model is loaded.

        Raises:
            PolicyError: the policy has no filter, or names a part that is not installed.
            PluginError: a part cannot be made.
        """
        known = registry or Registry()
        self._policy = policy
        self.filters = prompt_filters(policy, known)
        self.rewriters = rewriters(policy, known)
        if not self.filters:
            raise PolicyError(
                f"asked to screen under policy {policy.name!r}, found that it has no prompt filter "
                "(unsafe_without), so nobody to ask; name another policy"
            )

    def judge(self, prompt: str, negative_prompt: str = "") -> Screened:
        """Ask every filter about one prompt; never raises for what the text is."""
        count = SEEDS if self.rewriters else 1
        try:
            request = Request(prompt=prompt, negative_prompt=negative_prompt, seed=0, count=count)
        except RequestError as error:
            return Screened(None, str(error))
        asking = _Asking(self)
        try:
            found = screened(self.rewriters, request, asking.admit)
        except PluginError as error:
            return Screened(None, str(error), first=asking.whole)
        wordings = found.wordings
        drawn = {one.request.prompt for one in wordings} or {found.request.prompt}
        return Screened(
            found.judged,
            first=asking.whole,
            changed=found.changed,
            worded_by=tuple(sorted({by for one in wordings for by in one.by})),
            drawn=() if drawn == {request.prompt} else tuple(sorted(drawn)),
            offer=next(filter(None, asking.offers), ""),
        )

    def ask(self, request: Request) -> Judgement:
        """Ask every filter about one request as it is."""
        asks = [asked(f, question(f.part.inspect, request)) for f in self.filters]
        return judge(self._policy, "prompt", asks, request)

    def change(self, refusal: Refused, request: Request) -> tuple[Request, tuple[str, ...]]:
        """Change a refused request the way its rules say, or raise the refusal."""
        return rewritten(self._policy, refusal, request)

    def judge_line(self, line: object) -> Screened:
        """Judge a line's `prompt` or `text`, and `negative_prompt`; one without is an ERROR."""
        if not isinstance(line, dict) or not isinstance(line.get("prompt", line.get("text")), str):
            return Screened(None, "found no object with a text under prompt or text")
        given = line.get("negative_prompt")
        negative = "" if given is None else given
        if not isinstance(negative, str):
            return Screened(None, "found a negative_prompt that is no text")
        return self.judge(str(line.get("prompt", line.get("text"))), negative)


class _Asking:
    """Asks about one prompt what `Studio.admit` asks, and goes on where that would refuse."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.first: list[Judgement] = []
        self.offers: list[str] = []

    @property
    def whole(self) -> Judgement:
        """What was said of all wordings, before any was changed by a rule."""
        return Judgement(
            tuple(finding for one in self.first for finding in one.findings),
            tuple(verdict for one in self.first for verdict in one.verdicts),
        )

    def admit(self, request: Request) -> Admission:
        """Ask about one wording; what a rule changes is asked about anew."""
        judged = self._screen.ask(request)
        self.first.append(judged)
        if judged.allows:
            return Admission(request, judged)
        refusal = Refused("prompt", judged.verdicts)
        refusal.findings = judged.findings
        try:
            mended, rules = self._screen.change(refusal, request)
        except Refused as same:
            self.offers.append(same.offer)
            return Admission(request, judged)
        return Admission(mended, self._screen.ask(mended), rules)
