"""Shows the image filters what is being drawn, so that what they would block ends early.

    [previews]
    looks = 3        # spread evenly over the steps of a picture

A look is no picture: it is never marked, written or handed to anybody, and it can only refuse.  A
preview is blurred, so only a block or a failure ends the drawing; what reaches a milder bound is
judged when it is finished.  A backend that was asked for looks and shows too few draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

from sdk.asking import question
from sdk.decide import asked, judge
from sdk.errors import BackendError, Refused
from sdk.parts import Parts
from sdk.pixels import Picture, Pixels, admit_pixels
from sdk.policy import Policy
from sdk.request import Request
from sdk.types import Decision

ENDING = (Decision.BLOCK, Decision.ERROR)


def looks_at(policy: Policy, parts: Parts, requests: Sequence[Request]) -> Looks | None:
    """The looks at one batch, where the policy asks for some."""
    return Looks(policy, parts, requests) if policy.previews.looks else None


class Looks:
    """The looks at one batch while it is drawn."""

    def __init__(self, policy: Policy, parts: Parts, requests: Sequence[Request]) -> None:
        self._policy, self._filters = policy, parts.image_filters
        self._backend = parts.backend.name
        self._requests = tuple(requests)
        self._due = self._taken = 0
        self._least: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether a look is due and was not taken."""
        return self._taken < self._due

    def step(self, done: int, total: int) -> None:
        """Hear of a step; `wanted` says whether to look now."""
        done, total = index(done), index(total)  # no floats: NaN is above and below nothing
        if done < total:
            self._due = max(self._due, self._due_at(done, total))
        self._least = total if self._least is None else min(self._least, total)

    def _due_at(self, done: int, total: int) -> int:
        return done * (self._policy.previews.looks + 1) // total

    def look(self, pictures: Sequence[Pixels]) -> None:
        """Ask every image filter about each picture of the batch, as it is now.

        Raises:
            Refused: a filter would block one, or could not tell.
            BackendError: there is not one for each picture of the batch.
            PluginError: what was shown are no pixels.
        """
        if len(pictures) != len(self._requests):
            raise BackendError(
                f"asked {self._backend!r} to show {len(self._requests)} pictures, found "
                f"{len(pictures)}"
            )
        for pixels, request in zip(pictures, self._requests, strict=True):
            seen = Picture(admit_pixels(pixels))
            asks = [(f, question(f.part.inspect, request, seen)) for f in self._filters]
            judged = judge(self._policy, "image", [asked(*each) for each in asks], request)
            if any(verdict.decision in ENDING for verdict in judged.verdicts):
                refusal = Refused("image", judged.verdicts)
                refusal.findings = judged.findings
                raise refusal
        self._taken = self._due

    def check(self) -> None:
        """Be sure that all looks were taken.

        Raises:
            BackendError: one was not, or the steps that were reported leave some out.
        """
        steps = self._least or 0
        if steps < 1 or self.wanted or self._due < self._due_at(steps - 1, steps):
            raise BackendError(
                f"asked {self._backend!r} for {self._policy.previews.looks} looks at what it "
                f"draws, found that it showed too few in {steps} steps; nothing leaves"
            )
