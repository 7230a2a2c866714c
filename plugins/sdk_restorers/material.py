"""Pairs of a spoilt picture and the clean one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sdk_generators.material import Batch, chosen, scaled
from sdk_generators.recipe import Recipe
from sdk_generators.words import Words, cached_vectors
from sdk_trainer_diffusion.examples import Sampler

from sdk import Dataset, Pixels, TrainError, Watch

from .networks import split

MOST_BLUR, MOST_NOISE = 1.8, 24.0
"""Standard deviations in pixels and in levels of 255."""


@dataclass(frozen=True, slots=True)
class Spoilt(Batch):
    """`pictures` are the clean ones; `words` unit vectors, or nothing for the denoiser."""

    spoilt: torch.Tensor
    """(B, 3, side, side) float -1..1, or (B, 1, side, side) luma."""


class Crops:
    """Crops of the data set's pictures at their own size, blurred, noisy, compressed."""

    encoder_sha256 = ""

    def __init__(self, dataset: Dataset, folder: Path, recipe: Recipe, watch: Watch) -> None:
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        if min(self.examples[0].pixels.shape[:2]) < recipe.side:
            raise TrainError(
                f"asked for crops of {recipe.side}, found pictures of "
                f"{self.examples[0].pixels.shape[1]}x{self.examples[0].pixels.shape[0]}; "
                "give a smaller side"
            )
        self._side = recipe.side
        self._sampler = Sampler(self.examples, 0.0, recipe.seed)
        self.start(recipe.seed)

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)
        self._rng = np.random.default_rng(seed)

    def draw(self, batch: int) -> Spoilt:
        """Draw crops by weight of their pictures, mirrored half of the time."""
        clean = [self._crop(self.examples[i].pixels) for i in self._sampler.draw(batch)[0]]
        worse = [spoil(one, self._rng) for one in clean]
        nothing = torch.zeros(batch, 0)
        return Spoilt(_tensor(np.stack(clean)), nothing, _tensor(np.stack(worse)))

    def _crop(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        top = int(self._rng.integers(height - self._side + 1))
        left = int(self._rng.integers(width - self._side + 1))
        piece = pixels[top : top + self._side, left : left + self._side]
        return piece[:, ::-1] if self._rng.random() < 0.5 else piece

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """As many spoilt pictures as there are prompts, for the sheet, whatever they say."""
        rng = np.random.default_rng(0)
        rows = np.linspace(0, len(self.examples) - 1, len(prompts)).astype(int)
        return _tensor(np.stack([spoil(self.examples[row].pixels, rng) for row in rows]))


class Greys:
    """Whole pictures at 64×64 without their colours, and captions that may be missing."""

    def __init__(self, dataset: Dataset, folder: Path, recipe: Recipe, watch: Watch) -> None:
        words = Words(recipe.text_encoder, error=TrainError)
        self.encoder_sha256 = words.sha256
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        small = np.stack([scaled(e.pixels, recipe.side) for e in self.examples])
        self._pictures = torch.from_numpy(small).permute(0, 3, 1, 2)
        self._sampler = Sampler(self.examples, 0.4, recipe.seed)
        table = self._sampler.table
        found = cached_vectors(folder / "cache" / "words.npy", table, words, watch)
        self._vectors = torch.from_numpy(found.copy())
        self._vectors[0] = 0  # the empty caption: nothing is said

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)

    def draw(self, batch: int) -> Spoilt:
        """Draw examples by weight; two captions in five are left empty."""
        rows, said = self._sampler.draw(batch)
        pictures = self._floats(rows)
        return Spoilt(pictures, self._vectors[torch.from_numpy(said)], split(pictures)[0])

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """As many grey pictures as there are prompts, for the sheet, whatever they say."""
        rows = np.linspace(0, len(self._pictures) - 1, len(prompts)).astype(int)
        return split(self._floats(rows))[0].expand(-1, 3, -1, -1)

    def _floats(self, rows: NDArray[np.intp]) -> torch.Tensor:
        return self._pictures[torch.from_numpy(rows)].float() / 127.5 - 1


def spoil(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur, add noise, compress: each by a random amount, each in three of four pictures."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if rng.random() < 0.75:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, MOST_BLUR)))
    worse = np.asarray(image)
    if rng.random() < 0.75:
        noise = rng.normal(0, rng.uniform(0, MOST_NOISE), worse.shape)
        worse = (worse + noise).round().clip(0, 255).astype(np.uint8)
    if rng.random() < 0.75:
        out = io.BytesIO()
        Image.fromarray(worse).save(out, "JPEG", quality=int(rng.integers(30, 95)))
        worse = np.asarray(Image.open(out))
    return worse


def _tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float -1..1."""
    found = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    return found.float() / 127.5 - 1
