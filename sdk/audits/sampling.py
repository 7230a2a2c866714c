"""Chooses which pictures an auditor looks at, so that auditing costs what it may cost.

    sampler = Sampler(rate=0.1, budget_ms=5)
    if sampler.wants(picture):
        with sampler.timed():
            ...

The choice by rate is a hash of the pixels: the same pictures whoever asks, and nothing of what they
show.  The budget is a mean over pictures, of processor time of the asking thread.  It skips by how
long earlier pictures took, so a slow kind of picture can be skipped more often than others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdk.errors import PluginError
from sdk.pixels import Picture

_SAVED = 20.0
"""Pictures' worth of budget that may be saved up: the first look, and bursts."""
_FORGETS = 0.2
"""Weight of the newest duration in the mean that predicts the next."""


class Sampler:
    """Safe to share between threads.

    Raises:
        PluginError: a rate outside (0, 1], or a negative budget.
    """

    def __init__(self, rate: float = 1.0, budget_ms: float = 0.0) -> None:
        numbers = all(isinstance(x, (int, float)) for x in (rate, budget_ms))
        if not numbers or not 0 < rate <= 1 or not 0 <= budget_ms < float("inf"):
            raise PluginError(
                f"asked for sample_rate {rate!r} and budget_ms {budget_ms!r}; give a rate above 0, "
                "at most 1, and milliseconds a picture, 0 for as many as it takes"
            )
        self.rate = float(rate)
        self.budget_ms = float(budget_ms)
        self._left_ms = self._most = _SAVED * self.budget_ms
        self._expected_ms = 0.0
        self._lock = threading.Lock()

    def wants(self, picture: Picture) -> bool:
        """Say whether to look at this picture; counts it either way."""
        with self._lock:
            self._left_ms = min(self._most, self._left_ms + self.budget_ms)
            affordable = not self.budget_ms or self._left_ms >= self._expected_ms
        return affordable and int(picture.sha256[:12], 16) < self.rate * 16**12

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take what the block costs out of the budget, also when it raises."""
        began = time.thread_time()
        try:
            yield
        finally:
            spent = (time.thread_time() - began) * 1000
            with self._lock:
                self._left_ms -= spent
                known = self._expected_ms or spent
                self._expected_ms = known + _FORGETS * (spent - known)
