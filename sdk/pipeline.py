"""One generation call, from request to released picture.  Read it top to bottom.

    studio = Studio.open("default")
    result = studio.generate(Request(prompt="a red apple"), to=Path("apple.png"))

    admit → render → clear → audit → mark → seal → record

Nothing leaves unless every control of the policy ran, the mark and the signature were read back
from the final bytes, and the receipt is durable.  What is refused leaves a receipt too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from sdk import leaf
from sdk.asking import question
from sdk.complete import complete
from sdk.config import Config, open_stores
from sdk.credentials import Repository
from sdk.decide import Judgement, asked, judge
from sdk.errors import Refused, SDKError
from sdk.finishing import draw, mark_pixels, remember, seal_bytes
from sdk.lanes import Job, Lanes, Outcome
from sdk.ledger import Ledger
from sdk.looking import looks_at
from sdk.observe import Narrator
from sdk.output import Placement
from sdk.parts import Named, build
from sdk.phases import (
    Admitted,
    Audited,
    Cleared,
    Draft,
    Marked,
    Released,
    Result,
    Sealed,
    all_verdicts,
)
from sdk.pixels import Picture
from sdk.policy import Policy, load
from sdk.receipts import Receipts, check_vault
from sdk.registry import Registry
from sdk.request import Request
from sdk.reviews import Reviews
from sdk.rewording import Admission, screened
from sdk.rewriting import rewritten
from sdk.second_look import SecondLook
from sdk.statement import labels_on
from sdk.tables import Stage
from sdk.types import Watch
from sdk.vault import Vault


class Studio:
    """A policy made flesh: every part it names, built before the first request.

    Safe to share between threads.
    """

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        *,
        vault: Vault | None = None,
        credentials: Repository | None = None,
        registry: Registry | None = None,
        reviews: Callable[[], Reviews] | None = None,
    ) -> None:
        """Build every part.

        Raises:
            PolicyError: the policy asks for what is not installed, or for a vault not given.
            PluginError: a plugin breaks its contract.
        """
        check_vault(policy, vault)
        self.policy = type(policy).model_validate(policy.model_dump())  # nobody else holds this one
        self._credentials = credentials
        self._parts = build(self.policy, registry or Registry())
        self._receipts = Receipts(self.policy, ledger, vault, self._parts)
        self._second_look = SecondLook(self.policy, ledger, reviews)
        self._tell = Narrator(self._parts.observers)
        self._opened = ExitStack()
        self.max_batch = 1 if self.policy.previews.looks else self._parts.able.max_batch

    @classmethod
    def open(
        cls, policy: str | Path | Policy = "default", *, config: Config | None = None
    ) -> Studio:
        """Build a studio on the configured ledger, vault and repository; close it."""
        chosen = policy if isinstance(policy, Policy) else load(policy)
        with ExitStack() as opened:
            stores = opened.enter_context(open_stores(chosen.record.personal, config))
            studio = cls(
                chosen,
                stores.ledger,
                vault=stores.vault,
                credentials=stores.credentials,
                reviews=stores.reviews,
            )
            studio._opened = opened.pop_all()
        return studio

    @property
    def observer_failures(self) -> dict[str, int]:
        """Observer → how often it raised or hung."""
        return dict(self._tell.failures)

    def close(self) -> None:
        """Let go of what `open` opened."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def generate(
        self, request: Request, *, to: Path | None = None, watch: Watch | None = None
    ) -> Result:
        """Draw the pictures of one request, or raise and release nothing.

        `to` names the file to write (`apple.png`, or `apple-1.png` … for several); `watch` hears
        every step and may raise `Cancelled`.  Of several pictures some may be refused: see
        `Result.refusals`.  When none is released the first refusal is raised.
        """
        (outcome,) = self.generate_many([request], to=() if to is None else [to], watch=watch)
        if isinstance(outcome, SDKError):
            raise outcome
        return outcome

    def generate_many(
        self, requests: Iterable[Request], *, to: Sequence[Path] = (), watch: Watch | None = None
    ) -> Iterator[Outcome]:
        """Yield a Result or an SDKError for each request, in order; `to` names their files.

        Requests that share size, steps and the like are drawn in batches and finished beside the
        next render; a few batches are read ahead.
        """
        return Lanes(self, watch).run(requests, to)

    def admit(self, request: Request) -> Admitted:
        """Complete the request and ask every prompt filter about it."""
        call = secrets.token_hex(16)
        commitment, whole = None, request
        try:
            commitment = self._receipts.commit(call, request)
            whole = complete(request, self._parts.able)
            found = screened(self._parts.rewriters, whole, self._allowed)
        except BaseException as error:
            self._end(Admitted(call, whole, (), (), commitment), whole, error, "prompt")
            raise
        self._tell("admitted", call, count=str(whole.count))
        judged, changes = found.judged, (found.changed, found.wordings)
        return Admitted(call, found.request, judged.findings, judged.verdicts, commitment, *changes)

    def _allowed(self, request: Request) -> Admission:
        """Ask every prompt filter; what a rule changes is asked about anew."""
        try:
            return Admission(request, self._screen(request))
        except Refused as refusal:
            mended, rules = rewritten(self.policy, refusal, request)
        return Admission(mended, self._screen(mended), rules)

    def _screen(self, request: Request) -> Judgement:
        filters = self._parts.prompt_filters
        asks = [(f, question(f.part.inspect, request)) for f in filters]
        return self._judge("prompt", asks, request)

    def render(self, jobs: Sequence[Job], watch: Watch | None) -> Sequence[Draft]:
        """Draw and refine one batch; a cancelled picture never gets further than here."""
        calls = [job.admitted.call for job in jobs]
        requests, telling = [j.request for j in jobs], self._tell.watch(calls, watch)
        telling.looking = looks_at(self.policy, self._parts, requests)
        drawn = draw(self._parts, requests, telling)
        for call, job in zip(calls, jobs, strict=True):
            asked_for = (job.request.width, job.request.height, job.request.steps)
            width, height, steps = map(str, asked_for)
            self._tell("drawn", call, width=width, height=height, steps=steps)
        return [Draft(j.admitted, j.index, j.request, *d) for j, d in zip(jobs, drawn, strict=True)]

    def finish(self, draft: Draft, to: Path | None) -> Released:
        """Take one drawn picture through every remaining phase."""
        stage = "image"
        try:
            cleared = self.clear(draft)
            stage = "audit"
            audited = self.audit(cleared)
            stage = "mark"
            marked = self.mark(audited)
            stage = "seal"
            sealed = self.seal(marked)
            stage = "record"
            return self.record(sealed, to)
        except BaseException as error:
            self._end(draft.admitted, draft.request, error, stage, draft.index, draft.picture)
            raise

    def clear(self, draft: Draft) -> Cleared:
        """Ask every image filter."""
        seen = Picture(draft.picture.pixels)  # filters share this one; the draft keeps its own
        filters = self._parts.image_filters
        asks = [(f, question(f.part.inspect, draft.request, seen)) for f in filters]
        judged = self._judge("image", asks, draft.request, seen)
        self._tell("cleared", draft.admitted.call)
        return Cleared(draft, judged.findings, judged.verdicts)

    def audit(self, cleared: Cleared) -> Audited:
        """Have every auditor observe; only a rule turns an observation into a refusal."""
        draft = cleared.draft
        seen = Picture(draft.picture.pixels)
        auditors = self._parts.auditors
        asks = [(a, question(a.part.audit, draft.request, seen)) for a in auditors]
        judged = self._judge("audit", asks, draft.request, seen)
        self._tell("audited", draft.admitted.call, **judged.warned)
        return Audited(cleared, judged.findings, judged.verdicts)

    def mark(self, audited: Audited) -> Marked:
        """Put a random id into the pixels, then the visible labels."""
        pixels, payload = mark_pixels(self.policy, self._parts, audited.cleared.draft)
        self._tell("marked", audited.cleared.draft.admitted.call)
        return Marked(audited, Picture(pixels), payload)

    def seal(self, marked: Marked) -> Sealed:
        """Encode once, sign, and read mark and signature back from the final bytes."""
        sealed = seal_bytes(self.policy, self._parts, marked)
        self._tell("sealed", marked.audited.cleared.draft.admitted.call)
        return sealed

    def record(self, sealed: Sealed, to: Path | None) -> Released:
        """Make manifest and receipt durable, then let the picture out."""
        if self._credentials is not None:
            remember(self._credentials, self._parts, sealed, to)
        draft = sealed.marked.audited.cleared.draft
        fields = leaf.released(sealed, labels_on(self.policy, draft)) | {
            "request": leaf.asked(draft.request, draft.index),
            "verdicts": leaf.decided(all_verdicts(sealed)),
            "observations": leaf.measured(sealed.marked.audited.findings),
        }
        self._second_look.use(draft.request, draft.admitted.call)
        placement = Placement.stage(to, sealed.data) if to else None
        try:
            receipt = self._receipts.write(draft.admitted, fields, draft.index)
        except BaseException:
            if placement:
                placement.discard()
            raise
        path = placement.release() if placement else None
        self._tell("released", draft.admitted.call, receipt=receipt.leaf_hash)
        return Released(sealed, receipt.leaf_hash, receipt.index, path)

    def give_up(self, job: Job, error: SDKError) -> None:
        """Leave the receipt of a call whose pictures will not be drawn."""
        self._end(job.admitted, job.request, error, "render")

    def _judge(
        self,
        stage: Stage,
        asks: Sequence[tuple[Named[Any], Callable[[], object]]],
        request: Request,
        picture: Picture | None = None,
    ) -> Judgement:
        """Ask all controls of a stage.

        Raises:
            Refused: a verdict does not allow, or nobody answered and the policy does not waive it.
        """
        judged = judge(self.policy, stage, [asked(*each) for each in asks], request)
        waived = stage == "audit" or f"{stage}_filters" in self.policy.unsafe_without
        if not judged.allows:
            judged = self._second_look.lifted(stage, judged, request, picture)
        if not judged.allows and (asks or not waived):
            refusal = Refused(stage, judged.verdicts)
            refusal.findings, refusal.judged = judged.findings, request
            raise refusal
        return judged

    def _end(
        self,
        admitted: Admitted,
        request: Request,
        error: BaseException,
        stage: str,
        index: int | None = None,
        picture: Picture | None = None,
    ) -> None:
        """Tell that a picture does not leave, leave its receipt, and ask a person if need be."""
        kind = "refused" if isinstance(error, Refused) else "failed"
        self._tell(kind, admitted.call, stage=stage, error=type(error).__name__)
        self._receipts.ended(admitted, request, error, stage, index)
        self._second_look.put(error, admitted, request, index, picture)
