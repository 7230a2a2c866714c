"""Pictures that may be learnt from, as latents, and their captions as token states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps
from sdk_dataset_folder.consent import Consent
from sdk_generators.latents import vae_of
from sdk_generators.material import Batch
from sdk_trainer_diffusion.cache import TextEncoder, cached_latents, cached_states
from sdk_trainer_diffusion.examples import Example, Sampler, read_examples

from sdk import Dataset, Item, TrainError, Watch

if TYPE_CHECKING:
    from .fit import LoraRecipe

USE = "lora"


class Allowed:
    """All examples of a data set, each with a consent that names this use.

    Raises:
        TrainError: a picture has none; nothing was computed by then.
    """

    encoder_sha256 = ""

    def __init__(self, dataset: Dataset, folder: Path, recipe: LoraRecipe, watch: Watch) -> None:
        self.consents: Counter[str] = Counter()
        """Consent → pictures."""
        items = list(self._checked(dataset.items(watch), recipe))
        self.examples: Sequence[Example]
        self.examples, self.excluded = read_examples(items, recipe.everyday)
        self._encoder = TextEncoder(recipe.text_encoder, recipe.tokens)
        cache = folder / "cache"
        self._latents = cached_latents(
            cache / "latents.npy", [e.pixels for e in self.examples], vae_of(recipe), watch
        )
        self._sampler = Sampler(self.examples, recipe.no_caption, recipe.seed)
        self._states = cached_states(
            cache / "states.npy", self._sampler.table, self._encoder, watch
        )

    def _checked(self, items: Iterator[Item], recipe: LoraRecipe) -> Iterator[Item]:
        today = datetime.now(UTC).date()
        for item in items:
            if item.excluded or item.pixels is None:
                yield item
                continue
            consent = Consent.of(item.consent)
            if consent is None or not consent.allows(USE, today):
                raise TrainError(
                    f"asked to personalise with {item.id}, found "
                    f"{f'the consent {item.consent!r}' if item.consent else 'no consent'}; put a "
                    'consent.toml with by, date and scope = ["lora"] into the folder, if its '
                    "owner and who is shown agreed"
                )
            self.consents[consent.text] += 1
            square = ImageOps.fit(Image.fromarray(item.pixels), (recipe.side, recipe.side))
            caption = f"{item.caption}, {recipe.word}" if recipe.word else item.caption
            yield replace(item, pixels=np.asarray(square), caption=caption)

    def start(self, seed: int) -> None:
        """Draw from here on in the order that belongs to `seed`."""
        self._sampler.reseed(seed)

    def draw(self, batch: int) -> Batch:
        """Draw examples by weight, each with one of its captions, or none."""
        chosen, said = self._sampler.draw(batch)
        states = torch.from_numpy(self._states[said].astype(np.float32))
        return Batch(self._latents[torch.from_numpy(chosen)], states)

    def read(self, prompts: Sequence[str]) -> torch.Tensor:
        """(prompts + 1, tokens, width); the last is the empty caption's."""
        return self._encoder.states([*prompts, ""])
