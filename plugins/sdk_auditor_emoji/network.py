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

from .drawings import Material
from .labels import GENDERS
from .view import SIDE

_STEM, _WIDTHS = 32, (64, 128, 192)


class Block(nn.Module):
    """Two 3 × 3 convolutions with a way round them; halves the side (He et al., CVPR 2016)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.round = nn.Conv2d(channels, width, 1, 2, bias=False)
        self.round_norm = nn.BatchNorm2d(width)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) → (B, width, H/2, W/2)."""
        inner = self.second_norm(self.second(F.relu(self.norm(self.first(maps)))))
        return F.relu(inner + self.round_norm(self.round(maps)))


class Net(nn.Module):
    """(B, 3, 64, 64) float 0..1, RGB → (B, 5) logits over `GENDERS`; 0.88 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STEM, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(_STEM)
        pairs = zip((_STEM, *_WIDTHS), _WIDTHS, strict=False)
        self.body = nn.Sequential(*(Block(channels, width) for channels, width in pairs))
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(_WIDTHS[-1] * 4, len(GENDERS))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pool each quarter of the picture by itself: hair is above, clothes are below."""
        maps = self.body(F.relu(self.norm(self.stem(pictures * 2 - 1))))
        logits: torch.Tensor = self.head(self.drop(F.avg_pool2d(maps, 2).flatten(1)))
        return logits


def fit(net: Net, material: Material, *, steps: int, rate: float, seed: int, watch: Watch) -> Net:
    """Fit a network, in bfloat16 where the processor has it.

    AdamW, one cycle to `rate`, label smoothing 0.05; views are mirrored, shifted, scaled, turned,
    tinted, softened, partly covered and made noisy, as a generator's drawings are.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    net = net.train().to(memory_format=torch.channels_last)
    how = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.05)
    pace = torch.optim.lr_scheduler.OneCycleLR(how, rate, total_steps=steps)
    last = time.monotonic()
    for step in range(steps):
        chosen = material.batch(rng)
        batch = vary(torch.from_numpy(material.views[chosen]).permute(0, 3, 1, 2).float() / 255)
        batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(batch)
        truths = torch.from_numpy(material.truths[chosen])
        loss = F.cross_entropy(logits.float(), truths, label_smoothing=0.05)
        how.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        how.step()
        pace.step()
        if time.monotonic() - last > 10 or step + 1 == steps:
            last = time.monotonic()
            watch.step(step + 1, steps)
    return net.eval()


def fitted(kept: Path, material: Material, *, steps: int, rate: float, watch: Watch) -> Net:
    """Fit a network, or read the one that an earlier run kept."""
    torch.manual_seed(0)
    net = Net()
    if not kept.exists():
        fit(net, material, steps=steps, rate=rate, seed=0, watch=watch)
        torch.save(net.state_dict(), kept)
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
    mixed = torch.where(_covered(count), 1.0, mixed)
    noisy = mixed * tint + 0.04 * torch.rand(count, 1, 1, 1) * torch.randn_like(mixed)
    return noisy.clamp(0, 1)


def _covered(count: int) -> torch.Tensor:
    """(B, 1, 64, 64) bool: a square of a quarter of the side, in four of nine pictures."""
    rows, columns = torch.rand(2, count, 1, 1, 1) * 1.5 * SIDE  # a third lies outside
    place = torch.arange(SIDE)
    down, across = place.view(1, 1, -1, 1) - rows, place.view(1, 1, 1, -1) - columns
    side = SIDE / 4
    covered: torch.Tensor = (down >= 0) & (down < side) & (across >= 0) & (across < side)
    return covered


def logits_of(net: Net, views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Answer for (N, 64, 64, 3) views: (N, 5)."""
    with torch.no_grad():
        pictures = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
        parts = [net(batch).numpy() for batch in torch.split(pictures, 256)]
    return np.concatenate(parts)


def export(net: Net, path: Path) -> None:
    """Write ONNX with input `pictures` (B, 3, 64, 64) float 0..1 and output `logits` (B, 5).

    Weights lie in the file as float16, half the size, and are read as float32: the logits of 64
    pictures of noise, up to 4, differ by 0.0013 at most.
    """
    import onnx

    torch.onnx.export(
        net,
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(path),
        input_names=["pictures"],
        output_names=["logits"],
        dynamic_axes={"pictures": {0: "n"}, "logits": {0: "n"}},
        dynamo=False,
    )
    model = onnx.load(path)
    graph = model.graph
    for table in [one for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT]:
        half = onnx.numpy_helper.to_array(table).astype(np.float16)
        name = table.name
        graph.initializer.remove(table)
        graph.initializer.append(onnx.numpy_helper.from_array(half, f"{name}.half"))
        cast = onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)
    onnx.save(model, path)
