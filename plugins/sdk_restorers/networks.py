"""The two networks: residuals of a picture, and the colours that belong to a grey one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

WORDS = 384
_RADIUS, _FLAT = 4, 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of either network."""

    width: int
    depth: int


class Denoiser(nn.Module):
    """Plain convolutions at half the size add what a picture lacks (DnCNN, arXiv:1608.03981).

    Four pixels become channels first (arXiv:1609.05158 backwards), for speed and a wider view.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        layers: list[nn.Module] = [nn.Conv2d(12, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(shape.depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        last = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.body = nn.Sequential(*layers, last)

    @property
    def reach(self) -> int:
        """Pixels around a point that its result depends on; even, so that tiles stay aligned."""
        return 2 * (self.shape.depth + 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) float -1..1 → the same, not clipped."""
        height, width = pictures.shape[-2:]
        even = F.pad(pictures, (0, width % 2, 0, height % 2), mode="replicate")
        mended: torch.Tensor = even + F.pixel_shuffle(self.body(F.pixel_unshuffle(even, 2)), 2)
        return mended[..., :height, :width]


class Colouriser(nn.Module):
    """A small U-Net from luma to chroma at 64×64, told what is shown (FiLM, arXiv:1709.07871).

    A fast guided filter (arXiv:1505.00996) brings the chroma to the picture's own size along the
    edges of its luma, so that colours do not spill.
    """

    side = 64

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        sizes = [shape.width * factor for factor in (1, 2, 4, 6)[: shape.depth]]
        self.enter = nn.Conv2d(1, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in pairwise(sizes))
        self.words = nn.Linear(WORDS, 2 * sizes[-1])
        self.middle = _block(sizes[-1], sizes[-1], 1)
        back = sizes[::-1]
        self.up = nn.ModuleList(_block(a + b, b, 1) for a, b in pairwise(back))
        self.leave = nn.Conv2d(sizes[0], 2, 3, padding=1)

    def forward(self, luma: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """(B, 1, 64, 64) -1..1 and (B, 384) unit vectors → (B, 2, 64, 64) chroma, about -1..1."""
        x = F.silu(self.enter(luma))
        kept = [x]
        for block in self.down:
            x = block(x)
            kept.append(x)
        scale, shift = self.words(words * WORDS**0.5)[..., None, None].chunk(2, dim=1)
        x = self.middle(x * (1 + scale) + shift)
        for block, skip in zip(self.up, kept[-2::-1], strict=True):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(torch.cat([x, skip], 1))
        chroma: torch.Tensor = self.leave(x)
        return chroma

    def paint(self, pictures: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -1..1 of any size → the same luma with new colours."""
        luma = split(pictures)[0]
        small = F.interpolate(luma, (self.side, self.side), mode="area")
        chroma = guided(small, self(small, words), luma)
        return join(luma, chroma)


def _block(inner: int, outer: int, stride: int) -> Any:
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, padding=1, stride=stride),
        nn.GroupNorm(4, outer),
        nn.SiLU(),
        nn.Conv2d(outer, outer, 3, padding=1),
        nn.SiLU(),
    )


def split(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """RGB -1..1 → luma (B, 1, H, W) -1..1 and chroma (B, 2, H, W) -1..1 (BT.601, JFIF 1.02)."""
    red, green, blue = pictures.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1)
    return luma[:, None], chroma


def join(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """The inverse of `split`."""
    light, blue, red = luma[:, 0], chroma[:, 0] * 1.772, chroma[:, 1] * 1.402
    green = (-0.299 * red - 0.114 * blue) / 0.587
    return torch.stack([light + red, light + green, light + blue], 1)


def guided(small: torch.Tensor, chroma: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """Chroma at the size of `large`: locally a straight line of luma, fitted where it is small."""

    def mean(x: torch.Tensor) -> torch.Tensor:
        size = 2 * _RADIUS + 1
        return F.avg_pool2d(x, size, 1, _RADIUS, count_include_pad=False)

    light, colour = mean(small), mean(chroma)
    slope = (mean(small * chroma) - light * colour) / (mean(small * small) - light**2 + _FLAT)
    rest = colour - slope * light
    size = list(large.shape[-2:])
    slope, rest = (
        F.interpolate(mean(x), size, mode="bilinear", align_corners=False) for x in (slope, rest)
    )
    return slope * large + rest
