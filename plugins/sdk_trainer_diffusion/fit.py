"""The part itself: read the data, cache, loop, leave weights and papers."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from sdk import Dataset, Model, TrainError, Watch

from .cache import TextEncoder, cached_latents, cached_states
from .examples import Example, Sampler, read_examples
from .export import card, export, sheet
from .recipe import Recipe
from .run import Run

_log = logging.getLogger(__name__)
_REPORT_EVERY = 50


class DiffusionTrainer:
    """Trains, or goes on where the folder's `last.pt` stopped."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = self._recipe = recipe
        self._start = Path(recipe.start).expanduser()
        self._vae: Any = _open(AutoencoderKL, self._start / "vae").eval()
        self._scheduler: Any = _open(DDIMScheduler, self._start / "scheduler")
        if self._scheduler.config.prediction_type != "v_prediction":
            raise TrainError(
                f"asked to train {self._start.name}, whose scheduler predicts "
                f"{self._scheduler.config.prediction_type!r}; only v_prediction is known"
            )
        self._encoder = TextEncoder(recipe.text_encoder, recipe.tokens)

    def train(self, dataset: Dataset, folder: Path, watch: Watch) -> Model:
        """Fit the model; `watch` counts steps.  Cancelled keeps the last checkpoint.

        Raises:
            TrainError: no usable picture, a damaged checkpoint, or a loss that is not a number.
        """
        torch.set_num_threads(self._recipe.threads)
        examples, excluded = read_examples(dataset.items(watch), self._recipe.everyday)
        run = self._run(folder)
        sampler = Sampler(examples, self._recipe.no_caption, self._recipe.seed + run.step)
        latents = cached_latents(
            folder / "cache" / "latents.npy", [e.pixels for e in examples], self._vae, watch
        )
        states = cached_states(folder / "cache" / "states.npy", sampler.table, self._encoder, watch)
        losses: list[float] = []
        while run.step < self._recipe.steps:
            watch.step(run.step, self._recipe.steps)
            chosen, said = sampler.draw(self._recipe.batch)
            heard = torch.from_numpy(states[said].astype(np.float32))
            losses.append(run.advance(latents[torch.from_numpy(chosen)], heard))
            self._report(run, folder, losses)
        digest = self._leave(run, folder, examples, excluded, losses)
        return Model(
            name=folder.name,
            version=str(run.step),
            sha256=digest,
            licence=" AND ".join(sorted({e.licence for e in examples})),
            source=self._start.name,
        )

    def _run(self, folder: Path) -> Run:
        folder.mkdir(parents=True, exist_ok=True)
        unet: Any = _open(UNet2DConditionModel, self._start / "unet")
        # Fused attention's backward pass took 40 % of a step at these head sizes on a CPU.
        unet.set_attn_processor(AttnProcessor())
        run = Run(self._recipe, unet.train(), self._scheduler)
        if (folder / "last.pt").exists():
            run.resume(folder / "last.pt")
            _log.info("going on at step %d", run.step)
        return run

    def _report(self, run: Run, folder: Path, losses: list[float]) -> None:
        """Write losses, checkpoints and sheets when they are due."""
        if not math.isfinite(losses[-1]):
            raise TrainError(
                f"step {run.step} has loss {losses[-1]}; lower the learning rate and start again "
                "from the last checkpoint"
            )
        if run.step % _REPORT_EVERY == 0:
            mean = sum(losses[-_REPORT_EVERY:]) / len(losses[-_REPORT_EVERY:])
            line = {"step": run.step, "loss": round(mean, 4), "rate": self._recipe.rate(run.step)}
            with (folder / "loss.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if run.step % self._recipe.checkpoint_every == 0:
            run.save(folder / "last.pt")
            export(run, self._start, folder / "export")
        if self._recipe.sheet_every and run.step % self._recipe.sheet_every == 0:
            self._sheet(run, folder)

    def _sheet(self, run: Run, folder: Path) -> None:
        states = self._encoder.states([*self._recipe.prompts, ""])
        side = int(run.unet.config.sample_size)
        drawn = sheet(run, self._vae, self._scheduler, states, side)
        drawn.save(folder / f"sheet-{run.step:07d}.png")

    def _leave(
        self,
        run: Run,
        folder: Path,
        examples: Sequence[Example],
        excluded: int,
        losses: Sequence[float],
    ) -> str:
        """Write the last checkpoint, the export and the card; return the UNet's SHA-256."""
        run.save(folder / "last.pt")
        digest = export(run, self._start, folder / "export")
        last = losses[-_REPORT_EVERY:]
        mean = sum(last) / len(last) if last else math.nan
        text = card(run, self._recipe, examples, excluded, mean, digest)
        (folder / "export" / "MODEL_CARD.md").write_text(text, encoding="utf-8")
        return digest


def _open(kind: Any, folder: Path) -> Any:
    """Load one part of a diffusers folder in float32.

    Raises:
        TrainError: it is not there, or not such a part.
    """
    try:
        if kind is DDIMScheduler:
            return kind.from_pretrained(folder, local_files_only=True)
        return kind.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as exc:
        raise TrainError(
            f"asked for {folder.name} of {folder.parent.name}, found {type(exc).__name__}: {exc}; "
            "`start` must be a diffusers folder"
        ) from exc
