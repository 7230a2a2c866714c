"""Fits the two networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from sdk_generators.fits import OneNetwork
from sdk_generators.leave import write_network
from sdk_generators.material import Batch
from sdk_generators.recipe import Recipe
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError

from .material import Spoilt
from .networks import Colouriser, Denoiser, Shape, split

BACKEND = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiseRecipe(Recipe):
    """What the denoiser's trainer adds; `side` is that of the crops."""

    width: int = 32
    depth: int = 6
    """Inner convolutions."""
    ema: float = 0.99

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.width < 1 or self.depth < 1:
            raise TrainError(f"asked for width {self.width}, depth {self.depth}; give at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColouriseRecipe(Recipe):
    """What the colouriser's trainer adds."""

    width: int = 16
    """Channels at 64×64, a multiple of 4; 2, 4 and 6 times as many further down."""
    depth: int = 4
    """Sizes: 64, 32, 16 and 8 pixels."""

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.width < 4 or self.width % 4 or not 2 <= self.depth <= 4:
            raise TrainError(
                f"asked for width {self.width}, depth {self.depth}; give a multiple of 4, and 2..4"
            )

    def check_side(self) -> None:
        """The network works at 64×64, whatever the picture's size.

        Raises:
            TrainError: another side.
        """
        if self.side != Colouriser.side:
            raise TrainError(f"asked for side {self.side}; the colouriser works at 64")


class DenoiseFit(OneNetwork):
    """Absolute error (Charbonnier) and that of the edges."""

    about = "Takes blur, noise and JPEG's traces out of drawings."

    def __init__(self, recipe: DenoiseRecipe) -> None:
        network = Denoiser(Shape(width=recipe.width, depth=recipe.depth)).train()
        network.to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
        super().__init__(network, optimiser, recipe.ema)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Take one step; `before` is the spoilt pictures' own error."""
        assert isinstance(batch, Spoilt)
        with autocast():
            mended = self.network(batch.spoilt.contiguous(memory_format=torch.channels_last))
        error = mended.float() - batch.pictures
        flat = (error.square() + 1e-6).sqrt().mean()
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        loss = flat + 0.5 * edges
        self._step(loss, rate)
        before = (batch.spoilt - batch.pictures).abs().mean()
        return {"loss": loss.item(), "error": flat.item(), "before": before.item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Spoilt pictures above what the network makes of them."""
        return torch.cat([words, self._average.network(words)], 2)

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights, for the refiner `denoise`."""
        index = {"_class_name": "Denoiser", **asdict(self.network.shape)}
        write_network(folder, index, self._average.network.state_dict(), BACKEND, encoder_sha256)


class ColouriseFit(OneNetwork):
    """Absolute error of the chroma: the median of what a thing's colours may be."""

    about = (
        "Gives grey drawings colours, told what they show or not. Words are read by "
        "all-MiniLM-L6-v2 (Apache-2.0), which is not in this folder."
    )

    def __init__(self, recipe: ColouriseRecipe) -> None:
        network = Colouriser(Shape(width=recipe.width, depth=recipe.depth)).train()
        network.to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate)
        super().__init__(network, optimiser, recipe.ema)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Take one step; `before` is the error of leaving the picture grey."""
        assert isinstance(batch, Spoilt)
        truth = split(batch.pictures)[1]
        with autocast():
            chroma = self.network(batch.spoilt, batch.words)
        loss = F.l1_loss(chroma.float(), truth)
        self._step(loss, rate)
        return {"loss": loss.item(), "before": truth.abs().mean().item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Grey pictures above what the network makes of them without words."""
        network = self._average.network
        return torch.cat([words, network.paint(words, torch.zeros(len(words), 384))], 2)

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights, for the refiner `colourise`."""
        index = {"_class_name": "Colouriser", **asdict(self.network.shape)}
        write_network(folder, index, self._average.network.state_dict(), BACKEND, encoder_sha256)
