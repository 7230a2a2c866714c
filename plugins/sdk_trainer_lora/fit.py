"""The UNet with its low-rank updates, and what is left of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sdk_generators.fits import Average, Parts
from sdk_generators.latents import LatentRecipe, noise_times, opened, vae_of
from sdk_generators.material import Batch
from sdk_trainer_diffusion.precision import autocast

from sdk import TrainError, plain

from .allowed import Allowed

WEIGHTS = "pytorch_lora_weights.safetensors"
_GUIDANCE, _STEPS = 3.5, 25


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraRecipe(LatentRecipe):
    """What the LoRA's trainer adds; `latent` is the VAE's affair."""

    rank: int = 8
    """Of each update."""
    word: str = ""
    """Appended to every caption after a comma, so that the manner can be asked for by name."""
    tokens: int = 24
    """Every caption is padded or cut to this many; as the model was trained."""
    batch: int = 8
    learning_rate: float = 1e-3
    ema: float = 0.98

    def __post_init__(self) -> None:
        LatentRecipe.__post_init__(self)
        if self.rank < 1 or self.tokens < 1:
            raise TrainError(f"asked for rank {self.rank}, tokens {self.tokens}; give at least 1")


class LoraFit(Parts):
    """A UNet that stays as it is but for the updates of its attention layers."""

    def __init__(self, recipe: LoraRecipe, material: Allowed) -> None:
        from diffusers import DDIMScheduler, UNet2DConditionModel
        from diffusers.models.attention_processor import AttnProcessor
        from peft import LoraConfig

        start = Path(recipe.start).expanduser()
        self._vae = vae_of(recipe)
        self._scheduler: Any = opened(DDIMScheduler, start / "scheduler")
        if self._scheduler.config.prediction_type != "v_prediction":
            raise TrainError(
                f"asked to personalise {start.name}, whose scheduler predicts "
                f"{self._scheduler.config.prediction_type!r}; only v_prediction is known"
            )
        self._alphas: torch.Tensor = self._scheduler.alphas_cumprod.float()
        self.network: Any = opened(UNet2DConditionModel, start / "unet").float()
        self.network.set_attn_processor(AttnProcessor())  # as sdk_trainer_diffusion.fit
        self.network.requires_grad_(False)
        layers = ["to_q", "to_k", "to_v", "to_out.0"]
        self.network.add_adapter(
            LoraConfig(r=recipe.rank, lora_alpha=recipe.rank, target_modules=layers)
        )
        self.network.train()
        self._average = Average(self.network, recipe.ema)
        self._fitted = [p for p in self.network.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(self._fitted, recipe.learning_rate, weight_decay=0.01)
        self.parts = {
            "network": self.network,
            "average": self._average,
            "optimiser": self._optimiser,
        }
        self.about = _about(start, recipe, material)

    def advance(self, batch: Batch, rate: float, progress: float) -> Mapping[str, float]:
        """Mean squared error of v = α ε - σ x (arXiv:2202.00512, appendix D)."""
        self._optimiser.param_groups[0]["lr"] = rate
        times = noise_times(len(batch.pictures), len(self._alphas))
        alpha = self._alphas[times].view(-1, 1, 1, 1).sqrt()
        sigma = (1 - self._alphas[times]).view(-1, 1, 1, 1).sqrt()
        noise = torch.randn_like(batch.pictures)
        noisy = alpha * batch.pictures + sigma * noise
        with autocast():
            v = self.network(noisy, times, batch.words, return_dict=False)[0]
        loss = (v.float() - (alpha * noise - sigma * batch.pictures)).square().mean()
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._fitted, 1.0)
        self._optimiser.step()
        self._average.follow(self.network)
        return {"loss": loss.item()}

    @torch.no_grad()
    def draw(self, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw with guidance; the last of `words` is the empty caption's."""
        count, side = len(words) - 1, int(self.network.config.sample_size)
        both = torch.cat([words[-1:].expand(count, -1, -1), words[:-1]])
        shape = (count, int(self._vae.config.latent_channels), side, side)
        latents = torch.randn(shape, generator=noise)
        self._scheduler.set_timesteps(_STEPS)
        for time in self._scheduler.timesteps:
            v = self._average.network(torch.cat([latents] * 2), time, both, return_dict=False)[0]
            plain, told = v.chunk(2)
            mixed = plain + _GUIDANCE * (told - plain)
            latents = self._scheduler.step(mixed, time, latents).prev_sample
        drawn: torch.Tensor = self._vae.decode(latents / self._vae.config.scaling_factor).sample
        return drawn

    def write(self, folder: Path, encoder_sha256: str) -> None:
        """Write the averaged updates as diffusers reads them."""
        from diffusers import StableDiffusionPipeline
        from peft.utils import get_peft_model_state_dict

        found = get_peft_model_state_dict(self._average.network)
        layers = {name: weight.half().contiguous() for name, weight in found.items()}
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers)


def _about(start: Path, recipe: LoraRecipe, material: Allowed) -> str:
    weights = start / "unet" / "diffusion_pytorch_model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    consents = "\n".join(
        f"- {count} pictures: {plain(text)}" for text, count in sorted(material.consents.items())
    )
    asked = f" Ask for it with the words *{plain(recipe.word)}*." if recipe.word else ""
    return (
        f"A LoRA of rank {recipe.rank} for the UNet of {start.resolve().name} (SHA-256 "
        f"`{digest}`).{asked}\n\nConsent, as recorded beside the pictures:\n\n{consents}"
    )
