"""A progressively grown GAN (Karras et al. 2018, arXiv:1710.10196), made conditional on words.

As there: equalised learning rate (4.1), pixelwise normalisation in the generator (4.2), minibatch
standard deviation before the critic's last block (3), and new layers that fade in while both
networks double their size (2, figure 2).  Other than there: words enter the generator beside the
latent and the critic by projection (arXiv:1802.05637), channels are few, and each size has one
convolution where theirs has two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .words import LOUD, WIDTH

_FIRST = 8
"""Side of the size that both networks begin with inside; the first pictures are twice that."""
_HEARD = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What must be known to build the generator again."""

    side: int = 64
    """Pixels of the last size, a power of two from 16."""
    latent: int = 128
    width: int = 128
    """Channels of the smallest size; each next one has two thirds."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at 8, 16, … side."""
        sizes = self.side.bit_length() - 3
        return tuple(max(16, round(self.width * (2 / 3) ** i / 8) * 8) for i in range(sizes))


class Equal(nn.Module):
    """A convolution or linear layer whose weights are scaled at run time (section 4.1)."""

    def __init__(self, inward: int, outward: int, kernel: int = 0, gain: float = 2.0) -> None:
        super().__init__()
        shape = (outward, inward, kernel, kernel) if kernel else (outward, inward)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(outward))
        self._scale = math.sqrt(gain / (inward * max(1, kernel) ** 2))
        self._kernel = kernel

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inward, …) → (B, outward, …), the same size."""
        weight = self.weight * self._scale
        if self._kernel:
            return F.conv2d(x, weight, self.bias, padding=self._kernel // 2)
        return F.linear(x, weight, self.bias)


class Grown(nn.Module):
    """The generator: latents (B, latent) and words (B, 384) → pictures of any size so far."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        self.hear = Equal(WIDTH, _HEARD)
        self.grow = Equal(shape.latent + _HEARD, widths[0] * 16)
        self.first = Equal(widths[0], widths[0], 3)
        self.up = nn.ModuleList(
            Equal(a, b, 3) for a, b in zip((widths[0], *widths[:-1]), widths, strict=True)
        )
        self.paint = nn.ModuleList(Equal(width, 3, 1, gain=1.0) for width in widths)

    def forward(
        self, latents: torch.Tensor, words: torch.Tensor, level: int = -1, fade: float = 1.0
    ) -> torch.Tensor:
        """(B, 3, s, s) about -1..1 with s = 8 · 2^level; `fade` mixes in the newest size."""
        level = len(self.up) - 1 if level < 0 else level
        heard = F.leaky_relu(self.hear(words * LOUD), 0.2)
        said = normal(torch.cat([latents, heard], 1))
        x = normal(F.leaky_relu(self.grow(said), 0.2)).view(len(said), -1, 4, 4)
        x = normal(F.leaky_relu(self.first(x), 0.2))
        before = x
        for layer in list(self.up)[: level + 1]:
            before = x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = normal(F.leaky_relu(layer(x), 0.2))
        painted: torch.Tensor = self.paint[level](x)
        if fade < 1 and level > 0:
            old = self.paint[level - 1](before)
            painted = old + fade * (painted - old)
        return painted


class Critic(nn.Module):
    """Pictures and words → (B,) scores; above 0 is real."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        widths = shape.widths
        self.read = nn.ModuleList(Equal(3, width, 1) for width in widths)
        self.down = nn.ModuleList(
            Equal(b, a, 3) for a, b in zip((widths[0], *widths[:-1]), widths, strict=True)
        )
        self.near = Equal(widths[0] + 1, widths[0], 3)
        self.flat = Equal(widths[0] * 16, widths[0])
        self.real = Equal(widths[0], 1, gain=1.0)
        self.match = Equal(WIDTH, widths[0], gain=1.0)

    def forward(
        self,
        pictures: torch.Tensor,
        *words: torch.Tensor,
        level: int,
        fade: float = 1.0,
    ) -> list[torch.Tensor]:
        """(B, 3, s, s) with s = 8 · 2^level; one tensor (B,) for each of `words`, (B, 384)."""
        x = F.leaky_relu(self.read[level](pictures), 0.2)
        for at in range(level, -1, -1):
            x = F.avg_pool2d(F.leaky_relu(self.down[at](x), 0.2), 2)
            if at == level and fade < 1 and level > 0:
                old = F.leaky_relu(self.read[level - 1](F.avg_pool2d(pictures, 2)), 0.2)
                x = old + fade * (x - old)
        x = F.leaky_relu(self.near(torch.cat([x, deviation(x)], 1)), 0.2)
        flat = F.leaky_relu(self.flat(x.flatten(1)), 0.2)
        real = self.real(flat)[:, 0]
        near = flat / flat.shape[1] ** 0.5
        return [real + (self.match(w * LOUD) * near).sum(1) for w in words]


def normal(x: torch.Tensor) -> torch.Tensor:
    """Scale the channels of each pixel to a mean square of 1 (section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def deviation(x: torch.Tensor) -> torch.Tensor:
    """How much a batch varies, as one map (section 3): (B, c, h, w) → (B, 1, h, w)."""
    spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
    return spread.expand(len(x), 1, *x.shape[2:])
