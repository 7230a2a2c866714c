"""Trains the prompt gate; `sdk train prompt-filter` signs what comes out.

    sdk train prompt-filter --data prompts --data-set file=prompts.jsonl.gz -o run
    policy:  settings = { weights = "run/export/gate.npz" }

What is encoded is kept in the run's folder, so that a run that was stopped goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from sdk_dataset_prompts import example_of
from sdk_prompt_gate.examples import Example
from sdk_prompt_gate.part import VERSION
from sdk_prompt_gate.train import Stage, train

from sdk import Dataset, Model, PluginError, Settings, Trainer, Watch, hookimpl


class GateTrainer:
    """Fits encoder heads, word weights and calibration to labelled prompts.

    Args:
        members: networks whose mean is taken, 1..8.
        epochs: passes over the data, 1..50.

    Raises:
        PluginError: a setting is outside its range.
    """

    def __init__(self, *, members: int = 2, epochs: int = 8) -> None:
        for name, value, top in (("members", members, 8), ("epochs", epochs, 50)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= top:
                raise PluginError(f"asked for {name} {value!r}; give a whole number 1..{top}")
        self.recipe = {"members": members, "epochs": epochs}

    def train(self, dataset: Dataset, folder: Path, watch: Watch) -> Model:
        """Leave `export`/gate.npz and a model card in `folder`.

        Raises:
            DataError: items without a label, or too few of a kind.
            TrainError: torch or scikit-learn is not installed.
            Cancelled: `watch` said so.
        """
        out = folder / "export"
        target = out / "gate.npz"
        examples = [
            example_of(item) for item in dataset.items(Stage(watch, 0.0, 0.0)) if not item.excluded
        ]
        if not target.exists():
            part = train(
                examples,
                folder / "fitted",
                members=self.recipe["members"],
                epochs=self.recipe["epochs"],
                cache=folder / "cache",
                watch=watch,
            )
            out.mkdir(parents=True, exist_ok=True)
            (out / "MODEL_CARD.md").write_text(_card(part, examples), "utf-8")
            part.replace(target)
        return Model(
            name="prompt-gate",
            version=VERSION,
            sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
            licence="Apache-2.0",
            source=folder.name,
        )


def _card(weights: Path, examples: list[Example]) -> str:
    """What the shipped card says of the model, with the thresholds of this run."""
    shipped = (files("sdk_prompt_gate") / "weights" / "MODEL_CARD.md").read_text("utf-8")
    with np.load(weights, allow_pickle=False) as file:
        about = json.loads(str(file["about"][()]))
    about.pop("language_offsets", None)
    unsafe = sum(e.unsafe for e in examples)
    return (
        f"# Prompt gate, trained on {len(examples):,} prompts of your own, {unsafe:,} unsafe\n\n"
        f"```json\n{json.dumps(about, indent=1)}\n```\n\n"
        f"The recipe is that of the shipped gate, whose card follows.\n\n{shipped}"
    )


@hookimpl
def trainer(settings: Settings) -> Trainer:
    """Make the trainer; settings: `members`, `epochs`."""
    return GateTrainer(**settings)  # type: ignore[arg-type]
