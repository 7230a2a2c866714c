"""What a run learns from: scaled pictures, their captions as vectors, one batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from sdk_trainer_diffusion.examples import Example, Sampler, read_examples

from sdk import Dataset, Pixels, TrainError, Watch

from .recipe import Recipe
from .words import Words, cached_vectors


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step sees."""

    pictures: torch.Tensor
    """(B, 3, side, side) float -1..1; for the diffusion transformer (B, 4, h, w) latents."""
    words: torch.Tensor
    """(B, 384) float, unit vectors; for the diffusion transformer (B, tokens, 384) states."""


class Material(Protocol):
    """Where batches come from."""

    examples: Sequence[Example]
    excluded: int
    encoder_sha256: str

    def start(self, seed: int, /) -> None:
        """Draw from here on in the order that belongs to `seed`."""

    def draw(self, batch: int, /) -> Batch:
        """Draw examples by weight, each with one of its captions."""

    def read(self, prompts: Sequence[str], /) -> torch.Tensor:
        """What a fit's `draw` takes for these prompts."""


class Pictures:
    """All examples of a data set, in memory: 12 KB a picture at 64×64."""

    def __init__(self, dataset: Dataset, folder: Path, recipe: Recipe, watch: Watch) -> None:
        self._words = Words(recipe.text_encoder, error=TrainError)
        self.encoder_sha256 = self._words.sha256
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        small = np.stack([scaled(e.pixels, recipe.side) for e in self.examples])
        self._pictures = torch.from_numpy(small).permute(0, 3, 1, 2)
        self._sampler = Sampler(self.examples, 0.0, recipe.seed)
        self._vectors = torch.from_numpy(
            cached_vectors(folder / "cache" / "words.npy", self._sampler.table, self._words, watch)
        )

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)

    def draw(self, batch: int) -> Batch:
        """Draw examples by weight, each with one of its captions."""
        chosen, said = self._sampler.draw(batch)
        pictures = self._pictures[torch.from_numpy(chosen)].float() / 127.5 - 1
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        return Batch(pictures, self._vectors[torch.from_numpy(said)])

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """(prompts, 384) unit vectors."""
        return torch.from_numpy(self._words.vectors(prompts))


def chosen(dataset: Dataset, recipe: Recipe, watch: Watch) -> tuple[Sequence[Example], int]:
    """The examples that the recipe wants, and how many items the data set excluded.

    Raises:
        TrainError: nothing is left, or the pictures differ in size.
    """
    items = dataset.items(watch)
    if recipe.only_everyday:
        items = (item for item in items if item.excluded or item.labels.get("everyday"))
    return read_examples(items, recipe.everyday)


def licences(examples: Sequence[Example]) -> str:
    """The SPDX expression over all sources."""
    return " AND ".join(sorted({e.licence for e in examples}))


def scaled(pixels: Pixels, side: int) -> Pixels:
    """A square picture at side × side, by area.

    Raises:
        TrainError: it is no square.
    """
    if pixels.shape[0] != pixels.shape[1]:
        raise TrainError(
            f"asked to train on squares, found a picture of {pixels.shape[1]}x{pixels.shape[0]}; "
            "crop the data set first"
        )
    if pixels.shape[0] == side:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))
