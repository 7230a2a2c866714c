"""The training loop's state: model, optimisers, average; one step; save and go on."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sdk import TrainError, write_whole

from .muon import Muon, split
from .precision import autocast
from .recipe import Recipe

_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError)
"""What torch raises for files that are cut, foreign or of another model."""


class Run:
    """A UNet being fitted; `last.pt` in the folder holds all of it."""

    def __init__(self, recipe: Recipe, unet: Any, scheduler: Any) -> None:
        self.recipe = recipe
        self.step = 0
        self.unet = unet
        self._forward = torch.compile(unet) if recipe.compile else unet
        self._alphas: torch.Tensor = scheduler.alphas_cumprod.float()
        hidden, rest = split(unet)
        self._optimisers: list[torch.optim.Optimizer] = [
            Muon(hidden, recipe.learning_rate),
            torch.optim.AdamW(rest, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0),
        ]
        self.average = {name: p.detach().clone() for name, p in unet.named_parameters()}
        """Exponential moving average of the weights: what is exported."""
        self._noise = torch.Generator().manual_seed(recipe.seed)

    def advance(self, latents: torch.Tensor, states: torch.Tensor) -> float:
        """Take one step on (batch, channels, h, w) and (batch, tokens, width); return the loss."""
        rate = self.recipe.rate(self.step)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        times = self._times(len(latents))
        noise = torch.randn(latents.shape, generator=self._noise)
        loss = self.loss(self._forward, latents, states, times, noise)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self._follow()
        return loss.item()

    def loss(
        self,
        model: Any,
        latents: torch.Tensor,
        states: torch.Tensor,
        times: torch.Tensor,
        noise: torch.Tensor,
    ) -> torch.Tensor:
        """Mean squared error of v = α ε - σ x (arXiv:2202.00512, appendix D)."""
        alpha = self._alphas[times].view(-1, 1, 1, 1).sqrt()
        sigma = (1 - self._alphas[times]).view(-1, 1, 1, 1).sqrt()
        with autocast():
            v = model(alpha * latents + sigma * noise, times, states, return_dict=False)[0]
        error: torch.Tensor = v.float() - (alpha * noise - sigma * latents)
        return error.square().mean()

    def _times(self, count: int) -> torch.Tensor:
        """Seven in ten from a logit-normal around the middle (arXiv:2403.03206, section 3.1).

        The rest is uniform; 3 % is the very last step, where zero terminal SNR
        (arXiv:2305.08891) starts every picture.  min-SNR weights would be 0 exactly there.
        """

        def uniform() -> torch.Tensor:
            return torch.rand(count, generator=self._noise)

        middle = torch.sigmoid(0.3 + torch.randn(count, generator=self._noise))
        times = torch.where(uniform() < 0.3, uniform(), middle)
        times = torch.where(uniform() < 0.03, torch.ones(count), times)
        last = len(self._alphas) - 1
        return (times * len(self._alphas)).long().clamp(max=last)

    @torch.no_grad()
    def _follow(self) -> None:
        """Pull the average along, faster in the first steps."""
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, weight in self.unet.named_parameters():
            self.average[name].lerp_(weight, 1 - keep)

    def swap(self) -> None:
        """Exchange weights and average: call twice around drawing."""
        for name, weight in self.unet.named_parameters():
            weight.data, self.average[name] = self.average[name], weight.data

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on; the old file stays until the new is whole."""
        state = {
            "unet": self.unet.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "noise": self._noise.get_state(),
            "step": self.step,
            "recipe": asdict(self.recipe),
        }
        write_whole(path, lambda new: torch.save(state, new))

    def resume(self, path: Path) -> None:
        """Go on from a file that `save` wrote.

        Raises:
            TrainError: it is damaged, or of another model.
        """
        try:
            state = torch.load(path, weights_only=True)
            self.unet.load_state_dict(state["unet"])
            for optimiser, kept in zip(self._optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)
            self._noise.set_state(state["noise"])
        except _DAMAGED as exc:
            raise TrainError(
                f"asked to go on from {path.name}, found {exc}; use an empty folder to start anew"
            ) from exc
        self.average, self.step = state["average"], state["step"]
