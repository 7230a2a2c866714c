"""The loop around every technique: read, go on where it stopped, step, report, leave."""

from __future__ import annotations

import json
import logging
import math
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import torch

from sdk import Dataset, Model, TrainError, Watch, write_whole

from .fits import Fit
from .leave import card, leave, sheet
from .material import Batch, Material, licences
from .recipe import Recipe

_log = logging.getLogger(__name__)
_REPORT_EVERY = 25
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError)
"""What torch raises for files that are cut, foreign or of another network."""
_UNBOUND = 1000
"""Parts of a run that only the clock ends, for the watch."""


R = TypeVar("R", bound=Recipe)


class Fitting(Generic[R]):
    """A trainer; `sdk_generators.leave` says what it makes of a folder."""

    def __init__(
        self,
        recipe: R,
        make: Callable[[R], Fit],
        read: Callable[[Dataset, Path, R, Watch], Material],
    ) -> None:
        self.recipe = recipe
        self._make = make
        self._read = read

    def train(self, dataset: Dataset, folder: Path, watch: Watch) -> Model:
        """Fit, or go on where `folder/last.pt` stopped.  Cancelled keeps the last checkpoint.

        Raises:
            TrainError: no usable picture, a damaged checkpoint, a full disk, or a loss that is
                not a number.
        """
        recipe = self.recipe
        torch.set_num_threads(recipe.threads)
        folder.mkdir(parents=True, exist_ok=True)
        material = self._read(dataset, folder, recipe, watch)
        torch.manual_seed(recipe.seed)
        run = _Run(self._make(recipe), recipe, folder)
        run.resume()
        material.start(recipe.seed + run.step)
        torch.manual_seed(recipe.seed + run.step)
        while (progress := recipe.progress(run.step, run.seconds)) < 1:
            if recipe.steps:
                watch.step(run.step, recipe.steps)
            else:
                watch.step(int(progress * _UNBOUND), _UNBOUND)
            run.advance(material.draw(recipe.batch), progress)
            if recipe.sheet_every and run.step % recipe.sheet_every == 0:
                sheet(run.fit, material, recipe, folder / f"sheet-{run.step:07d}.png")
        run.save()
        text = card(run.fit.about, recipe, material, run.step, run.seconds)
        digest = leave(folder / "export", run.fit, material.encoder_sha256, text)
        sheet(run.fit, material, recipe, folder / "sheet.png")
        return Model(
            name=folder.name,
            version=str(run.step),
            sha256=digest,
            licence=licences(material.examples),
            source=dataset.name,
        )


class _Run:
    """Where the loop is; `last.pt` in the folder holds all of it."""

    def __init__(self, fit: Fit, recipe: Recipe, folder: Path) -> None:
        self.fit = fit
        self.step = 0
        self.seconds = 0.0
        self._recipe = recipe
        self._folder = folder
        self._sums: dict[str, float] = {}

    def advance(self, batch: Batch, progress: float) -> None:
        """Take one step, and write losses and checkpoints when they are due.

        Raises:
            TrainError: a loss is not a number; the last checkpoint is of before.
        """
        begun = time.monotonic()
        losses = self.fit.advance(batch, self._recipe.rate(progress), progress)
        if wrong := {name: value for name, value in losses.items() if not math.isfinite(value)}:
            raise TrainError(
                f"step {self.step} has the losses {wrong}; lower the learning rate and start "
                "again, which goes on from the last checkpoint"
            )
        self.step += 1
        self.seconds += time.monotonic() - begun
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if self.step % _REPORT_EVERY == 0:
            self._report(progress)
        if self.step % self._recipe.checkpoint_every == 0:
            self.save()

    def _report(self, progress: float) -> None:
        means = {name: round(value / _REPORT_EVERY, 5) for name, value in self._sums.items()}
        self._sums = {}
        line = {"step": self.step, "seconds": round(self.seconds), "progress": round(progress, 4)}
        with (self._folder / "loss.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | means) + "\n")

    def save(self) -> None:
        """Replace the checkpoint whole."""
        state = {"fit": self.fit.state(), "step": self.step, "seconds": self.seconds}
        write_whole(self._folder / "last.pt", lambda path: torch.save(state, path))

    def resume(self) -> None:
        """Go on from `last.pt`, where there is one.

        Raises:
            TrainError: it is damaged, or of another network.
        """
        path = self._folder / "last.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True)
            self.fit.restore(state["fit"])
            self.step, self.seconds = state["step"], state["seconds"]
        except _DAMAGED as exc:
            raise TrainError(
                f"asked to go on from {path.name}, found {type(exc).__name__}: {exc}; "
                "use an empty folder to start anew"
            ) from exc
        _log.info("going on at step %d", self.step)
