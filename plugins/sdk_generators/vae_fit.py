"""Fits the conditional VAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from sdk import TrainError

from .fits import OneNetwork
from .leave import write_network
from .material import Batch
from .recipe import Recipe
from .vae_network import Shape, Vae


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeRecipe(Recipe):
    """What the VAE's trainer adds."""

    width: int = 32
    """Channels of the decoder's largest size, a multiple of 16."""
    kl: float = 1e-4
    """Price of a nat in units of mean absolute error; lower copies better and draws worse."""
    kl_warmup: float = 0.3
    """Share of the run over which that price rises from 0 (arXiv:1511.06349, section 3.1)."""

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.kl <= 0 or not 0 <= self.kl_warmup < 1:
            raise TrainError(
                f"asked for kl {self.kl}, kl_warmup {self.kl_warmup}; give a price above 0 and a "
                "share in [0, 1)"
            )


class VaeFit(OneNetwork):
    """One network, one optimiser."""

    about = "A conditional variational autoencoder: words and a latent to a small picture."

    def __init__(self, recipe: VaeRecipe) -> None:
        self._recipe = recipe
        shape = Shape(side=recipe.side, latent=recipe.latent, width=recipe.width)
        network = Vae(shape).train().to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(
            network.parameters(), recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        super().__init__(network, optimiser, recipe.ema)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Absolute and squared error, edges, the colour of 4×4 areas, and nats of the latents."""
        mean, log_variance = self.network.encode(batch.pictures, batch.words)
        latents = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = self.network.decode(latents, batch.words) - batch.pictures
        flat = error.abs().mean()
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        areas = F.avg_pool2d(error, 4).abs().mean() + 2 * error.square().mean()
        nats = _nats(mean, log_variance, *self.network.expect(batch.words))
        warm = self._recipe.kl_warmup
        price = self._recipe.kl * (min(1.0, progress / warm) if warm else 1.0)
        loss = flat + 0.5 * edges + areas + price * nats
        self._step(loss, rate)
        return {"loss": loss.item(), "error": flat.item(), "nats": nats.item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Decode latents as the words expect them."""
        noises = torch.randn(len(words), self._recipe.latent, generator=noise)
        network = self._average.network
        drawn: torch.Tensor = network.decode(network.place(noises, words), words)
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights, for the backend `vae`."""
        index = {"_class_name": "ConditionalVae", **asdict(self.network.shape)}
        write_network(folder, index, self._average.network.state_dict(), "vae", encoder_sha256)


def _nats(
    mean: torch.Tensor, log_variance: torch.Tensor, expected: torch.Tensor, log_spread: torch.Tensor
) -> torch.Tensor:
    """The mean Kullback-Leibler divergence of two normal distributions, a scalar."""
    gap = (mean - expected).square() + log_variance.exp()
    terms = log_spread - log_variance + gap * (-log_spread).exp() - 1
    return 0.5 * terms.sum(1).mean()
