"""Takes requests in, draws them one after the other, and forgets them: a bounded queue.

    with Desk(studios, waiting=16, workers=2) as desk:
        ticket = desk.submit(request, "image/png", owner="shop")
        ticket.outcome.result()

A queue that is full is said at once (`Busy`), so that callers come back later instead of piling
up.  A ticket that is cancelled while it waits is never drawn; one that is being drawn stops at the
next step.  Results live in memory for `KEEP_S` seconds and are never written to disk.
"""

from __future__ import annotations

import queue
import secrets
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from sdk.errors import Cancelled, RequestError, SDKError
from sdk.phases import Result
from sdk.pipeline import Studio
from sdk.request import Request

KEEP_S = 600.0
"""Seconds that a finished ticket can be asked for."""
MOST_KEPT = 256
_CANCELLED = "asked to draw, found that the caller cancelled; ask again"


class Busy(SDKError):
    """The queue is full; `retry_after_s` says when to come back."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"asked to draw, found the queue full; come back in {retry_after_s} seconds"
        )


class Studios(Protocol):
    """Where a desk draws."""

    def studio(self, media_type: str, /) -> Studio:
        """Return the studio that writes this format."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One request on its way; also the watch that its drawing reports to."""

    request: Request
    media_type: str
    owner: str
    key: str = ""
    """Idempotency key of the caller's."""
    digest: str = ""
    """Of what was asked under that key."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    created_at: float = field(default_factory=time.time)
    state: str = "queued"
    """`queued`, `running`, `done`, `failed` or `cancelled`."""
    done: int = 0
    total: int = 0
    ended: float | None = None
    """Monotonic seconds at which it ended."""
    outcome: Future[Result] = field(default_factory=Future, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def step(self, done: int, total: int, /) -> None:
        """Note how far the drawing is; raise `Cancelled` if nobody wants it any more."""
        self.done, self.total = done, total
        if self._stop.is_set():
            raise Cancelled(_CANCELLED)

    def begin(self) -> bool:
        """Take it out of the queue; False where it was cancelled meanwhile."""
        with self._turn:
            if self.state == "queued":
                self.state = "running"
            return self.state == "running"

    def cancel(self) -> None:
        """Stop it: at once where it waits, at the next step where it is being drawn."""
        with self._turn:
            self._stop.set()
            if self.state == "queued":
                self.end("cancelled")
                self.outcome.set_exception(Cancelled(_CANCELLED))

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop it."""
        return self._stop.is_set()

    def end(self, state: str) -> None:
        """Note that it is over, and let go of the prompt."""
        self.state, self.ended = state, time.monotonic()
        self.request = replace(self.request, prompt="-", negative_prompt="", purpose="")


class Desk:
    """A bounded queue before a few drawing threads."""

    def __init__(self, studios: Studios, *, waiting: int = 16, workers: int = 2) -> None:
        """Start the threads.

        Two workers let one picture be marked and signed while the next is drawn.

        Raises:
            RequestError: `waiting` or `workers` is below 1.
        """
        if waiting < 1 or workers < 1:
            raise RequestError(
                f"asked for a queue of {waiting} and {workers} workers; give at least 1 of each"
            )
        self._studios = studios
        self._queue: queue.Queue[Ticket | None] = queue.Queue(waiting)
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()
        self._mean_s = 5.0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"sdk-draw-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Tickets that nobody draws yet."""
        return self._queue.qsize()

    @property
    def full(self) -> bool:
        """Whether the next ticket would be turned away."""
        return self._queue.full() or self._closed

    def submit(
        self,
        request: Request,
        media_type: str,
        *,
        owner: str = "",
        key: str = "",
        digest: str = "",
    ) -> Ticket:
        """Queue a request.

        A second request of the same owner with the same `key` gets the first one's ticket, so
        that a client who tries again is not drawn for twice; `digest` says that it is the same.

        Raises:
            Busy: the queue is full, or the desk is closed.
            RequestError: the key was used for another request.
        """
        ticket = Ticket(request, media_type, owner, key=key, digest=digest)
        with self._lock:
            self._forget()
            if self._closed:
                raise Busy(1)
            if (earlier := self._same(ticket)) is not None:
                return earlier
            try:
                self._queue.put_nowait(ticket)
            except queue.Full:
                rounds = self._queue.maxsize / len(self._threads)
                raise Busy(max(1, round(self._mean_s * rounds / 2))) from None
            self._tickets[ticket.id] = ticket
        return ticket

    def find(self, id_: str, owner: str) -> Ticket | None:
        """Return a ticket of this owner; another's does not exist for them."""
        with self._lock:
            self._forget()
            ticket = self._tickets.get(id_)
        return ticket if ticket is not None and ticket.owner == owner else None

    def position(self, ticket: Ticket) -> int:
        """How many tickets come before this one; 0 when it is being drawn or over."""
        if ticket.state != "queued":
            return 0
        with self._queue.mutex:
            waiting = [t for t in self._queue.queue if t is not None]
        return waiting.index(ticket) + 1 if ticket in waiting else 0

    def _same(self, new: Ticket) -> Ticket | None:
        """The ticket that was given for this key before, unless it failed or was cancelled."""
        for old in self._tickets.values():
            if new.key and (old.key, old.owner) == (new.key, new.owner):
                if old.digest != new.digest:
                    raise RequestError(
                        "asked with an Idempotency-Key that another request used; take a new one"
                    )
                if old.state in ("queued", "running", "done") and not old.cancelled:
                    return old
        return None

    def _work(self) -> None:
        while (ticket := self._queue.get()) is not None:
            begun = time.monotonic()
            self._draw(ticket)
            self._mean_s = 0.8 * self._mean_s + 0.2 * (time.monotonic() - begun)

    def _draw(self, ticket: Ticket) -> None:
        """Draw one ticket; whatever comes of it ends in its outcome."""
        request = ticket.request
        if not ticket.begin():
            return
        try:
            result = self._studios.studio(ticket.media_type).generate(request, watch=ticket)
        except BaseException as error:  # noqa: BLE001  (a caller waits for it; the thread goes on)
            ticket.end("cancelled" if isinstance(error, Cancelled) else "failed")
            ticket.outcome.set_exception(error)
        else:
            ticket.end("done")
            ticket.outcome.set_result(result)

    def _forget(self) -> None:
        """Let go of what ended long ago, and of the oldest where too many ended."""
        now = time.monotonic()
        ended = sorted(
            (t for t in self._tickets.values() if t.ended is not None), key=lambda t: t.ended or 0.0
        )
        surplus = max(0, len(ended) - MOST_KEPT)
        for number, ticket in enumerate(ended):
            if number < surplus or now - (ticket.ended or now) > KEEP_S:
                del self._tickets[ticket.id]

    def close(self) -> None:
        """Cancel what waits and what is drawn, and wait for the threads."""
        with self._lock:
            self._closed = True
            for ticket in self._tickets.values():
                ticket.cancel()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
