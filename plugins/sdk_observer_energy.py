"""Counts the energy of calls and writes it into the ledger, with how it was measured.

    [[observers]]
    plugin = "energy"
    [observers.settings]
    every = 100                # pictures an entry
    core_w = 8.0               # only where the CPU has no counter that this user may read

What is counted is what was used while at least one call was between admission and its end, by the
sources of `sdk.Meter`: nothing tells apart whose work a counter counted.  One entry of type
`energy` holds sums, never a call or a prompt; `sdk ledger energy` adds the entries up.  The entry
of the last pictures is written when the process ends; a killed process leaves none for them.
"""

from __future__ import annotations

import logging
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sdk import JSON, Energy, Event, Ledger, Meter, Observer, PluginError, Settings, hookimpl
from sdk import open_ledger as configured

VERSION = 1
log = logging.getLogger(__name__)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Window:
    """What was counted since the last entry."""

    since: str = field(default_factory=_now)
    joules: float = 0.0
    drawn: int = 0
    released: int = 0
    megapixel_steps: float = 0.0


class Book:
    """Windows become entries of the ledger, which is opened for the first of them."""

    def __init__(self, ledger: str) -> None:
        self._place = ledger
        self._ledger: Ledger | None = None
        self.window = Window()

    def write(self, energy: Energy) -> None:
        """Hand the window to the ledger's writer, and begin the next one; does not wait."""
        done, self.window = self.window, Window()
        if self._ledger is None:
            self._ledger = Ledger.open(self._place) if self._place else configured()
        leaf: dict[str, JSON] = {
            "v": VERSION,
            "type": "energy",
            "since": done.since,
            "at": _now(),
            "drawn": done.drawn,
            "released": done.released,
            "megapixel_steps": round(done.megapixel_steps, 6),
            "joules": round(done.joules, 6),
            "method": energy.method,
            "assumptions": energy.assumptions,
            "quality": energy.quality,
        }
        self._ledger.submit(leaf).add_done_callback(_complain)

    def close(self, energy: Energy) -> None:
        """Write what is left, and let go of the ledger."""
        if self.window.drawn:
            self.write(energy)
        if self._ledger is not None:
            self._ledger.close()


class EnergyObserver:
    """Reads the meter at the events that begin and end work; never at each step."""

    kinds = frozenset({"admitted", "drawn", "released", "refused", "failed"})

    def __init__(self, every: int = 100, core_w: float = 8.0, ledger: str = "") -> None:
        if type(every) is not int or every < 1 or not 0 < core_w < 1000:
            raise PluginError(
                f"asked for an entry every {every!r} pictures and {core_w!r} W a core; give a "
                "whole number of at least 1, and watts above 0 and below 1000"
            )
        self._every = every
        self._meter = Meter(core_w=core_w)
        self._last = self._meter.read()
        self._open: dict[str, int] = {}
        self._book = Book(ledger)
        self._lock = threading.Lock()
        weakref.finalize(self, self._book.close, self._last)  # at the end of the process, too

    @property
    def window(self) -> Window:
        """What was counted since the last entry."""
        return self._book.window

    def saw(self, event: Event, /) -> None:
        """Add what was used since the last event, if a call was open."""
        with self._lock:
            before, self._last = self._last, self._meter.read()
            if self._open:
                self._book.window.joules += self._last.joules - before.joules
            self._count(event)
            if self._book.window.drawn >= self._every:
                self._book.write(self._last)

    def _count(self, event: Event) -> None:
        window, told = self._book.window, event.detail
        if event.kind == "admitted":
            self._open[event.call] = int(told.get("count", "1"))
            return
        if event.kind == "drawn":
            window.drawn += 1
            size = int(told.get("width", "0")) * int(told.get("height", "0"))
            window.megapixel_steps += size * int(told.get("steps", "0")) / 1e6
            return
        window.released += event.kind == "released"
        if event.call in self._open:
            self._open[event.call] -= 1
            if not self._open[event.call] or told.get("stage") in ("prompt", "render"):
                del self._open[event.call]


def _complain(written: Future[Any]) -> None:
    if error := written.exception():
        log.error("the energy of some pictures was not written: %s", error)


@hookimpl
def observer(settings: Settings) -> Observer:
    """Make the observer; the settings are the constructor's arguments."""
    return EnergyObserver(**settings)  # type: ignore[arg-type]
