"""Tells observers what happens in a call.  The one thing in the house that fails open.

An observer that raises is logged once with its traceback and counted; the call goes on.  One that
hangs is counted and not told again: its thread cannot be killed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from sdk.asking import Late, within
from sdk.errors import Cancelled, SDKError
from sdk.hookspecs import Observer
from sdk.parts import Named
from sdk.pixels import Pixels
from sdk.types import Event, Watch

log = logging.getLogger(__name__)


class Narrator:
    """Passes events to every observer, in the order of the policy."""

    def __init__(self, observers: Sequence[Named[Observer]]) -> None:
        self._observers = tuple(observers)
        self.failures: Counter[str] = Counter()
        """Observer → how often it raised or hung."""
        self._hung: set[str] = set()
        self._counting = threading.Lock()

    def __call__(
        self, kind: str, call: str, *, done: int = 0, total: int = 0, **detail: str
    ) -> None:
        """Tell everyone that `kind` happened in `call`."""
        if not self._observers:
            return
        event = Event(
            kind=kind, call=call, at_s=time.monotonic(), done=done, total=total, detail=detail
        )
        for observer in self._observers:
            kinds = getattr(observer.part, "kinds", None)
            if observer.name not in self._hung and (kinds is None or kind in kinds):
                self._pass(observer, event)

    def _pass(self, observer: Named[Observer], event: Event) -> None:
        """In a thread of its own: not even sys.exit() in an observer ends the call."""
        try:
            within(observer.spec.timeout_s, partial(observer.part.saw, event))
        except Exception as exc:
            with self._counting:
                self.failures[observer.name] += 1
                first = self.failures[observer.name] == 1
            if isinstance(exc, Late):
                self._hung.add(observer.name)
            if first:
                log.error("observer %r failed; the call goes on", observer.name, exc_info=exc)

    def watch(self, calls: Sequence[str], watch: Watch | None) -> CallWatch:
        """Return the watch of one batch: observers hear every step, then the caller does."""
        return CallWatch(self, tuple(dict.fromkeys(calls)), watch)


class Looking(Protocol):
    """Asks filters about what is being drawn (`sdk.looking`)."""

    @property
    def wanted(self) -> bool:
        """Whether the last step is one to look at."""

    def step(self, done: int, total: int, /) -> None:
        """Hear of a step."""

    def look(self, pictures: Sequence[Pixels], /) -> None:
        """Judge what is being drawn; raises where the drawing must end."""

    def check(self) -> None:
        """Raise where a look was due and not taken."""


class CallWatch:
    """Carries steps to observers and caller, and remembers who said stop.

    The pipeline asks `stopped` after the backend returned, so that a backend that swallows
    `Cancelled` still gets nothing out.
    """

    def __init__(self, tell: Narrator, calls: tuple[str, ...], watch: Watch | None) -> None:
        self._tell = tell
        self._calls = calls
        self._watch = watch
        self.stopped: SDKError | None = None
        self.looking: Looking | None = None

    @property
    def wants_look(self) -> bool:
        """Whether the backend must call `look` before its next step."""
        return self.looking is not None and self.looking.wanted

    def look(self, pictures: Sequence[Pixels], /) -> None:
        """Take one (H, W, 3) uint8 picture for each of the batch, as far as they are drawn.

        Raises:
            SDKError: the drawing must end; let it through.
        """
        if self.looking is None:
            return
        try:
            self.looking.look(pictures)
        except SDKError as error:
            self.stopped = error
            raise

    def looked(self) -> None:
        """Be sure that the backend showed what was asked for; there are no looks after this.

        Raises:
            BackendError: it did not.
        """
        looking, self.looking = self.looking, None
        if looking is not None:
            looking.check()

    def step(self, done: int, total: int, /) -> None:
        """Report a step; raises `Cancelled` when the caller wants to stop."""
        for call in self._calls:
            self._tell("step", call, done=done, total=total)
        if self.stopped is not None:
            raise self.stopped
        if self.looking is not None:
            self.looking.step(done, total)
        if self._watch is None:
            return
        try:
            self._watch.step(done, total)
        except Cancelled as error:
            self.stopped = error
            raise
        except Exception as exc:
            self.stopped = Cancelled(f"stopped: the caller's watch raised {type(exc).__name__}")
            raise self.stopped from exc
