"""What a picture shows, as maps of features: the frozen network behind discriminators and styles.

The convolutions of the nearest-copy auditor's network (`sdk_auditor_copies/network.onnx`, trained
by us on open-licensed emoji art), batch norms folded in: `features.safetensors`.  Its
metadata names the SHA-256 of the file that it was taken from; tests/plugins/test_generators.py
compares the two.  No weights of other people are in it, so pictures made with it owe nobody.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from sdk import TrainError

WEIGHTS = Path(__file__).parent / "features.safetensors"
WIDTHS = (24, 48, 48, 96, 96, 128, 128, 192)
"""Channels of each layer's map."""
_STRIDES = (2, 2, 1, 2, 1, 1, 1, 2)
_GROUPS = (1, 1, 6, 1, 12, 1, 16, 1)


class Features(nn.Module):
    """(B, 3, H, W) float -1..1 → eight maps: one of H/2, two of H/4, four of H/8, one of H/16."""

    def __init__(self) -> None:
        super().__init__()
        inward = (3, *WIDTHS[:-1])
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride, 1, groups=groups)
            for a, b, stride, groups in zip(inward, WIDTHS, _STRIDES, _GROUPS, strict=True)
        )

    @classmethod
    def shipped(cls) -> Features:
        """The network with its weights, frozen, float32.

        Raises:
            TrainError: the weights are not there; wheels leave them out.
        """
        from safetensors.torch import load_file

        if not WEIGHTS.exists():
            raise TrainError(
                f"asked for the critics' features, found no {WEIGHTS.name}: the wheel leaves it "
                "out; train GANs from the source tree (pip install -e .)"
            )
        network = cls()
        network.load_state_dict({k: w.float() for k, w in load_file(WEIGHTS).items()})
        network.to(memory_format=torch.channels_last)
        return network.eval().requires_grad_(False)

    def forward(self, pictures: torch.Tensor, upto: int = len(WIDTHS)) -> list[torch.Tensor]:
        """Return the first `upto` maps, each after its ReLU."""
        maps = []
        x = pictures
        for layer in list(self.layers)[:upto]:
            x = F.relu(layer(x))
            maps.append(x)
        return maps
