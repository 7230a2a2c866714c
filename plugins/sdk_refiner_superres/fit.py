"""The training loop of the enlarging network: checkpoints, sample sheets, export."""

from __future__ import annotations

import hashlib
import json
import math
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sdk_generators.leave import WEIGHTS, write_network
from sdk_trainer_diffusion.precision import autocast

from sdk import Dataset, Model, TrainError, Watch, write_whole

from .network import SCALE, Compact, Shape
from .pairs import Pairs, read_pairs
from .recipe import Recipe

_INNER = slice(2 * SCALE, -2 * SCALE)
"""No loss is taken of a crop's rim: what lies beyond is hidden there."""
_REPORT_EVERY = 50
_SHOWN = 8
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError)


class SuperresTrainer:
    """Trains the network, or goes on where the folder's `last.pt` stopped."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        self._shape = Shape(width=recipe.width, depth=recipe.depth)
        self._network = Compact(self._shape).to(memory_format=torch.channels_last)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._average = {n: p.detach().clone() for n, p in self._network.named_parameters()}
        self._step = 0

    def train(self, dataset: Dataset, folder: Path, watch: Watch) -> Model:
        """Fit the network; `folder/export` is what the refiner takes.

        Raises:
            TrainError: the data cannot serve, the loss is not a number, or a damaged checkpoint.
        """
        recipe = self.recipe
        torch.set_num_threads(recipe.threads)
        vae = _vae(recipe.vae) if recipe.vae else None
        pairs, summary = read_pairs(dataset, recipe, vae, folder / "cache", watch)
        if (folder / "last.pt").exists():
            self._resume(folder / "last.pt")
        losses: list[float] = []
        while self._step < recipe.steps:
            watch.step(self._step, recipe.steps)
            rng = np.random.default_rng((recipe.seed, self._step))
            losses.append(self._advance(*pairs.crops(recipe, rng)))
            if self._step % _REPORT_EVERY == 0:
                _note(folder, {"step": self._step, "loss": float(np.mean(losses[-_REPORT_EVERY:]))})
            if self._step % recipe.checkpoint_every == 0:
                self._save(folder, pairs)
        self._save(folder, pairs)
        digest = self._export(folder / "export", summary)
        licences = {line.split(" | ")[1] for line in _sources(summary)}
        return Model(
            name="superres",
            version=str(self._step),
            sha256=digest,
            licence=" AND ".join(sorted(licences)),
        )

    def _advance(self, small: torch.Tensor, large: torch.Tensor) -> float:
        """One step: absolute error (Charbonnier) and the error of the edges."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.recipe.rate(self._step)
        with autocast():
            made = self._network(small.contiguous(memory_format=torch.channels_last))
        error = (made.float() - large)[..., _INNER, _INNER]
        flat = (error.square() + 1e-6).sqrt().mean()
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        loss = flat + 0.5 * edges
        value = float(loss.item())
        if not math.isfinite(value):
            raise TrainError(
                f"asked for step {self._step}, found a loss that is not a number; the last "
                "checkpoint is whole: go on from it with a smaller learning_rate"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._step += 1
        keep = min(self.recipe.ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for name, weight in self._network.named_parameters():
                self._average[name].lerp_(weight, 1 - keep)
        return value

    def _save(self, folder: Path, pairs: Pairs) -> None:
        """Write checkpoint and sheet, each whole or not at all."""
        state = {
            "network": self._network.state_dict(),
            "average": self._average,
            "optimiser": self._optimiser.state_dict(),
            "step": self._step,
        }
        write_whole(folder / "last.pt", lambda path: torch.save(state, path))
        sheet = self._sheet(pairs)
        write_whole(folder / f"sheet-{self._step:06}.png", lambda path: sheet.save(path, "PNG"))

    def _export(self, folder: Path, summary: dict[str, object]) -> str:
        """Replace `folder` by what the refiner takes; return the SHA-256 of the weights."""

        def write(new: Path) -> None:
            new.mkdir()
            index = {"_class_name": "Compact", **asdict(self._shape)}
            write_network(new, index, self._average, "superres", "")
            digest = hashlib.sha256((new / WEIGHTS).read_bytes()).hexdigest()
            (new / "MODEL_CARD.md").write_text(self._card(summary, digest), "utf-8")

        write_whole(folder, write)
        return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()

    @torch.no_grad()
    def _sheet(self, pairs: Pairs) -> Image.Image:
        """Rows: the small picture by Lanczos, what the network makes of it, the truth."""
        network = Compact(self._shape)
        network.load_state_dict(self._average)
        source = pairs.clean if pairs.drawn is None else pairs.drawn
        chosen = np.linspace(0, len(source) - 1, min(_SHOWN, len(source))).astype(int)
        columns = []
        for index in chosen:
            height, width = source[index].shape[:2]
            size = (width * SCALE, height * SCALE)
            lanczos = Image.fromarray(source[index]).resize(size, Image.Resampling.LANCZOS)
            small = torch.from_numpy(source[index].copy()).permute(2, 0, 1)[None].float() / 255
            made = (network(small)[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            columns.append(np.concatenate([np.asarray(lanczos), made, pairs.large[index]], 0))
        return Image.fromarray(np.concatenate(columns, 1))

    def _resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
            self._network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._average, self._step = state["average"], int(state["step"])
        except _DAMAGED as exc:
            raise TrainError(
                f"asked to go on from {path.name}, found {type(exc).__name__}; it is damaged or of "
                "another network: use an empty folder to start anew"
            ) from exc

    def _card(self, summary: dict[str, object], digest: str) -> str:
        size = sum(p.numel() for p in self._network.parameters())
        rows = "\n".join(f"| {line} |" for line in _sources(summary))
        return f"""# Model card: superres

Enlarges drawings {SCALE} times; {size:,} parameters, float16, SHA-256 `{digest}`.

| source | licence | attribution |
|---|---|---|
{rows}

{summary["pictures"]} pictures (SHA-256 over them `{summary["sha256"]}`), {self._step} steps of
{self.recipe.batch} crops, seed {self.recipe.seed}.
"""


def _sources(summary: dict[str, object]) -> list[str]:
    found = summary["sources"]
    assert isinstance(found, dict)
    return sorted(found)


def _note(folder: Path, line: dict[str, float]) -> None:
    with (folder / "loss.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _vae(folder: str) -> Any:
    from diffusers import AutoencoderKL

    try:
        vae = AutoencoderKL.from_pretrained(
            Path(folder).expanduser() / "vae", torch_dtype=torch.float32, local_files_only=True
        )
    except (OSError, ValueError) as exc:
        raise TrainError(
            f"asked for the vae of {Path(folder).name}, found {type(exc).__name__}; "
            "`vae` must be a diffusers folder"
        ) from exc
    return vae.eval().requires_grad_(False)
