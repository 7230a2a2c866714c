"""One item of the review queue: what waits for a person, and what they decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sdk.types import JSON

WAITING, APPROVED, REJECTED = "waiting", "approved", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a review is about, without a word of the request."""

    call: str
    stage: str
    index: int | None
    """Which picture of the call; None where the request was stopped before drawing."""
    policy: str
    digest: str
    rules: tuple[str, ...]
    categories: tuple[str, ...]
    seed: str
    """With which the call must be run again."""
    pixels: str
    """SHA-256 of the picture that waits; empty at the prompt."""
    personal: str
    """Commitment in the vault, where the policy keeps one."""
    votes: int
    """How many people must approve."""
    valid_days: int
    worded_by: tuple[str, ...] = ()
    """Rewriters and their modifiers that changed the words which an approval is good for."""

    def as_json(self) -> dict[str, JSON]:
        """Return it as it is stored and shown."""
        return {
            "call": self.call,
            "stage": self.stage,
            "index": self.index,
            "policy": self.policy,
            "digest": self.digest,
            "rules": list(self.rules),
            "categories": list(self.categories),
            "seed": self.seed,
            "pixels": self.pixels,
            "personal": self.personal,
            "votes": self.votes,
            "valid_days": self.valid_days,
            "worded_by": list(self.worded_by),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One item of the queue."""

    id: str
    at: str
    kind: str
    """`review`, or `appeal` against a refusal."""
    receipt: str
    """Leaf hash of the refusal."""
    about: About
    status: str
    """`waiting`, `approved` or `rejected`."""
    used_by: str
    """The call that was released with it; an approval is used once."""
    votes: tuple[tuple[str, str, str], ...] = ()
    """(when, who, how)."""

    @property
    def expires(self) -> datetime:
        """After this an approval counts no more."""
        return datetime.fromisoformat(self.at) + timedelta(days=self.about.valid_days)
