"""Latents of pictures and states of captions, for what is fitted inside a diffusers folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sdk_trainer_diffusion.cache import cached_latents
from sdk_trainer_diffusion.examples import Sampler

from sdk import Dataset, TrainError, Watch

from .material import Batch, chosen
from .recipe import Recipe
from .words import Words, cached_states


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentRecipe(Recipe):
    """What trainers inside a diffusers folder add."""

    start: str
    """A diffusers folder with `vae` and `scheduler` (v-prediction): the starter's, say."""
    side: int = 128
    """Pixels; a power of two."""
    no_caption: float = 0.1
    """Share of captions left empty, for guidance (arXiv:2207.12598, section 3.2)."""

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not 0 <= self.no_caption < 1:
            raise TrainError(f"asked for no_caption {self.no_caption}; give a share in [0, 1)")


class Latents:
    """Latents of every picture and token states of every caption, computed once, kept on disk."""

    def __init__(self, dataset: Dataset, folder: Path, recipe: LatentRecipe, watch: Watch) -> None:
        self._words = Words(recipe.text_encoder, error=TrainError)
        self.encoder_sha256 = self._words.sha256
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        if (found := self.examples[0].pixels.shape[:2]) != (recipe.side, recipe.side):
            raise TrainError(
                f"asked for pictures of {recipe.side} pixels a side, found {found[1]}x{found[0]}; "
                "have the data set draw or resize them"
            )
        cache = folder / "cache"
        self._latents = cached_latents(
            cache / "latents.npy", [e.pixels for e in self.examples], vae_of(recipe), watch
        )
        self._sampler = Sampler(self.examples, recipe.no_caption, recipe.seed)
        self._states = cached_states(cache / "states.npy", self._sampler.table, self._words, watch)

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)

    def draw(self, batch: int) -> Batch:
        """Draw examples by weight, each with one of its captions, or none."""
        chosen, said = self._sampler.draw(batch)
        states = torch.from_numpy(self._states[said].astype(np.float32))
        return Batch(self._latents[torch.from_numpy(chosen)], states)

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """(prompts + 1, tokens, 384); the last is the empty caption's."""
        return torch.from_numpy(self._words.states([*prompts, ""]))


def noise_times(count: int, last: int) -> torch.Tensor:
    """Seven in ten around the middle, three uniform, a few at the very end (see
    `sdk_trainer_diffusion.run.Run`, which explains the choice)."""
    middle = torch.sigmoid(0.3 + torch.randn(count))
    times = torch.where(torch.rand(count) < 0.3, torch.rand(count), middle)
    times = torch.where(torch.rand(count) < 0.03, torch.ones(count), times)
    return (times * last).long().clamp(max=last - 1)


def vae_of(recipe: LatentRecipe) -> Any:
    """The VAE of the recipe's folder, frozen.

    Raises:
        TrainError: there is none.
    """
    from diffusers import AutoencoderKL

    folder = Path(recipe.start).expanduser() / "vae"
    return opened(AutoencoderKL, folder).eval().requires_grad_(False)


def opened(kind: Any, folder: Path) -> Any:
    """One part of a diffusers folder.

    Raises:
        TrainError: it is not there, or not such a part.
    """
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as exc:
        raise TrainError(
            f"asked for {folder.name} of {folder.parent.name}, found {type(exc).__name__}; "
            "`start` must be a diffusers folder with vae and scheduler"
        ) from exc
