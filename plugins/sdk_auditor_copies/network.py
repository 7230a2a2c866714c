"""The feature network: its shape, its training, its ONNX file.  Only `build` imports this."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from .features import INPUT, SIZE

_WIDTHS = (24, 48, 96, 128)
_LAST = 192
_PARTS = 6
_TEMPERATURE = 0.05


class Net(nn.Module):
    """(B, 3, 64, 64) float 0..1 → (B, 128) unit vectors; 0.55 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for depth, width in enumerate(_WIDTHS):
            layers += _block(channels, width, stride=2 if depth < 3 else 1)
            if depth:
                layers += _block(width, width, groups=width // 8)
            channels = width
        self.body = nn.Sequential(*layers, *_block(channels, _LAST, stride=2))
        self.head = nn.Linear(_PARTS * _LAST, SIZE)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pool in ways that a mirror image does not change, then project."""
        maps = self.body(pictures * 2 - 1)  # (B, 192, 4, 4)
        quarters = F.avg_pool2d(maps, 2)  # (B, 192, 2, 2)
        left, right = quarters[..., 0], quarters[..., 1]  # (B, 192, 2): top, bottom
        rows, sides = (left + right) / 2, (left - right).abs()
        strong = maps.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
        pooled = [maps.mean((2, 3)), strong, *rows.unbind(2), *sides.unbind(2)]
        return F.normalize(self.head(torch.cat(pooled, 1)), dim=1)


def fit(
    pictures: NDArray[np.uint8], concepts: Sequence[str], minutes: float, batch: int = 192
) -> Net:
    """Teach the network to find each picture's other view among the batch's (InfoNCE).

    (N, 128, 128, 3) uint8.  Half of a batch comes in fours of one concept, the hard negatives:
    they differ in skin tone, gender or vendor (arXiv:1807.03748; arXiv:2010.04592).
    """
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    groups: dict[str, list[int]] = {}
    for index, concept in enumerate(concepts):
        groups.setdefault(concept, []).append(index)
    kin = list(groups.values())
    rng, dice = np.random.default_rng(0), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = Net().train()
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    start, step = time.monotonic(), 0
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        rate = 1e-3 * (1 + math.cos(math.pi * done)) * min(1.0, (step + 1) / 100)
        optimiser.param_groups[0]["lr"] = rate
        some = pixels[_choose(rng, kin, len(pixels), batch)].float() / 255
        seen = net(torch.cat([augment(some, dice), augment(some, dice)]))
        logits = (seen @ seen.T / _TEMPERATURE).fill_diagonal_(-1e4)
        half = len(some)
        other = torch.cat([torch.arange(half, 2 * half), torch.arange(half)])
        loss = F.cross_entropy(logits, other)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
    return net.eval()


def augment(pictures: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """(B, 3, 128, 128) 0..1 → (B, 3, 64, 64): turned, cropped, mirrored, tinted, blurred, noisy."""
    count = len(pictures)

    def roll(*shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=dice)

    angle = (roll() * 2 - 1) * math.pi / 15 * (roll() < 0.7)
    scale = 1 - 0.18 * roll() * (roll() < 0.8) + 0.08 * roll() * (roll() < 0.2)
    mirror = torch.where(roll() < 0.5, -1.0, 1.0) * (1 + 0.04 * (roll() * 2 - 1))
    room = (1 - scale).clamp(min=0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cos * mirror, -sin, (roll() * 2 - 1) * room], 1)
    down = torch.stack([sin * mirror, cos, (roll() * 2 - 1) * room], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(pictures.shape), align_corners=False)
    # The picture is inverted while it turns, so that what comes in from outside is white.
    seen = 1 - F.avg_pool2d(F.grid_sample(1 - pictures, grid, align_corners=False), 2)
    soft = F.interpolate(F.avg_pool2d(seen, 2), size=INPUT, mode="bilinear")
    seen = torch.where(roll(1, 1, 1) < 0.25, soft, seen)
    tint = 1 + 0.12 * (roll(3, 1, 1) * 2 - 1) * (roll(1, 1, 1) < 0.6)
    gamma = torch.exp(0.25 * (roll(1, 1, 1) * 2 - 1) * (roll(1, 1, 1) < 0.5))
    seen = (seen * tint).clamp(0, 1).pow(gamma)
    grain = torch.randn(seen.shape, generator=dice) * 0.08 * roll(1, 1, 1)
    return (seen + grain * (roll(1, 1, 1) < 0.5)).clamp(0, 1)


def write_onnx(net: Net, path: Path) -> None:
    """Write the network; input `pictures` (N, 3, 64, 64), output `features` (N, 128)."""
    torch.onnx.export(
        net,
        (torch.zeros(2, 3, INPUT, INPUT),),
        str(path),
        input_names=["pictures"],
        output_names=["features"],
        dynamic_axes={"pictures": {0: "count"}, "features": {0: "count"}},
        opset_version=17,
        dynamo=False,
    )


def _block(inward: int, outward: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inward, outward, 3, stride, 1, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outward), nn.ReLU()]


def _choose(
    rng: np.random.Generator, kin: Sequence[Sequence[int]], count: int, batch: int
) -> list[int]:
    chosen: dict[int, None] = {}
    while len(chosen) < min(batch, count):
        family = kin[int(rng.integers(len(kin)))]
        few = rng.permutation(family)[:4] if rng.random() < 0.5 else [rng.integers(count)]
        chosen |= dict.fromkeys(int(i) for i in few)
    return list(chosen)[:batch]
