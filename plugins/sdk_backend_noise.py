"""Draws seeded noise: for tests, examples and plugin authors; needs nothing but numpy."""

import time
from collections.abc import Sequence

import numpy as np

from sdk import Backend, Capabilities, Model, Pixels, Request, Settings, Watch, hookimpl


class Noise:
    """Uniform noise, blurred to blocks so that a watermark finds texture and flat parts."""

    def __init__(self, block: int = 16, max_batch: int = 4, pause_s: float = 0.0) -> None:
        if block < 1:
            raise ValueError(f"block {block}; give a whole number of pixels from 1")
        self._block = block
        self._pause_s = pause_s
        self.model = Model(name="noise", version="1", licence="Apache-2.0")
        self.capabilities = Capabilities(
            width=256, height=256, multiple_of=1, min_side=16, max_side=8192, max_batch=max_batch
        )

    def render(self, requests: Sequence[Request], watch: Watch) -> Sequence[Pixels]:
        """Draw (height, width, 3) uint8 noise from each request's seed (numpy PCG64)."""
        total = requests[0].steps or 1
        for step in range(total):
            time.sleep(self._pause_s)
            watch.step(step + 1, total)
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Pixels:
        height, width = request.height or 256, request.width or 256
        rows, columns = -(-height // self._block), -(-width // self._block)
        coarse = np.random.default_rng(request.seed).integers(
            32, 224, (rows, columns, 3), dtype=np.uint8
        )
        grown = coarse.repeat(self._block, 0).repeat(self._block, 1)
        return grown[:height, :width]


@hookimpl
def backend(settings: Settings) -> Backend:
    """Make the noise backend; settings: `block` (pixels), `max_batch`, `pause_s` a step."""
    return Noise(**settings)  # type: ignore[arg-type]
