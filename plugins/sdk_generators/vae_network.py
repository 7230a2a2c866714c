"""A conditional variational autoencoder (Kingma and Welling, arXiv:1312.6114).

The prior depends on the words as well (Sohn et al. 2015, "Learning Structured Output
Representation using Deep Conditional Generative Models", equation 4).  With a standard normal prior
one of two things was seen after 400 steps: at 170 nats samples had nothing to do with the words, at
five times the price of a nat the latents said nothing at all.

The picture enters and leaves as 2×2 blocks of pixels in 12 channels, so that no convolution runs
at full size: at 64×64 that halved the time of a step on one core.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .words import LOUD, WIDTH

_DOWN = (0.5, 1, 2, 3)
_UP = (3, 2, 1.5, 1)
"""Channels of each size in multiples of `Shape.width`, from the outside in and from the inside
out; what comes after the fourth is like the fourth."""
_HEARD = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What must be known to build the network again."""

    side: int = 64
    """Pixels, a power of two from 16."""
    latent: int = 128
    width: int = 32
    """Channels of the decoder's largest size, a multiple of 16."""


class Vae(nn.Module):
    """Pictures (B, 3, side, side) float -1..1 with words (B, 384) ↔ latents (B, latent)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self._halvings = shape.side.bit_length() - 3
        """So that 4×4 is left: 4 at 64 pixels, the first of them by folding pixels."""
        widths = [round(_DOWN[min(i, 3)] * shape.width) for i in range(self._halvings)]
        self.hear = nn.Linear(WIDTH, _HEARD)
        self.first = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Down(a, b) for a, b in itertools.pairwise(widths))
        flat = widths[-1] * 16
        self.posterior = nn.Linear(flat + _HEARD, 2 * shape.latent)
        ups = [round(_UP[min(i, 3)] * shape.width) for i in range(self._halvings)]
        self.prior = nn.Sequential(
            nn.Linear(_HEARD, _HEARD), nn.SiLU(), nn.Linear(_HEARD, 2 * shape.latent)
        )
        self.grow = nn.Linear(shape.latent + _HEARD, ups[0] * 16)
        said = shape.latent + _HEARD
        self.up = nn.ModuleList(
            [Up(a, b, said) for a, b in zip(ups[:1] + ups[:-1], ups, strict=True)]
        )
        self.last = nn.Conv2d(ups[-1], 12, 3, padding=1)

    def encode(
        self, pictures: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of the posterior, each (B, latent)."""
        x = F.silu(self.first(F.pixel_unshuffle(pictures, 2)))
        for layer in self.down:
            x = layer(x)
        heard = F.silu(self.hear(words * LOUD))
        both: torch.Tensor = self.posterior(torch.cat([x.flatten(1), heard], 1))
        mean, log_variance = both.chunk(2, 1)
        return mean, log_variance.clamp(-12, 4)

    def expect(self, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance that the words alone let expect, each (B, latent)."""
        both: torch.Tensor = self.prior(F.silu(self.hear(words * LOUD)))
        mean, log_variance = both.chunk(2, 1)
        return mean, log_variance.clamp(-12, 4)

    def place(self, noise: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers (B, latent) → latents as the words expect them."""
        mean, log_variance = self.expect(words)
        return mean + noise * (0.5 * log_variance).exp()

    def displace(self, latents: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """The inverse of `place`."""
        mean, log_variance = self.expect(words)
        return (latents - mean) / (0.5 * log_variance).exp()

    def decode(self, latents: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) float, about -1..1."""
        said = torch.cat([latents, F.silu(self.hear(words * LOUD))], 1)
        x = self.grow(said).view(len(said), -1, 4, 4)
        for index, layer in enumerate(self.up):
            x = layer(x, said, twice=index > 0)
        return torch.tanh(F.pixel_shuffle(self.last(x), 2))


class Down(nn.Module):
    """Half the size, another width, and a look around."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(inward, outward, 3, 2, 1)
        self.norm = nn.GroupNorm(8, outward)
        self.look = nn.Conv2d(outward, outward, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inward, 2h, 2w) → (B, outward, h, w)."""
        x = F.silu(self.norm(self.halve(x)))
        return x + F.silu(self.look(x))


class Up(nn.Module):
    """Twice the size; latents and words scale and shift each channel (arXiv:1709.07871)."""

    def __init__(self, inward: int, outward: int, said: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inward, outward, 3, padding=1)
        self.norm = nn.GroupNorm(8, outward)
        self.film = nn.Linear(said, 2 * outward)
        self.two = nn.Conv2d(outward, outward, 3, padding=1)

    def forward(self, x: torch.Tensor, said: torch.Tensor, *, twice: bool) -> torch.Tensor:
        """(B, inward, h, w) → (B, outward, 2h, 2w), or the same size unless `twice`."""
        if twice:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        scale, shift = self.film(said)[..., None, None].chunk(2, 1)
        x = F.silu(self.norm(self.one(x)) * (1 + scale) + shift)
        return x + F.silu(self.two(x))
