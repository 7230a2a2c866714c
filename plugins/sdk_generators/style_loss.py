"""How far a picture is from a style and from a content, as a frozen network sees them.

Gatys et al. 2016 ("Image Style Transfer Using Convolutional Neural Networks", equations 1 to 6):
style is the Gram matrices of several layers, content the map of one.  The network is the encoder of
the starter model's VAE: trained by us, licence Apache-2.0 (models/starter/MODEL_CARD.md).  Ours
differ: Gram matrices are of maps whose channels are scaled to the style's spread, means count as
well (Li et al. 2017, arXiv:1701.01036, section 4.2), and the picture itself is the first layer,
because this network was trained to keep colours apart from shapes.  Features of the nearest-copy
auditor were tried and lost: they forgive tints, so colours stayed as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sdk import BackendError

LAYERS = (0, 1, 2, 3, 4)
"""The picture, 16 channels twice at full size, 32 at half, 64 at a quarter."""
CONTENT = 2


@dataclass(frozen=True, slots=True)
class Look:
    """Style statistics of a picture, one entry a layer."""

    scales: tuple[torch.Tensor, ...]
    """Standard deviation of each channel, (1, c, 1, 1)."""
    means: tuple[torch.Tensor, ...]
    grams: tuple[torch.Tensor, ...]


class Losses:
    """Style and content distances through one frozen encoder.

    Raises:
        BackendError: `folder` holds no diffusers VAE.
    """

    def __init__(self, folder: Path) -> None:
        from diffusers import AutoencoderKL

        try:
            vae = AutoencoderKL.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as exc:
            raise BackendError(
                f"asked for the encoder in {folder.name}, found {type(exc).__name__}; "
                "give the vae folder of a diffusers model"
            ) from exc
        self._encoder: Any = vae.encoder.float().eval().requires_grad_(False)

    def maps(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) float -1..1 → a map for each of `LAYERS`."""
        x = self._encoder.conv_in(pictures)
        found = [pictures, x]
        for block in list(self._encoder.down_blocks)[: len(LAYERS) - 2]:
            for layer in block.resnets:
                x = layer(x, None)
            found.append(x)
            for layer in block.downsamplers or ():
                x = layer(x)
        return found

    @torch.no_grad()
    def look(self, picture: torch.Tensor) -> Look:
        """What is to be copied of a style, (1, 3, H, W) float -1..1."""
        maps = self.maps(picture)
        scales = tuple(x.std((0, 2, 3), keepdim=True) + 1e-3 for x in maps)
        found = [_statistics(x / scale) for x, scale in zip(maps, scales, strict=True)]
        return Look(scales, tuple(m for m, _ in found), tuple(g for _, g in found))

    @torch.no_grad()
    def content(self, pictures: torch.Tensor) -> torch.Tensor:
        """The map that holds what is shown where."""
        return self.maps(pictures)[CONTENT]

    def distances(
        self, pictures: torch.Tensor, look: Look, content: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(style, content), scalars; (B, 3, H, W) float -1..1 and content's maps."""
        maps = self.maps(pictures)
        style = pictures.new_zeros(())
        for x, scale, mean, gram in zip(maps, look.scales, look.means, look.grams, strict=True):
            own_mean, own_gram = _statistics(x / scale)
            style = style + (own_mean - mean).square().mean() + (own_gram - gram).square().mean()
        spread = content.std((0, 2, 3), keepdim=True) + 1e-2
        return style, ((maps[CONTENT] - content) / spread).square().mean()


def smoothness(pictures: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of neighbours (total variation, Johnson et al. 2016)."""
    across: torch.Tensor = pictures.diff(dim=-1).square().mean()
    return across + pictures.diff(dim=-2).square().mean()


def _statistics(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means (B, c) and centred Gram matrices (B, c, c), divided by the number of places."""
    flat = maps.flatten(2)
    mean = flat.mean(2)
    centred = flat - mean[..., None]
    return mean, centred @ centred.transpose(1, 2) / flat.shape[2]
