"""Draws a field of colour between two hues that the seed chooses.

policy:  backend = {plugin = "NAME"}
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk import Backend, Capabilities, Model, Pixels, Request, Settings, Watch, hookimpl


class Gradient:
    """A gradient with a little grain, so that filters and watermarks find something to read."""

    def __init__(self, *, grain: float = 4.0) -> None:
        self._grain = grain
        self.model = Model(name="NAME", version="1", licence="Apache-2.0")
        self.capabilities = Capabilities(
            width=256, height=256, multiple_of=1, min_side=16, max_batch=4
        )

    def render(self, requests: Sequence[Request], watch: Watch, /) -> Sequence[Pixels]:
        """Draw one (height, width, 3) uint8 picture for each request."""
        drawn = []
        for done, request in enumerate(requests, 1):
            drawn.append(self._draw(request))
            watch.step(done, len(requests))
        return drawn

    def _draw(self, request: Request) -> Pixels:
        height, width = request.height or 256, request.width or 256
        rng = np.random.default_rng(request.seed)
        start, end = rng.uniform(0, 255, (2, 3))
        along = np.linspace(0, 1, width)[None, :, None]
        colours = (1 - along) * start + along * end
        noisy = colours + rng.normal(0, self._grain, (height, width, 3))
        pixels: Pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        return pixels


@hookimpl
def backend(settings: Settings) -> Backend:
    """Make the backend; setting: `grain` (levels)."""
    return Gradient(**settings)  # type: ignore[arg-type]
