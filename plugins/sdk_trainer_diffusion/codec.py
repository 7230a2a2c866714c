"""Fits the VAE of a diffusers folder to a data set, with latents kept near the old ones.

A UNet that knew the old latents then needs a few hundred steps, not a fresh start.  The first
starter model's VAE could not tell green from grey: after 1,250 steps its four channels held
luminance, orange against blue, and edges.  The loss below names the missing axis.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from safetensors.torch import save_file

from sdk import Dataset, Model, TrainError, Watch, write_whole

from .examples import Example, read_examples
from .export import WEIGHTS
from .muon import Muon
from .precision import autocast
from .recipe import Recipe

_CROP = 64
_OPPONENT = torch.tensor([[0.5, -0.5, 0.0], [0.25, 0.25, -0.5]]).view(2, 3, 1, 1)
"""Red against green, yellow against blue."""
_REPORT_EVERY = 50


class CodecTrainer:
    """Trains the VAE, or goes on where the folder's `codec.pt` stopped."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = self._recipe = recipe
        self._start = Path(recipe.start).expanduser()
        try:
            self._vae, self._old = (
                AutoencoderKL.from_pretrained(
                    self._start / "vae", torch_dtype=torch.float32, local_files_only=True
                )
                for _ in range(2)
            )
        except (OSError, ValueError) as exc:
            raise TrainError(
                f"asked for the vae of {self._start.name}, found {exc}; "
                "`start` must be a diffusers folder"
            ) from exc
        self._old.requires_grad_(False)
        inner = ("conv_in", "conv_out", "quant")
        if recipe.part == "decoder":
            self._vae.encoder.requires_grad_(False)
            self._vae.quant_conv.requires_grad_(False)
        named = [(name, p) for name, p in self._vae.named_parameters() if p.requires_grad]
        hidden = [p for n, p in named if p.ndim == 4 and not any(word in n for word in inner)]
        known = {id(p) for p in hidden}
        self._optimisers: list[torch.optim.Optimizer] = [
            Muon(hidden, recipe.learning_rate),
            torch.optim.AdamW(
                [p for _, p in named if id(p) not in known],
                recipe.learning_rate,
                betas=(0.9, 0.99),
                weight_decay=0.0,
            ),
        ]
        self._average = {name: p.detach().clone() for name, p in named}
        self._dice = torch.Generator().manual_seed(recipe.seed)
        self._step = 0

    def train(self, dataset: Dataset, folder: Path, watch: Watch) -> Model:
        """Fit the VAE; `folder/export/vae` opens in diffusers.  Cancelled keeps a checkpoint.

        Raises:
            TrainError: no usable picture, pictures under 64 pixels, or a damaged checkpoint.
        """
        torch.set_num_threads(self._recipe.threads)
        examples, _ = read_examples(dataset.items(watch), self._recipe.everyday)
        if min(examples[0].pixels.shape[:2]) < _CROP:
            raise TrainError(f"asked for crops of {_CROP}, found pictures of a smaller side")
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "codec.pt").exists():
            self._resume(folder / "codec.pt")
        chances = _chances(examples)
        rng = np.random.default_rng(self._recipe.seed + self._step)
        losses: list[float] = []
        while self._step < self._recipe.steps:
            watch.step(self._step, self._recipe.steps)
            losses.append(self._advance(_crops(examples, chances, self._recipe.batch, rng)))
            if self._step % _REPORT_EVERY == 0:
                line = {"step": self._step, "loss": float(np.mean(losses[-_REPORT_EVERY:]))}
                with (folder / "codec-loss.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            if self._step % self._recipe.checkpoint_every == 0:
                self._save(folder)
        digest = self._save(folder)
        licence = " AND ".join(sorted({e.licence for e in examples}))
        return Model(name=folder.name, version=str(self._step), sha256=digest, licence=licence)

    def _advance(self, pixels: torch.Tensor) -> float:
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._recipe.rate(self._step)
        loss = self._loss(pixels)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._vae.parameters(), 1.0)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self._step += 1
        keep = min(self._recipe.ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for name, weight in self._vae.named_parameters():
                if weight.requires_grad:
                    self._average[name].lerp_(weight, 1 - keep)
        return loss.item()

    def _loss(self, pixels: torch.Tensor) -> torch.Tensor:
        """Absolute error, edges, opponent colours of 4 × 4 areas, and nearness to old latents."""
        factor = self._vae.config.scaling_factor
        with autocast():
            old = self._old.encode(pixels).latent_dist.mean.float()
            seen = self._vae.encode(pixels).latent_dist
            mean, spread = seen.mean.float(), seen.std.float()
            # More noise than the posterior's: a denoiser's latents are never exact.
            amount = torch.rand(len(pixels), 1, 1, 1, generator=self._dice) * 0.1 / factor
            grain = spread * self._noise(mean) + amount * self._noise(mean)
            error = self._vae.decode(mean + grain).sample.float() - pixels
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        colour = F.avg_pool2d(F.conv2d(error, _OPPONENT), 4).abs().mean()
        near = ((mean - old) * factor).square().mean()
        spread = spread.clamp(min=1e-6)
        prior = 0.5 * (mean.square() + spread.square() - 1 - 2 * spread.log()).mean()
        total: torch.Tensor = error.abs().mean() + 0.5 * edges + colour + 0.01 * near + 1e-5 * prior
        return total

    def _noise(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self._dice)

    def _save(self, folder: Path) -> str:
        """Write checkpoint and export, each whole or not at all; return the weights' SHA-256."""
        state = {
            "vae": self._vae.state_dict(),
            "average": self._average,
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
            "step": self._step,
        }
        write_whole(folder / "codec.pt", lambda new: torch.save(state, new))
        weights = self._vae.state_dict() | self._average
        half = {name: w.detach().half().contiguous() for name, w in weights.items()}

        def fill(new: Path) -> None:
            new.mkdir()
            # Copied, because a config that diffusers writes holds the path that it was read from.
            shutil.copyfile(self._start / "vae" / "config.json", new / "config.json")
            save_file(half, new / WEIGHTS, metadata={"format": "pt"})

        target = folder / "export" / "vae"
        write_whole(target, fill)
        return hashlib.sha256((target / WEIGHTS).read_bytes()).hexdigest()

    def _resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
            self._vae.load_state_dict(state["vae"])
            for optimiser, kept in zip(self._optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(kept)
        except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as exc:
            raise TrainError(
                f"asked to go on from {path.name}, found {exc}; use an empty folder to start anew"
            ) from exc
        self._average, self._step = state["average"], state["step"]


def _chances(examples: Sequence[Example]) -> NDArray[np.float64]:
    """How often each is seen: its weight, more if it is green or purple, which are rare."""
    few = np.stack([e.pixels[::8, ::8] for e in examples]).astype(np.float64)
    green = np.abs(few[..., 1] - (few[..., 0] + few[..., 2]) / 2).mean((1, 2))
    chances = np.array([e.weight for e in examples]) * (1 + green / max(green.mean(), 1e-9))
    return np.asarray(chances / chances.sum())


def _crops(
    examples: Sequence[Example],
    chances: NDArray[np.float64],
    batch: int,
    rng: np.random.Generator,
) -> torch.Tensor:
    """(batch, 3, 64, 64) float -1..1."""
    found = []
    for index in rng.choice(len(examples), batch, p=chances):
        pixels = examples[index].pixels
        top = rng.integers(0, pixels.shape[0] - _CROP + 1)
        left = rng.integers(0, pixels.shape[1] - _CROP + 1)
        found.append(pixels[top : top + _CROP, left : left + _CROP])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 127.5 - 1
