"""Augmentation that a discriminator sees and gradients pass: as much as over-fitting asks for.

The transforms are those of DiffAugment (Zhao et al. 2020, arXiv:2006.10738, section 3.1): colour,
translation, cutout.  Each is applied to a picture with probability p, and p follows how sure the
discriminator is of real pictures (Karras et al. 2020, arXiv:2006.06676, section 3.1, r_t).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

_TARGET = 0.6
"""Where r_t is held (Karras et al. 2020, figure 5c)."""
_SHIFT = 8
"""A picture moves by up to a part of its side: one eighth."""
_HOLE = 4
"""Cutout takes a square of a part of the side: one quarter.  The paper's half hid most of a small
emoji."""


class Augment:
    """Holds p, 0..`most`, and applies the transforms."""

    def __init__(self, speed: float = 20_000, most: float = 0.8) -> None:
        self.p = 0.0
        self._speed = speed
        """Pictures after which p has gone from 0 to 1 if r_t never falls (theirs: 500,000, for
        runs of 25 million)."""
        self._most = most

    def follow(self, real_scores: torch.Tensor) -> None:
        """Raise p where more than eight in ten reals are known, else lower it."""
        r_t = real_scores.sign().mean().item()
        step = len(real_scores) / self._speed
        self.p = min(self._most, max(0.0, self.p + (step if r_t > _TARGET else -step)))

    def state_dict(self) -> dict[str, Any]:
        """The probability that was reached."""
        return {"p": self.p}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.p = float(state["p"])

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float -1..1, the same shape; differentiable."""
        if self.p <= 0:
            return pictures
        return self._cut(self._move(self._tint(pictures)))

    def _chosen(self, count: int) -> torch.Tensor:
        return torch.rand(count, 1, 1, 1) < self.p

    def _tint(self, x: torch.Tensor) -> torch.Tensor:
        """Brightness ±0.25, saturation 0.5..1.5, contrast 0.75..1.25."""
        count = len(x)
        x = torch.where(self._chosen(count), x + (torch.rand(count, 1, 1, 1) - 0.5) * 0.5, x)
        grey = x.mean(1, keepdim=True)
        saturated = grey + (x - grey) * (0.5 + torch.rand(count, 1, 1, 1))
        x = torch.where(self._chosen(count), saturated, x)
        mean = x.mean((1, 2, 3), keepdim=True)
        contrasted = mean + (x - mean) * (0.75 + 0.5 * torch.rand(count, 1, 1, 1))
        return torch.where(self._chosen(count), contrasted, x)

    def _move(self, x: torch.Tensor) -> torch.Tensor:
        """Shift by whole pixels; what comes in from outside repeats the edge."""
        side = x.shape[-1]
        far = max(1, side // _SHIFT)
        chosen = self._chosen(len(x))[:, 0, 0]
        dx = torch.where(chosen, torch.randint(-far, far + 1, (len(x), 1)), 0)
        dy = torch.where(chosen, torch.randint(-far, far + 1, (len(x), 1)), 0)
        padded = F.pad(x, (far, far, far, far), mode="replicate")
        rows = (torch.arange(side) + far + dy)[:, :, None]
        columns = (torch.arange(side) + far + dx)[:, None, :]
        which = torch.arange(len(x))[:, None, None]
        return padded.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2)

    def _cut(self, x: torch.Tensor) -> torch.Tensor:
        """Blank a square to mid-grey."""
        side = x.shape[-1]
        hole = max(1, side // _HOLE)
        near = torch.arange(side)
        top, left = (torch.randint(0, side - hole + 1, (len(x), 1)) for _ in range(2))
        rows = (near >= top) & (near < top + hole)
        columns = (near >= left) & (near < left + hole)
        inside = (rows[:, :, None] & columns[:, None, :])[:, None]
        return x * (~(inside & self._chosen(len(x))))
