"""Fits the GAN: hinge losses, wrong words as a second kind of fake, adaptive augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError

from .augment import Augment
from .fits import Average, Parts
from .gan_networks import Critics, Generator, Shape
from .leave import write_network
from .material import Batch
from .recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class GanRecipe(Recipe):
    """What the GAN's trainer adds; its learning rate is lower than the VAE's."""

    learning_rate: float = 4e-4
    width: int = 32
    """Channels at half the size, a multiple of 16."""
    wrong_words: float = 0.5
    """Weight of real pictures with another's words (Reed et al. 2016, arXiv:1605.05396, 4.2)."""
    layout: float = 10.0
    """Weight of the mean distance to the picture at a quarter of its size, falling to 0 over the
    run: as Isola et al. 2017 (arXiv:1611.07004, 3.1) pull a GAN to its pair.  It brings colours and
    outlines in the first minutes, which a GAN alone needs hours for."""
    augment: float = 0.8
    """Most probability of each augmentation; 0 switches them off."""

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.side < 32:
            raise TrainError(f"asked for side {self.side}; the GAN draws 32 pixels and more")
        if self.batch < 2:
            raise TrainError("asked for batch 1; words of another picture need at least 2")
        if not 0 <= self.augment <= 1 or min(self.wrong_words, self.layout) < 0:
            raise TrainError("give augment in 0..1, and wrong_words and layout from 0")


class GanFit(Parts):
    """Generator and critics, an optimiser each."""

    about = "A text-conditional generative adversarial network for small pictures."

    def __init__(self, recipe: GanRecipe) -> None:
        self._recipe = recipe
        shape = Shape(side=recipe.side, latent=recipe.latent, width=recipe.width)
        self.generator, self.critics = Generator(shape).train(), Critics().train()
        for network in (self.generator, self.critics):
            network.to(memory_format=torch.channels_last)
        self._average = Average(self.generator, recipe.ema)
        self._drawing, self._judging = (
            torch.optim.Adam(
                [p for p in network.parameters() if p.requires_grad],
                recipe.learning_rate,
                betas=(0.0, 0.99),
            )
            for network in (self.generator, self.critics)
        )
        self.augment = Augment(most=recipe.augment)
        self.parts = {
            "generator": self.generator,
            "critics": self.critics,
            "average": self._average,
            "drawing": self._drawing,
            "judging": self._judging,
            "augment": self.augment,
        }

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """One step of the critics, one of the generator."""
        for optimiser in (self._drawing, self._judging):
            optimiser.param_groups[0]["lr"] = rate
        latents = torch.randn(len(batch.words), self._recipe.latent)
        with autocast():
            drawn = self.generator(latents, batch.words).float()
            seen = self.critics.look(self.augment(drawn))
        judged = self._judge(batch, [x.detach() for x in seen])
        with autocast():  # anew: the critics have moved, and a context keeps their rounded weights
            (score,) = self.critics(seen, batch.words)
        layout = (F.avg_pool2d(drawn, 4) - F.avg_pool2d(batch.pictures, 4)).abs().mean()
        weight = self._recipe.layout * (1 - progress)
        fooled = -score.float().mean()
        self._drawing.zero_grad()
        (fooled + weight * layout).backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), 5.0)
        self._drawing.step()
        self._average.follow(self.generator)
        return {
            "loss": judged["critics"] + fooled.item(),
            **judged,
            "generator": fooled.item(),
            "layout": layout.item(),
            "augment": self.augment.p,
        }

    def _judge(self, batch: Batch, drawn: Sequence[torch.Tensor]) -> dict[str, float]:
        """Real with its words up; drawn, and real with the words of another, down."""
        with autocast():
            with torch.no_grad():
                real = self.critics.look(self.augment(batch.pictures))
            scores = self.critics(real, batch.words, batch.words.roll(1, 0))
            scores += self.critics(drawn, batch.words)
        right, wrong, false = (score.float() for score in scores)
        loss = F.relu(1 - right).mean() + F.relu(1 + false).mean()
        loss = loss + self._recipe.wrong_words * F.relu(1 + wrong).mean()
        self._judging.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._judging.step()
        self.augment.follow(right.detach().mean(1))
        return {"critics": loss.item(), "real": right.mean().item(), "wrong": wrong.mean().item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw from standard normal latents."""
        latents = torch.randn(len(words), self._recipe.latent, generator=noise)
        drawn: torch.Tensor = self._average.network(latents, words)
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights of the generator, for the backend `gan`."""
        index = {"_class_name": "ConditionalGan", **asdict(self.generator.shape)}
        write_network(folder, index, self._average.network.state_dict(), "gan", encoder_sha256)
