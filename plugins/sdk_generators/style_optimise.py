"""Style transfer by optimisation: the pixels themselves are moved (Gatys et al. 2016).

Half size first, then full size: large strokes settle where they are cheap.  Each step looks at the
picture shifted by another few pixels, else the encoder's strides leave a grid in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from sdk import BackendError, Pixels, Watch

from .style_loss import Losses, smoothness

_STAGES = ((0.5, 70), (1.0, 40))
"""(scale, steps)."""
_RATE = 0.05
_SHIFT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each aim counts."""

    style: float = 1.0
    content: float = 0.15
    smooth: float = 1.5


class Optimiser:
    """Moves a picture towards a style; the same input gives the same picture."""

    def __init__(self, encoder: Path, weights: Weights | None = None) -> None:
        self._losses = Losses(encoder)
        self._weights = weights or Weights()

    def __call__(self, content: Pixels, style: Pixels, watch: Watch) -> Pixels:
        """(H, W, 3) uint8 of content and of style → (H, W, 3) uint8, the content's size.

        Raises:
            BackendError: the numbers broke.
        """
        wanted, example = to_tensor(content), to_tensor(style)
        height, width = wanted.shape[2:]
        done, total = 0, sum(steps for _, steps in _STAGES)
        picture = wanted
        for scale, steps in _STAGES:
            size = [max(16, round(side * scale) // 8 * 8) for side in (height, width)]
            here = F.interpolate(wanted, size, mode="area")
            start = here if done == 0 else F.interpolate(picture, size, mode="bilinear")
            moving = _Moving(self._losses, self._weights, start, here, _half(example, scale))
            for step in range(steps):
                watch.step(done + step, total)
                moving.step(step / steps)
            picture, done = moving.picture.detach(), done + steps
        watch.step(total, total)
        if not bool(torch.isfinite(picture).all()):
            raise BackendError("asked for a style, found numbers that are none; try another size")
        return to_pixels(F.interpolate(picture, (height, width), mode="bilinear"))


class _Moving:
    """One size: the picture, its aims, and a step towards them."""

    def __init__(
        self,
        losses: Losses,
        weights: Weights,
        start: torch.Tensor,
        content: torch.Tensor,
        style: torch.Tensor,
    ) -> None:
        self._losses, self._weights = losses, weights
        self._look, self._kept = losses.look(style), losses.content(content)
        self.picture = start.clone().requires_grad_(True)
        self._optimiser = torch.optim.Adam([self.picture], _RATE)
        self._dice = torch.Generator().manual_seed(0)

    def step(self, progress: float) -> None:
        """Take one step; the rate falls along half a cosine."""
        rate = _RATE * (1 + math.cos(math.pi * progress)) / 2 + 0.002
        self._optimiser.param_groups[0]["lr"] = rate
        by = torch.randint(0, _SHIFT, (2,), generator=self._dice).tolist()
        shifted = torch.roll(self.picture, by, (2, 3))
        near, far = self._losses.distances(shifted, self._look, torch.roll(self._kept, by, (2, 3)))
        aims = self._weights
        loss = aims.style * near + aims.content * far + aims.smooth * smoothness(self.picture)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        with torch.no_grad():
            self.picture.clamp_(-1, 1)


def _half(picture: torch.Tensor, scale: float) -> torch.Tensor:
    return picture if scale == 1 else F.interpolate(picture, scale_factor=scale, mode="area")


def to_tensor(pixels: Pixels) -> torch.Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float -1..1."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_pixels(picture: torch.Tensor) -> Pixels:
    """(1, 3, H, W) float -1..1 → (H, W, 3) uint8."""
    found = ((picture[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return np.ascontiguousarray(found.numpy())
