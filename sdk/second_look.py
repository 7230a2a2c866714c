"""Puts what needs a person before one, and lets their approval count, once.

The pipeline asks here when a verdict does not allow.  `lifted` turns the verdict `review` of an
approved rule into a warning; everything else stays as it is.  `put` writes a new item of the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sdk import leaf
from sdk.decide import Judgement
from sdk.encode import encode
from sdk.errors import MarkError, Refused, ReviewError
from sdk.label import burn, labels_for
from sdk.ledger import Ledger
from sdk.phases import Admitted
from sdk.pixels import Picture, admit_pixels
from sdk.policy import Policy
from sdk.request import Request
from sdk.review_item import About
from sdk.reviews import Approval, Reviews
from sdk.types import JSON, Decision, Verdict

COPY_SIDE = 512
"""Pixels of the longer side of a review copy, at most."""


class SecondLook:
    """The queue of one policy; without a place for one, a review refuses like a block."""

    def __init__(
        self, policy: Policy, ledger: Ledger, opened: Callable[[], Reviews] | None
    ) -> None:
        """`opened` opens the queue each time it is needed; the ledger has the votes."""
        self._policy, self._ledger, self._opened = policy, ledger, opened

    def lifted(
        self, stage: str, judged: Judgement, request: Request, picture: Picture | None
    ) -> Judgement:
        """Return the judgement with approved reviews as warnings.

        Raises:
            ReviewError: an approval that was given does not fit this request, policy or picture.
        """
        if self._opened is None or not request.approvals:
            return judged
        if any(v.decision not in _LIFTED for v in judged.verdicts):
            return judged  # a block or an error stays what it is
        rules: set[str] = set()
        with self._opened() as reviews:
            for id_ in request.approvals:
                found = reviews.approved(
                    id_,
                    stage=stage,
                    digest=self._policy.digest,
                    pixels=picture.sha256 if picture else "",
                    matter=_matter(request),
                )
                if found is not None:
                    self._check_votes(found)
                    rules |= set(found.rules)
        return Judgement(judged.findings, tuple(_lift(v, rules) for v in judged.verdicts))

    def _check_votes(self, found: Approval) -> None:
        """Hold the votes against the ledger: the queue's database alone approves nothing."""
        said = {"type": "review", "review": found.id, "commitment": found.commitment}
        said |= {"vote": "approve", "policy": self._policy.digest}
        people: set[str] = set()
        for receipt in found.receipts:
            leaf = self._ledger.entry(receipt).leaf
            if all(leaf.get(key) == value for key, value in said.items()):
                people.add(str(leaf.get("reviewer")))
                if leaf.get("rules") != list(found.rules):
                    people.clear()
                    break
        if len(people) < self._policy.review.votes:
            raise ReviewError(
                f"asked to go on with approval {found.id}, found {len(people)} of "
                f"{self._policy.review.votes} votes in the ledger; ask for a new review"
            )

    def use(self, request: Request, call: str) -> None:
        """Use up the approvals of a call that is about to be released.

        Raises:
            ReviewError: another call used one of them.
        """
        if self._opened is not None and request.approvals:
            with self._opened() as reviews:
                reviews.use(request.approvals, call)

    def put(
        self,
        refusal: BaseException,
        admitted: Admitted,
        request: Request,
        index: int | None,
        picture: Picture | None,
    ) -> None:
        """Put a refusal before a person, if that is what its verdicts ask for."""
        if self._opened is None or not isinstance(refusal, Refused) or not refusal.receipt:
            return
        refusing = [v for v in refusal.verdicts if not v.allows]
        if not refusing or any(v.decision is not Decision.REVIEW for v in refusing):
            return
        about = About(
            call=admitted.call,
            stage=refusal.stage,
            index=index,
            policy=self._policy.name,
            digest=self._policy.digest,
            rules=tuple(dict.fromkeys(v.rule for v in refusing)),
            categories=tuple(dict.fromkeys(v.category for v in refusing)),
            seed=str(request.seed),
            pixels=picture.sha256 if picture else "",
            personal=admitted.commitment or "",
            votes=self._policy.review.votes,
            valid_days=self._policy.review.valid_days,
            worded_by=refusal.worded_by,
        )
        kept = picture if self._policy.review.keep_picture else None
        with self._opened() as reviews:
            refusal.review = reviews.add(
                about,
                _matter(refusal.judged or request),
                receipt=refusal.receipt,
                picture=_copy(kept),
            )


_LIFTED = (Decision.ALLOW, Decision.WARN, Decision.REVIEW)


def _lift(verdict: Verdict, rules: set[str]) -> Verdict:
    if verdict.decision is not Decision.REVIEW or verdict.rule not in rules:
        return verdict
    return replace(
        verdict, decision=Decision.WARN, reason=f"approved by a person: {verdict.reason}"
    )


def _matter(request: Request) -> dict[str, JSON]:
    """All of a request that decides what is drawn: an approval is good for nothing else."""
    bare = replace(request, approvals=())
    return {
        **leaf.personal(bare),
        **leaf.asked(bare, None),
        "scheduler": request.scheduler,
        "strength": request.strength,
    }


def _copy(picture: Picture | None) -> bytes:
    """Return a small labelled copy for reviewers, PNG; empty where the label has no room."""
    if picture is None:
        return b""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(picture.pixels)
    image.thumbnail((COPY_SIDE, COPY_SIDE))
    labels = labels_for(("ai-kind",), 0.06, edited=False, width=image.width, height=image.height)
    try:
        return encode(burn(admit_pixels(np.asarray(image)), labels), "image/png")
    except MarkError:
        return b""
