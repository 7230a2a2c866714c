"""Changes a request the way a rule says, where it may not be drawn as it is.

No model writes here: words that a finding points at are replaced or taken out, and fixed words are
added to the prompt or the negative prompt.  What comes out is screened like any other request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sdk.errors import Refused, RequestError
from sdk.policy import Policy
from sdk.request import Request
from sdk.tables import Rewrite, Rule
from sdk.types import Decision, Finding


def rewritten(
    policy: Policy, refusal: Refused, request: Request
) -> tuple[Request, tuple[str, ...]]:
    """Return the changed request and the rules that changed it.

    Raises:
        Refused: the same refusal, where it is about more than a change, or where a rule only offers
            one; the offer is then in it.
    """
    refusing = [v for v in refusal.verdicts if not v.allows]
    rules = [r for r in policy.rules if r.id in {v.rule for v in refusing} and r.rewrite]
    known = {rule.id for rule in rules}
    if any(v.decision is not Decision.TRANSFORM or v.rule not in known for v in refusing):
        raise refusal
    met = {v.category for v in refusing}
    changed = _changed(rules, [f for f in refusal.findings if f.category in met], request)
    if changed is None or changed == request:
        raise refusal
    if not all(rule.rewrite and rule.rewrite.apply for rule in rules):
        refusal.offer = changed.prompt
        raise refusal
    return changed, tuple(rule.id for rule in rules)


def _changed(
    rules: Sequence[Rule], findings: Sequence[Finding], request: Request
) -> Request | None:
    prompt, negative = request.prompt, request.negative_prompt
    by_category: dict[str, Rewrite] = {r.category: r.rewrite for r in rules if r.rewrite}
    spans = [
        (*finding.span, by_category[finding.category].replace or "")
        for finding in findings
        if finding.span
        and finding.category in by_category
        and by_category[finding.category].replace is not None
        and 0 <= finding.span[0] < finding.span[1] <= len(request.prompt)
    ]
    behind = len(prompt) + 1
    for start, end, words in sorted(set(spans), reverse=True):
        if end <= behind:  # of two that overlap the later one has been changed
            prompt, behind = prompt[:start] + words + prompt[end:], start
    for rewrite in by_category.values():
        prompt = ", ".join(filter(None, [prompt.strip(), rewrite.append]))
        negative = ", ".join(filter(None, [negative.strip(), rewrite.negative]))
    try:
        return replace(request, prompt=" ".join(prompt.split()), negative_prompt=negative)
    except RequestError:
        return None  # nothing is left of it
