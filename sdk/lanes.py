"""Many pictures at once: render │ finish │ record, with bounded queues between.

The caller's thread renders, batch after batch.  A small pool finishes what was drawn (filters,
auditors, mark, seal) beside the next render, and the ledger's writer makes receipts durable in
groups.  At most `WAITING` drawn batches wait for the pool; then rendering waits.  An outcome is
yielded as soon as it and all before it are known.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from sdk.errors import Cancelled, OutputError, RequestError, SDKError
from sdk.output import check_place, numbered
from sdk.phases import Admitted, Draft, Released, Result
from sdk.request import Request
from sdk.types import Watch

FINISHERS = max(1, min(4, (os.cpu_count() or 2) - 1))
WAITING = 2

Outcome = Result | SDKError


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to draw."""

    admitted: Admitted
    index: int
    request: Request
    """Of this picture: count 1, its own seed."""

    @property
    def key(self) -> Request:
        """What pictures of one batch must share: all but seed and prompt."""
        return replace(self.request, seed=0, prompt="x", subject=None, purpose="")


class Stages(Protocol):
    """What the lanes need of a studio."""

    max_batch: int

    def admit(self, request: Request, /) -> Admitted:
        """Ask the prompt filters."""

    def render(self, jobs: Sequence[Job], watch: Watch | None, /) -> Sequence[Draft]:
        """Draw one batch."""

    def finish(self, draft: Draft, to: Path | None, /) -> Released:
        """Filter, audit, mark, seal and record one picture."""

    def give_up(self, job: Job, error: SDKError, /) -> None:
        """Leave the receipt of a call whose pictures will not be drawn."""


@dataclass(slots=True, eq=False)
class _Call:
    """A request on its way, and what came of each of its pictures."""

    error: SDKError | None = None
    to: Path | None = None
    jobs: tuple[Job, ...] = ()
    pictures: dict[int, Future[Released]] = field(default_factory=dict)
    refusals: dict[int, SDKError] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether `outcome` would wait for nothing."""
        drawn = len(self.pictures) + len(self.refusals) == len(self.jobs)
        return drawn and all(future.done() for future in self.pictures.values())

    def outcome(self) -> Outcome:
        if self.error is not None:
            return self.error
        images: list[Released] = []
        for index, future in sorted(self.pictures.items()):
            try:
                images.append(future.result())
            except SDKError as error:
                self.refusals[index] = error
        refusals = tuple(sorted(self.refusals.items()))
        stopped = [error for _, error in refusals if isinstance(error, Cancelled)]
        if stopped:
            stopped[0].released = tuple(images)
            return stopped[0]
        if not images:
            return refusals[0][1]
        return Result(self.jobs[0].admitted.call, tuple(images), refusals)

    def pending(self) -> list[Job]:
        """Pictures that nothing came of, and nothing will."""
        lost = [index for index, future in self.pictures.items() if future.cancelled()]
        begun = (self.pictures.keys() | self.refusals.keys()) - set(lost)
        return [job for job in self.jobs if job.index not in begun]


class Lanes:
    """One run of requests through the lanes."""

    def __init__(self, stages: Stages, watch: Watch | None) -> None:
        self._stages = stages
        self._watch = watch
        self._pool = ThreadPoolExecutor(FINISHERS, "sdk-finish")
        self._busy: set[Future[Released]] = set()
        self._batch: list[tuple[_Call, Job]] = []
        self._places: set[Path] = set()
        self._stopped: Cancelled | None = None

    def run(self, requests: Iterable[Request], to: Sequence[Path] = ()) -> Iterator[Outcome]:
        """Yield what came of each request, in order; `to` names the files, where there are any.

        A caller who goes away, or whose requests raise, leaves receipts for what was not drawn.
        """
        calls: deque[_Call] = deque()
        ahead = (WAITING + 1) * self._stages.max_batch + FINISHERS
        try:
            for number, request in enumerate(requests):
                calls.append(_Call())
                self._start(calls[-1], request, to, number)
                yield from self._ready(calls, ahead)
            self._render()
            yield from self._ready(calls, 0)
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._abandon(calls)

    def _ready(self, calls: deque[_Call], ahead: int) -> Iterator[Outcome]:
        """Yield what is settled; wait for the first where more than `ahead` are on their way."""
        while calls and (calls[0].settled or len(calls) > ahead):
            if any(call is calls[0] for call, _ in self._batch):
                self._render()
            outcome = calls[0].outcome()
            calls.popleft()
            yield outcome

    def _start(self, call: _Call, request: Request, to: Sequence[Path], number: int) -> None:
        if self._stopped is not None:
            call.error = _own(self._stopped)
            return
        try:
            if not isinstance(request, Request):
                raise RequestError(f"asked to draw a {type(request).__name__}; give a Request")
            call.to = self._reserve(request, to, number)
            admitted = self._stages.admit(request)
        except SDKError as error:
            call.error = error
            return
        call.jobs = tuple(_jobs(admitted))
        for job in call.jobs:
            if self._batch and not self._fits(job):
                self._render()
            self._batch.append((call, job))
            if len(self._batch) >= self._stages.max_batch:
                self._render()

    def _reserve(self, request: Request, to: Sequence[Path], number: int) -> Path | None:
        """Check every place of a call before any work."""
        if not to:
            return None
        if number >= len(to):
            raise OutputError(
                f"asked to write the pictures of request {number + 1}, found {len(to)} places; "
                "give one for each request, or none"
            )
        place = Path(to[number])
        for index in range(request.count):
            path = numbered(place, index, request.count)
            check_place(path)
            if path in self._places:
                raise OutputError(f"asked to write {path} twice; choose another name")
            self._places.add(path)
        return place

    def _fits(self, job: Job) -> bool:
        return self._batch[0][1].key == job.key

    def _render(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        if self._stopped is not None:
            self._fail(batch, self._stopped)
            return
        self._wait_for_room()
        try:
            drafts = self._stages.render([job for _, job in batch], self._watch)
        except SDKError as error:
            self._stopped = error if isinstance(error, Cancelled) else None
            self._fail(batch, error)
            return
        for (call, job), draft in zip(batch, drafts, strict=True):
            to = numbered(call.to, job.index, job.admitted.request.count) if call.to else None
            future = self._pool.submit(self._stages.finish, draft, to)
            call.pictures[job.index] = future
            self._busy.add(future)

    def _fail(self, batch: Sequence[tuple[_Call, Job]], error: SDKError) -> None:
        """Give each call of a batch an error, and a receipt, of its own."""
        for call in dict.fromkeys(call for call, _ in batch):
            jobs = [job for other, job in batch if other is call]
            own = _own(error)
            try:
                self._stages.give_up(jobs[0], own)
            except SDKError as worse:
                own = worse
            for job in jobs:
                call.refusals[job.index] = own

    def _abandon(self, calls: Iterable[_Call]) -> None:
        """Leave receipts for what was admitted and will not be drawn or finished."""
        for call in calls:
            if pending := call.pending():
                gone = Cancelled("stopped: the caller went away")
                self._fail([(call, job) for job in pending], gone)

    def _wait_for_room(self) -> None:
        self._busy = {future for future in self._busy if not future.done()}
        while len(self._busy) >= WAITING * self._stages.max_batch + FINISHERS:
            _, self._busy = wait(self._busy, return_when=FIRST_COMPLETED)


def _jobs(admitted: Admitted) -> Iterator[Job]:
    request = admitted.request
    assert request.seed is not None
    for index in range(request.count):
        own = admitted.wordings[index].request if admitted.wordings else request
        yield Job(admitted, index, replace(own, seed=request.seed + index, count=1))


def _own(error: SDKError) -> SDKError:
    """A copy for one call: receipts and released pictures are written on it."""
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.__cause__ = error.__cause__
    return own.with_traceback(error.__traceback__)
