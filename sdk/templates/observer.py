"""Counts what happens to calls, for a metrics page.

policy:  [[observers]]
         plugin = "NAME"
"""

from __future__ import annotations

import logging
import threading
from collections import Counter

from sdk import Event, Observer, Settings, hookimpl

log = logging.getLogger(__name__)


class Tally:
    """How often each kind of event was seen; calls come from several threads."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def saw(self, event: Event, /) -> None:
        """Count the event; log the ends of calls."""
        with self._lock:
            self.seen[event.kind] += 1
        if event.kind in ("released", "refused", "failed"):
            log.info("call %s %s", event.call, event.kind)


@hookimpl
def observer(settings: Settings) -> Observer:
    """Make the observer; it takes no settings."""
    return Tally(**settings)
