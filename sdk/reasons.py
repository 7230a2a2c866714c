"""Says why a request was refused, to the person who asked: the stage and the category, no more.

Useful, and safe to show: no score and no bound, with which one could feel the way around a rule; no
word of the request; no name of a filter.  The full trace is in the ledger, under the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdk.errors import Refused
from sdk.types import JSON, Decision

CATEGORIES = {
    "sexual": "sexual content",
    "sexual_tile": "sexual content",
    "sexual_minors": "minors in a sexual context",
    "violence": "graphic violence",
    "hate": "hateful content",
    "self_harm": "self-harm",
    "illegal": "help with a crime",
    "unsafe": "unsafe content",
    "blank": "a picture that shows nothing",
    "copy": "a copy of a known picture",
    "public_figure": "a real person",
    "known_face": "a real person",
    "unclear_face": "a face that could not be compared",
    "artist": "the style of a living artist",
}
"""Category → how it is called to people; others are called by their name."""
NEXT = {
    Decision.TRANSFORM: "Change the request and try again.",
    Decision.REVIEW: "A person has to look at it first.",
    Decision.BLOCK: "It is not drawn.",
    Decision.ERROR: "A check could not be completed, which says nothing about the request; "
    "try again later.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """What a refused person is told."""

    stage: str
    """`prompt`, `image` or `audit`."""
    decision: Decision
    categories: tuple[str, ...]
    """What was found, by the names of the policy; empty where a check failed."""
    receipt: str

    @property
    def message(self) -> str:
        """Two or three sentences for people."""
        named = dict.fromkeys(CATEGORIES.get(c, c.replace("_", " ")) for c in self.categories)
        what = {"prompt": "The request", "image": "The picture"}.get(self.stage, "The picture")
        found = f"{what} was refused: {', '.join(named)}." if named else f"{what} was refused."
        appeal = " If this is wrong, appeal with the receipt." if self.receipt else ""
        return f"{found} {NEXT[self.decision]}{appeal}"

    def as_json(self) -> dict[str, JSON]:
        """Return it as a service may show it."""
        return {
            "stage": self.stage,
            "decision": str(self.decision),
            "categories": list(self.categories),
            "message": self.message,
            "receipt": self.receipt or None,
        }


def reason(error: Refused) -> Reason:
    """Return what may be shown of a refusal."""
    refusing = [v for v in error.verdicts if not v.allows]
    strictest = max(
        (v.decision for v in refusing), key=lambda d: d.severity, default=Decision.ERROR
    )
    found = dict.fromkeys(v.category for v in refusing if v.category)
    return Reason(error.stage, strictest, tuple(found), error.receipt or "")
