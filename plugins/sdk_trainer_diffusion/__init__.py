"""Fits a small latent text-to-image diffusion model to a data set; a laptop core is enough.

    trainer = registry.make("trainer", "diffusion-trainer", {"start": "models/starter"})
    trainer.train(dataset, Path("run"), watch)      # again to go on where it stopped

It warm-starts the UNet of a diffusers folder and keeps that folder's VAE and scheduler, so that
latents are computed once.  What it leaves in the folder: `export/` (unet, vae, scheduler: float16,
opens in diffusers), `last.pt` (everything to go on), `loss.jsonl`, `sheet-*.png` and
`MODEL_CARD.md` with every source's licence.  Excluded pictures are counted, never opened.

With `part = "vae"` it fits the VAE instead, its latents kept near the old ones so that the UNet can
follow; put the new `vae` into the start folder and train the UNet again.  It does not choose data:
a data set plugin does.
"""

from __future__ import annotations

from sdk import Settings, Trainer, hookimpl

from .recipe import Recipe

__all__ = ["Recipe", "trainer"]


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the diffusion trainer; settings: the fields of `Recipe`."""
    recipe = Recipe(**settings)  # type: ignore[arg-type]

    if recipe.part != "unet":
        from .codec import CodecTrainer  # imports torch, as does the other

        return CodecTrainer(recipe)
    from .fit import DiffusionTrainer

    return DiffusionTrainer(recipe)
