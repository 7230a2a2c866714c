"""Pictures with one of their captions each, and which captions of a batch fit which pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from sdk_generators.material import Batch, chosen, scaled
from sdk_generators.words import Words
from sdk_trainer_diffusion.examples import Sampler

from sdk import Dataset, TrainError, Watch

from .tokens import Tokens

if TYPE_CHECKING:
    from .fit import ClipRecipe

_GALLERY = 2048


@dataclass(frozen=True, slots=True)
class Pairs(Batch):
    """What one step sees; `words` holds (B, length) tokens."""

    matches: torch.Tensor
    """(B, B) bool: caption j is one of those that picture i may carry."""


class Captioned:
    """All examples of a data set, in memory: 12 KB a picture at 64×64."""

    def __init__(self, dataset: Dataset, folder: Path, recipe: ClipRecipe, watch: Watch) -> None:
        words = Words(recipe.text_encoder, error=TrainError)
        self.encoder_sha256 = words.sha256
        self.examples, self.excluded = chosen(dataset, recipe, watch)
        small = np.stack([scaled(e.pixels, recipe.side) for e in self.examples])
        self._pictures = torch.from_numpy(small).permute(0, 3, 1, 2)
        self._sampler = Sampler(self.examples, 0.0, recipe.seed)
        table = self._sampler.table
        self.tokens = Tokens(words, table, recipe.vocabulary, recipe.tokens)
        self._read = self.tokens.read(table)
        place = {caption: index for index, caption in enumerate(table)}
        own = [[place[caption] for caption, _ in e.captions] for e in self.examples]
        self._own = np.full((len(own), max(map(len, own))), -1)
        for row, places in enumerate(own):
            self._own[row, : len(places)] = places

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)

    def draw(self, batch: int) -> Pairs:
        """Draw examples by weight, each with one of its captions.

        A caption fits every picture of the batch that may carry it: *a red apple* is no mistake
        beside another artist's red apple, *a red apple, noto style* is.
        """
        chosen, said = self._sampler.draw(batch)
        matches = (self._own[chosen][:, None, :] == said[None, :, None]).any(2)
        return Pairs(
            varied(_floats(self._pictures[torch.from_numpy(chosen)])),
            self._read[torch.from_numpy(said)],
            torch.from_numpy(matches),
        )

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """(prompts, length) tokens."""
        return self.tokens.read(prompts)

    def gallery(self) -> torch.Tensor:
        """Up to 2,048 pictures, evenly from the data set, for sheets: (N, 3, side, side) float."""
        rows = np.linspace(0, len(self._pictures) - 1, min(_GALLERY, len(self._pictures)))
        return _floats(self._pictures[torch.from_numpy(rows.astype(np.int64))])


def varied(pictures: torch.Tensor) -> torch.Tensor:
    """Shift, scale, turn, and sometimes blur: (B, 3, side, side) float -1..1, same shape.

    Never mirrored, because arrows and clocks have sides; hardly recoloured, because captions name
    colours.  Made pictures are softer than drawn ones: half of a batch is blurred or noisy, lest
    the judge read crispness.
    """
    count = len(pictures)
    turn = 0.12 * torch.randn(count)
    zoom = 1 / torch.empty(count).uniform_(0.75, 1.08)
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    shift = 0.07 * torch.randn(2, count)
    rows = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], 1).view(count, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    moved = moved * torch.empty(count, 1, 1, 1).uniform_(0.92, 1.04)
    third = count // 3
    small = F.avg_pool2d(moved[:third], 2)
    moved[:third] = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    moved[count // 2 :] += 0.04 * torch.randn_like(moved[count // 2 :])
    return moved.clamp(-1, 1).contiguous(memory_format=torch.channels_last)


def _floats(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 127.5 - 1
