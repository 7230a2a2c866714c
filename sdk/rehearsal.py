"""What the checks of `sdk.contract` drive parts with: a small picture, a watch, a made part."""

from __future__ import annotations

from typing import Any

import numpy as np

from sdk.errors import Cancelled, PluginError
from sdk.members import check_members
from sdk.pixels import Pixels, admit_pixels
from sdk.registry import Registry
from sdk.types import Settings


class Quiet:
    """A watch that counts steps and can cancel at one of them."""

    def __init__(self, cancel_at: int | None = None) -> None:
        self.steps: list[tuple[int, int]] = []
        self._cancel_at = cancel_at

    def step(self, done: int, total: int, /) -> None:
        """Record a step; raise Cancelled at the chosen one."""
        self.steps.append((done, total))
        if self._cancel_at is not None and done >= self._cancel_at:
            raise Cancelled(f"cancelled at step {done} of {total}")


def sample(width: int = 256, height: int = 256, seed: int = 0) -> Pixels:
    """A smooth colour gradient with blocks and grain, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack([rows / height, columns / width, (rows + columns) / (height + width)], -1)
    blocks = rng.random((-(-height // 32), -(-width // 32), 3)).repeat(32, 0).repeat(32, 1)
    grain = rng.normal(0, 0.02, (height, width, 3))
    mixed = 0.55 * base + 0.35 * blocks[:height, :width] + grain
    return admit_pixels((np.clip(mixed, 0, 1) * 255).astype(np.uint8))


def make(kind: str, name: str, settings: Settings, registry: Registry | None) -> Any:
    """Make the part and check that it has the members of its Protocol."""
    part = (registry or Registry()).make(kind, name, settings)
    try:
        check_members(kind, name, part)
    except PluginError as exc:
        raise AssertionError(str(exc)) from exc
    return part
