"""Fits the progressively grown GAN: each size fades in, then settles."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError

from .augment import Augment
from .fits import Average, Parts
from .grow_networks import Critic, Grown, Shape
from .leave import write_network
from .material import Batch
from .recipe import Recipe

_R1_EVERY = 16
_SMALLEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowRecipe(Recipe):
    """What the progressive GAN's trainer adds."""

    learning_rate: float = 1e-2
    """Weights of spread 1 (equalised, section 4.1) hardly move at the paper's 1e-3 in a short run:
    after 200 steps of 32 at 16 pixels 1.5e-3 drew noise, 1e-2 hearts, faces and trees."""
    width: int = 128
    """Channels of the smallest size; each next one has two thirds."""
    fade: float = 0.4
    """Share of a size's time over which it fades in."""
    shares: tuple[float, ...] = ()
    """Share of the run that each size gets, from 16 pixels on; empty gives each the same."""
    r1: float = 1.0
    """Weight of the gradient penalty on reals (Mescheder et al. 2018, arXiv:1801.04406), every
    16th step (Karras et al. 2020, arXiv:1912.04958, appendix B).  The paper's own loss, WGAN-GP,
    differentiates twice at every step, which no processor core has time for."""
    wrong_words: float = 0.5
    """Weight of real pictures with another's words (Reed et al. 2016, arXiv:1605.05396, 4.2)."""
    layout: float = 10.0
    """As for the GAN: the pull to the picture's colours at an eighth of 64, falling to 0."""
    augment: float = 0.8
    """Most probability of each augmentation; 0 switches them off."""

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.batch < 2:
            raise TrainError("asked for batch 1; words of another picture need at least 2")
        sizes = self.side.bit_length() - 4
        if self.shares and (len(self.shares) != sizes or min(self.shares) <= 0):
            raise TrainError(
                f"asked for shares {self.shares}; {sizes} sizes need one each, above 0"
            )
        if not 0 <= self.fade < 1 or not 0 <= self.augment <= 1:
            raise TrainError("give fade in [0, 1) and augment in 0..1")

    def rate(self, progress: float) -> float:
        """Level until the last fifth, then down to 2 %.

        A rate that falls from the start has nothing left for the layers that come last: with half
        a cosine the 64×64 pictures of a ten-minute run were noise.
        """
        up = min(1.0, progress / self.warmup) if self.warmup else 1.0
        return self.learning_rate * max(0.02, min(up, (1 - progress) / 0.2))

    def stage(self, progress: float) -> tuple[int, float]:
        """(level, fade) at a point of the run; level 1 draws 16 pixels, each next one twice."""
        sizes = self.side.bit_length() - 4
        shares = self.shares or (1.0,) * sizes
        left = min(progress, 1 - 1e-9) * sum(shares)
        for index, share in enumerate(shares):
            if left < share:
                fade = left / share / self.fade if index and self.fade else 1.0
                return index + 1, min(1.0, fade)
            left -= share
        return sizes, 1.0


class GrowFit(Parts):
    """Generator and critic, an optimiser each."""

    about = "A progressively grown, text-conditional generative adversarial network."

    def __init__(self, recipe: GrowRecipe) -> None:
        self._recipe = recipe
        shape = Shape(side=recipe.side, latent=recipe.latent, width=recipe.width)
        self.generator, self.critic = Grown(shape).train(), Critic(shape).train()
        for network in (self.generator, self.critic):
            network.to(memory_format=torch.channels_last)
        self._average = Average(self.generator, recipe.ema)
        self._drawing, self._judging = (
            torch.optim.Adam(network.parameters(), recipe.learning_rate, betas=(0.0, 0.99))
            for network in (self.generator, self.critic)
        )
        self.augment = Augment(most=recipe.augment)
        self.parts = {
            "generator": self.generator,
            "critic": self.critic,
            "average": self._average,
            "drawing": self._drawing,
            "judging": self._judging,
            "augment": self.augment,
        }
        self._steps = 0
        self._stage = recipe.stage(0.0)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """One step of the critic, one of the generator, at the size that is due."""
        for optimiser in (self._drawing, self._judging):
            optimiser.param_groups[0]["lr"] = rate
        level, fade = self._stage = self._recipe.stage(progress)
        real = shrunk(batch.pictures, level, fade)
        latents = torch.randn(len(real), self._recipe.latent)
        with autocast():
            drawn = self.generator(latents, batch.words, level, fade).float()
        judged = self._judge(real, batch.words, drawn.detach())
        with autocast():
            (score,) = self.critic(self.augment(drawn), batch.words, level=level, fade=fade)
        pull = (F.adaptive_avg_pool2d(drawn - real, 8)).abs().mean()
        fooled = F.softplus(-score.float()).mean()
        self._drawing.zero_grad()
        (fooled + self._recipe.layout * (1 - progress) * pull).backward()  # type: ignore[no-untyped-call]
        self._drawing.step()
        self._average.follow(self.generator)
        self._steps += 1
        size = _SMALLEST << (level - 1)
        return {
            "loss": judged["critic"] + fooled.item(),
            **judged,
            "generator": fooled.item(),
            "layout": pull.item(),
            "side": size,
        }

    def _judge(
        self, real: torch.Tensor, words: torch.Tensor, drawn: torch.Tensor
    ) -> dict[str, float]:
        """Non-saturating logistic loss, and now and then the gradient penalty."""
        level, fade = self._stage
        penalised = self._recipe.r1 > 0 and self._steps % _R1_EVERY == 0
        seen = self.augment(real).detach().requires_grad_(penalised)
        with nullcontext() if penalised else autocast():  # slopes of slopes need all digits
            scores = self.critic(seen, words, words.roll(1, 0), level=level, fade=fade)
            scores += self.critic(self.augment(drawn), words, level=level, fade=fade)
        right, wrong, false = (score.float() for score in scores)
        loss = F.softplus(-right).mean() + F.softplus(false).mean()
        loss = loss + self._recipe.wrong_words * F.softplus(wrong).mean()
        if penalised:
            (slope,) = torch.autograd.grad(right.sum(), seen, create_graph=True)
            steep = slope.square().sum((1, 2, 3)).mean()
            loss = loss + self._recipe.r1 / 2 * _R1_EVERY * steep
        self._judging.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._judging.step()
        self.augment.follow(right.detach())
        return {"critic": loss.item(), "real": right.mean().item(), "augment": self.augment.p}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw at the size that was reached."""
        latents = torch.randn(len(words), self._recipe.latent, generator=noise)
        drawn: torch.Tensor = self._average.network(latents, words, *self._stage)
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged weights of the generator, for the backend `gan`."""
        index = {"_class_name": "ProgressiveGan", **asdict(self.generator.shape)}
        write_network(folder, index, self._average.network.state_dict(), "gan", encoder_sha256)

    def state(self) -> dict[str, Any]:
        """The parts, the steps taken and the stage that was reached."""
        return {**super().state(), "steps": self._steps, "stage": list(self._stage)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        super().restore(state)
        self._steps = state["steps"]
        self._stage = (int(state["stage"][0]), float(state["stage"][1]))


def shrunk(pictures: torch.Tensor, level: int, fade: float) -> torch.Tensor:
    """Pictures at the size that is due; while it fades in, mixed with their own half size."""
    small = F.adaptive_avg_pool2d(pictures, _SMALLEST << (level - 1))
    if fade >= 1:
        return small
    coarse = F.interpolate(F.avg_pool2d(small, 2), scale_factor=2.0, mode="nearest")
    return coarse + fade * (small - coarse)
