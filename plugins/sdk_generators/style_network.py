"""A feed-forward network for several styles (Johnson et al. 2016, arXiv:1603.08155).

One network holds all styles: each has its own scales and shifts after every instance norm
(Dumoulin et al. 2017, arXiv:1610.07629, section 2.2).  Upsampling is nearest-neighbour and a
convolution, which leaves no checkerboard.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What must be known to build the network again."""

    styles: tuple[str, ...]
    """Names, in the order of the network's scales and shifts."""
    width: int = 12
    """Channels at full size; twice at half, three times at a quarter."""


class Styler(nn.Module):
    """Pictures (B, 3, H, W) float -1..1 and a style's number (B,) → the same shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, styles = shape.width, len(shape.styles)
        self.layers = nn.ModuleList(
            [
                Layer(3, width, 5, styles),
                Layer(width, 2 * width, 3, styles, stride=2),
                Layer(2 * width, 3 * width, 3, styles, stride=2),
            ]
        )
        self.inner = nn.ModuleList(Layer(3 * width, 3 * width, 3, styles) for _ in range(3))
        self.outer = nn.ModuleList(
            [Layer(3 * width, 2 * width, 3, styles), Layer(2 * width, width, 3, styles)]
        )
        self.last = nn.Conv2d(width, 3, 5)

    def forward(self, pictures: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Sides that 4 does not divide are padded, and cut again."""
        height, width = pictures.shape[2:]
        x = F.pad(pictures, (0, -width % 4, 0, -height % 4), mode="replicate")
        for layer in self.layers:
            x = F.relu(layer(x, style))
        for layer in self.inner:
            x = x + F.relu(layer(x, style))
        for layer in self.outer:
            x = F.relu(layer(F.interpolate(x, scale_factor=2.0, mode="nearest"), style))
        x = self.last(F.pad(x, (2, 2, 2, 2), mode="reflect"))
        return torch.tanh(x)[:, :, :height, :width]


class Layer(nn.Module):
    """Convolution, instance norm, and the style's scales and shifts."""

    def __init__(self, inward: int, outward: int, kernel: int, styles: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, kernel, stride)
        self._pad = kernel // 2
        self.scale = nn.Parameter(torch.ones(styles, outward))
        self.shift = nn.Parameter(torch.zeros(styles, outward))

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """(B, inward, h, w) → (B, outward, h / stride, w / stride)."""
        pad = self._pad
        x = F.instance_norm(self.conv(F.pad(x, (pad, pad, pad, pad), mode="reflect")))
        return x * self.scale[style][..., None, None] + self.shift[style][..., None, None]
