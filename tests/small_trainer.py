"""A trainer and a data set of a few lines, real enough to be killed, resumed and signed."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk import DataError, Item, Model, TrainError, write_whole
from sdk.hookspecs import hookimpl
from sdk.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Recipe:
    steps: int = 4
    seed: int = 3
    pause_s: float = 0.0
    nan_at: int = -1
    exports: bool = True


class MeanTrainer:
    """Learns the mean colour of its data, one step at a time."""

    def __init__(self, recipe):
        self.recipe = recipe

    def train(self, dataset, folder, watch):
        pictures = [i.pixels for i in dataset.items(watch) if not i.excluded]
        if not pictures:
            raise TrainError("found no usable picture")
        target = np.mean([p.mean((0, 1)) for p in pictures], 0)
        last = folder / "last.json"
        state = json.loads(last.read_text()) if last.exists() else {"step": 0, "mean": [0, 0, 0]}
        while state["step"] < self.recipe.steps:
            watch.step(state["step"], self.recipe.steps)
            mean = np.array(state["mean"]) + (target - state["mean"]) / 2
            state = {"step": state["step"] + 1, "mean": mean.tolist()}
            loss = float(np.abs(target - mean).mean())
            loss = float("nan") if state["step"] == self.recipe.nan_at else loss
            with (folder / "loss.jsonl").open("a") as file:
                file.write(json.dumps({"step": state["step"], "loss": loss}) + "\n")
            text = json.dumps(state)
            write_whole(last, lambda new, text=text: new.write_text(text))
            time.sleep(self.recipe.pause_s)
        weights = json.dumps(state["mean"])
        if self.recipe.exports:
            (folder / "export").mkdir(exist_ok=True)
            write_whole(folder / "export" / "mean.json", lambda new: new.write_text(weights))
        digest = hashlib.sha256(weights.encode()).hexdigest()
        return Model(name="mean", version="1", sha256=digest, licence="CC0-1.0")


class Colours:
    """Plain pictures; one has no licence, one is excluded."""

    name = "colours"

    def __init__(self, count=4, broken=False):
        self._count = count
        self._broken = broken

    def items(self, watch):
        for index in range(self._count):
            watch.step(index, self._count)
            pixels = np.full((8, 8, 3), 40 * index, np.uint8)
            papers = {"caption": f"grey {index}", "concept": "grey", "source": "made here"}
            yield Item(id=f"{index}", pixels=pixels, licence="CC0-1.0", **papers)
        if self._broken:
            raise DataError("asked for the fifth, found nothing; get it")
        yield Item(id="bare", pixels=np.zeros((8, 8, 3), np.uint8), licence=" ", caption="bare")
        yield Item(id="flag", pixels=None, licence="MIT", caption="flag", excluded="flag")


class Plugin:
    @hookimpl
    def trainer(self, settings):
        return MeanTrainer(Recipe(**settings))

    @hookimpl
    def dataset(self, settings):
        return Colours(**settings)


def registry():
    made = Registry()
    made.add(Plugin(), "mean")
    return made


def run_for_ever(folder):
    """What tests/test_runs.py starts in a process, to kill it."""
    from sdk.contract import Quiet
    from sdk.runs.go import Asked, go

    asked = Asked(trainer="mean", dataset="mean", settings={"steps": 10_000, "pause_s": 0.01})
    go(asked, Path(folder), Quiet(), registry=registry())
