"""What a run leaves behind: a diffusers folder, sample sheets, a model card."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from sdk import plain, write_whole

from .examples import Example
from .recipe import Recipe
from .run import Run

WEIGHTS = "diffusion_pytorch_model.safetensors"


def export(run: Run, start: Path, folder: Path) -> str:
    """Write `folder` anew (unet of the average in float16, vae, scheduler); return its SHA-256.

    The digest is over the UNet's file.  The old folder stays until the new one is whole.
    """
    weights = run.unet.state_dict() | run.average
    half = {name: w.detach().half().contiguous().clone() for name, w in weights.items()}

    def fill(new: Path) -> None:
        for part in ("vae", "scheduler"):
            shutil.copytree(start / part, new / part, copy_function=shutil.copyfile)
        (new / "unet").mkdir()
        shutil.copyfile(start / "unet" / "config.json", new / "unet" / "config.json")
        save_file(half, new / "unet" / WEIGHTS, metadata={"format": "pt"})

    write_whole(folder, fill)
    return hashlib.sha256((folder / "unet" / WEIGHTS).read_bytes()).hexdigest()


@torch.no_grad()
def sheet(
    run: Run, vae: Any, scheduler: Any, states: torch.Tensor, side: int, steps: int = 25
) -> Image.Image:
    """Draw one picture for each of `states` but the last, which is the empty caption's."""
    count = len(states) - 1
    shape = (count, vae.config.latent_channels, side, side)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(run.recipe.seed))
    both = torch.cat([states[-1:].expand(count, -1, -1), states[:-1]])
    scheduler.set_timesteps(steps)
    run.swap()
    run.unet.eval()
    for time in scheduler.timesteps:
        v = run.unet(torch.cat([latents, latents]), time, both, return_dict=False)[0]
        plain, guided = v.chunk(2)
        mixed = plain + run.recipe.guidance_scale * (guided - plain)
        latents = scheduler.step(mixed, time, latents).prev_sample
    run.unet.train()
    run.swap()
    drawn = vae.decode(latents / vae.config.scaling_factor).sample.clamp(-1, 1)
    pixels = ((drawn + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return Image.fromarray(_grid(pixels))


def _grid(pictures: Any, columns: int = 6) -> Any:
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    blank = np.full_like(pictures[0], 255)
    full = [[*row, *[blank] * (min(columns, len(pictures)) - len(row))] for row in rows]
    return np.concatenate([np.concatenate(row, 1) for row in full], 0)


def card(
    run: Run, recipe: Recipe, examples: Sequence[Example], excluded: int, loss: float, digest: str
) -> str:
    """Say what the weights were made from and how; Markdown."""
    sources = Counter((e.source, e.licence, e.attribution) for e in examples)
    table = "\n".join(
        f"| {plain(source or 'unnamed')} | {plain(licence)} | {plain(who)} | {count} |"
        for (source, licence, who), count in sorted(sources.items())
    )
    size = sum(p.numel() for p in run.unet.parameters())
    return f"""# Model card

Latent text-to-image diffusion, UNet of {size:,} parameters.

| source | licence | attribution | pictures |
|---|---|---|---|
{table}

{excluded} pictures were excluded by the data set.  {len(examples)} were used, {run.step:,} steps of
{recipe.batch} samples at a learning rate up to {recipe.learning_rate:g}, seed {recipe.seed}; mean
loss of the last steps {loss:.4f} (v-prediction, mean squared error).

UNet weights: float16, moving average {recipe.ema}, SHA-256 `{digest}`.
"""
