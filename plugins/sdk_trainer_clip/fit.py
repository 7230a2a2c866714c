"""The two towers, their loss, and what is left for open_clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sdk_generators.fits import OneNetwork
from sdk_generators.leave import save_half, write_json
from sdk_generators.material import Batch
from sdk_generators.recipe import Recipe
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError

from .pairs import Captioned, Pairs

WEIGHTS = "open_clip_model.safetensors"
_SHARPEST = math.log(100)
"""Of the logit scale, as in section 2.5 of arXiv:2103.00020."""
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecipe(Recipe):
    """What the CLIP's trainer adds; `latent` is the width of the common space."""

    side: int = 64
    """Pixels, a multiple of 32."""
    batch: int = 256
    learning_rate: float = 2e-3
    ema: float = 0.998
    width: int = 20
    """Channels of the picture tower's stem; even, the last stage has 32 times as many."""
    layers: tuple[int, ...] = (1, 2, 2, 1)
    """Blocks of its four stages."""
    text_width: int = 128
    text_layers: int = 3
    vocabulary: int = 8000
    """Most words: those of the captions always, then common ones."""
    tokens: int = 32
    """Every caption is padded or cut to this many."""
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        object.__setattr__(self, "layers", tuple(self.layers))
        sizes = (self.width, self.text_width, self.text_layers, self.vocabulary, self.tokens)
        if min(sizes) < 1 or self.width % 2 or self.text_width % 32 or self.batch < 2:
            raise TrainError(
                f"asked for width {self.width}, text_width {self.text_width}, batch {self.batch}; "
                "give an even width, a text_width that 32 divides, sizes from 1, a batch from 2"
            )
        if len(self.layers) != 4 or min(self.layers) < 1:
            raise TrainError(f"asked for layers {self.layers}; give the blocks of four stages")

    def check_side(self) -> None:
        """The picture tower halves a picture five times.

        Raises:
            TrainError: 32 does not divide the side.
        """
        if self.side < 32 or self.side % 32:
            raise TrainError(f"asked for side {self.side}; give a multiple of 32")


class ClipFit(OneNetwork):
    """Two towers, one optimiser."""

    about = (
        "A miniature CLIP for drawings (open_clip): the cosine of a picture's and a caption's "
        "vector says how well they fit. Word pieces and their first embeddings come from "
        "all-MiniLM-L6-v2 (Apache-2.0)."
    )

    def __init__(self, recipe: ClipRecipe, material: Captioned) -> None:
        from open_clip.model import CLIP

        self._recipe = recipe
        self._material = material
        self._shape = shape(recipe, len(material.tokens))
        towers = {key: dict(self._shape[key]) for key in ("vision_cfg", "text_cfg")}
        network: Any = CLIP(embed_dim=recipe.latent, **towers).train()
        with torch.no_grad():
            network.token_embedding.weight.copy_(material.tokens.start(recipe.text_width))
        network.visual.to(memory_format=torch.channels_last)
        named = list(network.parameters())
        optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in named if p.ndim > 1], "weight_decay": recipe.weight_decay},
                {"params": [p for p in named if p.ndim <= 1], "weight_decay": 0.0},
            ],
            recipe.learning_rate,
            betas=(0.9, 0.98),
        )
        super().__init__(network, optimiser, recipe.ema)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Cross entropy both ways; `found` is the share of pictures that name a fitting caption."""
        assert isinstance(batch, Pairs)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        with autocast():
            seen = self.network.encode_image(batch.pictures)
            read = self.network.encode_text(batch.words)
        cosines = F.normalize(seen.float(), dim=1) @ F.normalize(read.float(), dim=1).T
        logits = self.network.logit_scale.exp() * cosines
        loss = (cross(logits, batch.matches) + cross(logits.T, batch.matches.T)) / 2
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        with torch.no_grad():
            self.network.logit_scale.clamp_(max=_SHARPEST)
        self._average.follow(self.network)
        best = batch.matches.gather(1, logits.argmax(1, keepdim=True))
        return {"loss": loss.item(), "found": best.float().mean().item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """For each caption one of its nearest training pictures, likelier the nearer."""
        network, gallery = self._average.network, self._material.gallery()
        texts = network.encode_text(words, normalize=True)
        parts = (gallery[at : at + _AT_ONCE] for at in range(0, len(gallery), _AT_ONCE))
        seen = torch.cat([network.encode_image(some, normalize=True) for some in parts])
        chances = (network.logit_scale.exp() * texts @ seen.T).softmax(1)
        return gallery[torch.multinomial(chances, 1, generator=noise)[:, 0]]

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged towers, their configuration and the tokenizer."""
        save_half(self._average.network.state_dict(), folder / WEIGHTS)
        look = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
        config = {"model_cfg": self._shape, "preprocess_cfg": {**look, "resize_mode": "squash"}}
        write_json(folder / "open_clip_config.json", config)
        self._material.tokens.write(folder)


def shape(recipe: ClipRecipe, words: int) -> dict[str, Any]:
    """What open_clip calls `model_cfg`."""
    return {
        "embed_dim": recipe.latent,
        "vision_cfg": {
            "image_size": recipe.side,
            "layers": list(recipe.layers),
            "width": recipe.width,
        },
        "text_cfg": {
            "context_length": recipe.tokens,
            "vocab_size": words,
            "hf_tokenizer_name": "in this folder",
            "width": recipe.text_width,
            "heads": recipe.text_width // 32,
            "layers": recipe.text_layers,
        },
    }


def cross(logits: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of rows, targets even over all that fit (arXiv:2204.03610, eq. 3)."""
    target = matches.float() / matches.sum(1, keepdim=True)
    return -(target * logits.log_softmax(1)).sum(1).mean()
