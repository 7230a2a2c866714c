"""Counts for Prometheus: how many calls ended how, how long they took, how many wait."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sdk.server.desk import Desk


class Numbers:
    """The metrics of one application; no label holds what a caller wrote."""

    def __init__(self, desk: Desk) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "sdk_calls", "Calls by route and outcome", ("route", "outcome"), registry=self._registry
        )
        self._seconds = Histogram(
            "sdk_call_seconds", "Time from arrival to answer", ("route",), registry=self._registry
        )
        waiting = Gauge("sdk_waiting", "Requests that wait", registry=self._registry)
        waiting.set_function(lambda: desk.waiting)

    def note(self, route: str, outcome: str, seconds: float) -> None:
        """Count one call."""
        self._calls.labels(route, outcome).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> tuple[bytes, str]:
        """The exposition and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
