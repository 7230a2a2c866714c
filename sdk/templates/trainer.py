"""Learns the mean picture of each concept: the smallest model that is fitted to data.

Not named by a policy: `Registry().make("trainer", "NAME").train(dataset, folder, watch)`.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import Dataset, Model, Picture, Settings, Trainer, TrainError, Watch, hookimpl

WEIGHTS = "means.npz"


class MeanPicture:
    """Averages all pictures of a concept at one size."""

    def __init__(self, *, side: int = 32) -> None:
        self._side = side

    def train(self, dataset: Dataset, folder: Path, watch: Watch, /) -> Model:
        """Leave `means.npz` and a model card.

        `concepts` are n names, `means` their pictures, (n, side, side, 3) float32 RGB 0..255.
        """
        weights = folder / WEIGHTS
        if not weights.exists():  # one pass is short: what was cut off starts again
            self._fit(dataset, folder, watch)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        return Model(name="NAME", version="1", sha256=digest, licence="Apache-2.0")

    def _fit(self, dataset: Dataset, folder: Path, watch: Watch) -> None:
        means: dict[str, NDArray[np.float64]] = {}
        counts: dict[str, int] = {}
        for item in dataset.items(watch):
            if item.excluded or item.pixels is None:
                continue
            concept = item.concept or item.caption
            small = Picture(item.pixels).resized(self._side).astype(np.float64)
            counts[concept] = counts.get(concept, 0) + 1
            mean = means.setdefault(concept, np.zeros_like(small))
            mean += (small - mean) / counts[concept]  # Welford's running mean
        if not means:
            raise TrainError(f"asked to train on {dataset.name}, found no usable picture; add some")
        held = io.BytesIO()
        stacked = np.stack([*means.values()]).astype(np.float32)
        np.savez(held, concepts=np.array([*means]), means=stacked)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "MODEL_CARD.md").write_text(
            f"# NAME\n\nMean pictures of {len(means)} concepts from {dataset.name}.\n", "utf-8"
        )
        part = folder / f"{WEIGHTS}.part"
        part.write_bytes(held.getvalue())
        part.replace(folder / WEIGHTS)


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; setting: `side` (pixels)."""
    return MeanPicture(**settings)  # type: ignore[arg-type]
