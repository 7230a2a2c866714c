"""The network that enlarges four times: a plain stack of convolutions on the small picture."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import nn

from sdk import PluginError

SCALE = 4


class Compact(nn.Module):
    """SRVGG-style network: convolutions at the input's size, one pixel shuffle at the end.

    The body learns what nearest-neighbour enlarging lacks (compact network of Real-ESRGAN,
    Wang et al., arXiv:2107.10833; sub-pixel convolution: Shi et al., arXiv:1609.05158).
    """

    def __init__(self, width: int = 32, depth: int = 8) -> None:
        super().__init__()
        self.width, self.depth = width, depth
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * SCALE * SCALE, 3, padding=1))

    @property
    def reach(self) -> int:
        """Pixels around a point that its result depends on: one for each convolution."""
        return self.depth + 2

    def forward(self, small: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) float 0..1 → (B, 3, 4H, 4W), not clipped."""
        near = F.interpolate(small, scale_factor=SCALE, mode="nearest")
        return near + F.pixel_shuffle(self.body(small), SCALE)


def load(path: Path) -> tuple[Compact, str]:
    """Read weights that `save` wrote; return the network and the file's SHA-256 (hex).

    Raises:
        PluginError: the file is not there, is damaged, or holds another network.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with safe_open(path, "pt") as file:
            shape = json.loads((file.metadata() or {})["network"])
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        network = Compact(**shape)
        network.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as exc:
        raise PluginError(
            f"superres: asked for the weights in {path.name}, found {type(exc).__name__}; "
            "give a file that the trainer superres exported"
        ) from exc
    return network.eval().requires_grad_(False), digest
