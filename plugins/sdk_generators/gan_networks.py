"""A small text-conditional GAN: a FastGAN-like generator against discriminators on frozen features.

Generator: Liu et al. 2021 (arXiv:2101.04775), figure 3: upsampling convolutions with gated linear
units, and skip-layer excitation, by which the 4×4 map gates the largest one.  Discriminators:
Sauer et al. 2021 (arXiv:2111.01007), section 3: small heads on the maps of a frozen network, each
behind a fixed random mix of channels.  Ours differ: one more head sees the pixels themselves, 4×4
at a time (the frozen network was trained to forgive tints, and halves the size at once, so a grid
of single pixels once lay over every drawing and no head minded), and every head compares what it
sees with the words (projection, Miyato and Koyama 2018, arXiv:1802.05637).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from .features import WIDTHS, Features
from .words import LOUD, WIDTH

_HEARD = 96
_LAYERS = (2, 6, 7)
"""Maps of the frozen network that have a head: a quarter, an eighth, a sixteenth of the size."""
_UP = (3, 2.5, 1.5, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What must be known to build the generator again."""

    side: int = 64
    """Pixels, a power of two from 32."""
    latent: int = 128
    width: int = 32
    """Channels at half the size, a multiple of 16."""


class Generator(nn.Module):
    """Latents (B, latent) and words (B, 384) → pictures (B, 3, side, side) -1..1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        sizes = shape.side.bit_length() - 3
        widths = [round(_UP[min(i, 3)] * shape.width) for i in range(sizes)]
        self.hear = nn.Linear(WIDTH, _HEARD)
        self.said = shape.latent + _HEARD
        self.grow = nn.Linear(self.said, widths[0] * 16)
        self.up = nn.ModuleList(Gated(a, b, self.said) for a, b in itertools.pairwise(widths))
        self.gate = nn.Sequential(
            nn.Conv2d(widths[0], widths[0], 4), nn.SiLU(), nn.Conv2d(widths[0], widths[-1], 1)
        )
        self.look = nn.Conv2d(widths[-1], widths[-1], 3, padding=1)
        self.last = nn.Conv2d(widths[-1], 12, 3, padding=1)
        for part in (self.last.weight, self.last.bias):
            _alike(part)

    def forward(self, latents: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Draw."""
        said = torch.cat([latents, F.leaky_relu(self.hear(words * LOUD), 0.2)], 1)
        small = x = F.leaky_relu(self.grow(said).view(len(said), -1, 4, 4), 0.2)
        for layer in self.up:
            x = layer(x, said)
        x = x * torch.sigmoid(self.gate(small))
        x = x + F.leaky_relu(self.look(x), 0.2)
        return torch.tanh(F.pixel_shuffle(self.last(x), 2))


class Gated(nn.Module):
    """Twice the size through a gated linear unit; words and latent scale and shift channels."""

    def __init__(self, inward: int, outward: int, said: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, 2 * outward, 3, padding=1)
        self.norm = nn.GroupNorm(8, 2 * outward)
        self.film = nn.Linear(said, 4 * outward)

    def forward(self, x: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """(B, inward, h, w) → (B, outward, 2h, 2w)."""
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        scale, shift = self.film(said)[..., None, None].chunk(2, 1)
        return F.glu(self.norm(self.conv(x)) * (1 + scale) + shift, 1)


class Critics(nn.Module):
    """Pictures and words → one score a head and picture; above 0 is real."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self._features = (Features.shipped(),)  # in a tuple: frozen, and not in the checkpoint
        self.mixes = nn.ModuleList(_mix(WIDTHS[layer], width) for layer in _LAYERS)
        self.heads = nn.ModuleList([Head(width) for _ in _LAYERS] + [Head(48, width)])

    def look(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, side, side) -1..1 → what each head sees; nothing in it is fitted."""
        maps = self._features[0](pictures)
        seen = [mix(maps[layer]) for mix, layer in zip(self.mixes, _LAYERS, strict=True)]
        return [*seen, F.pixel_unshuffle(pictures, 4)]

    def forward(self, seen: Sequence[torch.Tensor], *words: torch.Tensor) -> list[torch.Tensor]:
        """For each of `words`, (B, 384): (B, heads)."""
        scores = [head(x, words) for head, x in zip(self.heads, seen, strict=True)]
        return [torch.cat(list(one), 1) for one in zip(*scores, strict=True)]


class Head(nn.Module):
    """A map and words → (B, 1)."""

    def __init__(self, inward: int, width: int = 64) -> None:
        super().__init__()
        self.one = spectral_norm(nn.Conv2d(inward, width, 3, 1, 1))
        self.two = spectral_norm(nn.Conv2d(width, width, 3, 2, 1))
        self.real = spectral_norm(nn.Linear(width, 1))
        self.match = spectral_norm(nn.Linear(WIDTH, width))

    def forward(self, x: torch.Tensor, words: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """How real it looks, and how much like each of the words."""
        x = F.leaky_relu(self.one(x), 0.2)
        x = F.leaky_relu(self.two(x), 0.2)
        pooled = x.mean((2, 3)) * 2
        real = self.real(pooled)
        near = pooled / pooled.shape[1] ** 0.5
        return [real + (self.match(w * LOUD) * near).sum(1, keepdim=True) for w in words]


@torch.no_grad()
def _alike(weights: torch.Tensor | None) -> None:
    """Let the four pixels of a block begin alike (Aitken et al. 2017, arXiv:1707.02937, ICNR)."""
    assert weights is not None
    weights.copy_(weights[::4].repeat_interleave(4, 0))


def _mix(inward: int, outward: int) -> nn.Conv2d:
    """A fixed random 1×1 convolution (Sauer et al. 2021, section 3.2)."""
    mix = nn.Conv2d(inward, outward, 1, bias=False)
    nn.init.kaiming_normal_(mix.weight)
    return mix.requires_grad_(False)
