"""The gender network: its shape, its fit, its ONNX file.  Only `train` imports this."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from sdk import Watch

from .labels import GENDERS
from .view import SIDE

_WIDTHS = ((24, 2, 1), (48, 2, 1), (48, 1, 4), (96, 2, 1), (96, 1, 4), (160, 2, 1), (160, 1, 4))
"""(channels, stride, groups) of each 3 × 3 convolution."""
_BATCH = 64


class Net(nn.Module):
    """(B, 3, 64, 64) float 0..1, RGB → (B, 5) logits over `GENDERS`; 0.32 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride, groups in _WIDTHS:
            layers += [
                nn.Conv2d(channels, width, 3, stride, 1, groups=groups, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(channels * 2 * 2, len(GENDERS))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pool each quarter of the picture by itself: hair is above, clothes are below."""
        maps = self.body(pictures * 2 - 1)
        logits: torch.Tensor = self.head(self.drop(F.avg_pool2d(maps, 2).flatten(1)))
        return logits


def fit(
    views: NDArray[np.uint8],
    truths: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    steps: int,
    seed: int,
    watch: Watch,
) -> Net:
    """Fit a network to (N, 64, 64, 3) views; `weights` say how often each is drawn.

    AdamW, one cycle to a rate of 4e-3, label smoothing 0.05; views are mirrored, shifted, scaled,
    turned, tinted, softened and made noisy, as a generator's drawings are.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    net = Net().to(memory_format=torch.channels_last)
    how = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.05)
    pace = torch.optim.lr_scheduler.OneCycleLR(how, 4e-3, total_steps=steps)
    chances = weights / weights.sum()
    last = time.monotonic()
    for step in range(steps):
        chosen = rng.choice(len(views), _BATCH, p=chances)
        batch = vary(torch.from_numpy(views[chosen]).permute(0, 3, 1, 2).float() / 255)
        batch = batch.contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(net(batch), torch.from_numpy(truths[chosen]), label_smoothing=0.05)
        how.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        how.step()
        pace.step()
        if time.monotonic() - last > 10 or step + 1 == steps:
            last = time.monotonic()
            watch.step(step + 1, steps)
    return net.eval()


def fitted(
    kept: Path,
    views: NDArray[np.uint8],
    truths: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    steps: int,
    seed: int,
    watch: Watch,
) -> Net:
    """Fit a network, or read the one that an earlier run kept."""
    if not kept.exists():
        net = fit(views, truths, weights, steps=steps, seed=seed, watch=watch)
        torch.save(net.state_dict(), kept)
    net = Net()
    net.load_state_dict(torch.load(kept, weights_only=True))
    return net.eval()


def vary(pictures: torch.Tensor) -> torch.Tensor:
    """Change (B, 3, 64, 64) float 0..1 as other drawings of the same person would differ."""
    count = len(pictures)
    scale = 1 + 0.25 * (torch.rand(count) - 0.6)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    turn = 0.2 * torch.randn(count).clamp(-2, 2)
    turned = torch.zeros(count, 2, 3)
    turned[:, 0, 0], turned[:, 0, 1] = mirror * turn.cos() / scale, -turn.sin() / scale
    turned[:, 1, 0], turned[:, 1, 1] = mirror * turn.sin() / scale, turn.cos() / scale
    turned[:, :, 2] = 0.16 * (torch.rand(count, 2) - 0.5)
    grid = F.affine_grid(turned, [count, 3, SIDE, SIDE], align_corners=False)
    moved = 1 - F.grid_sample(1 - pictures, grid, align_corners=False)
    soft = F.avg_pool2d(moved, 3, 1, 1, count_include_pad=False)
    mixed = torch.lerp(moved, soft, torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.5))
    tint = 1 + 0.25 * (torch.rand(count, 3, 1, 1) - 0.5)
    noisy = mixed * tint + 0.04 * torch.rand(count, 1, 1, 1) * torch.randn_like(mixed)
    return noisy.clamp(0, 1)


def logits_of(net: Net, views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Answer for (N, 64, 64, 3) views: (N, 5)."""
    with torch.no_grad():
        pictures = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
        parts = [net(batch).numpy() for batch in torch.split(pictures, 256)]
    return np.concatenate(parts)


def export(net: Net, path: Path) -> None:
    """Write ONNX with input `pictures` (B, 3, 64, 64) float 0..1 and output `logits` (B, 5)."""
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(path),
        input_names=["pictures"],
        output_names=["logits"],
        dynamic_axes={"pictures": {0: "n"}, "logits": {0: "n"}},
        dynamo=False,
    )
