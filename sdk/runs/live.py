"""Watches a run: live loss, TensorBoard events, energy, and a stop when the loss is no number.

Trainers know nothing of it.  They append JSON lines with `step` and numbers to files named
`*loss.jsonl`, leave sample sheets as `sheet-*.png`, and call `watch.step`; this looks there.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from sdk.errors import TrainError
from sdk.types import Watch

_LOOK_EVERY_S = 0.5
_BEAT_EVERY_S = 20.0
_STEP = re.compile(r"\d+")


class Events(Protocol):
    """Where curves and sheets go: TensorBoard, or nowhere."""

    def add_scalar(self, tag: str, value: float, step: int, /) -> object:
        """Take note of one number."""

    def add_image(self, tag: str, pixels: object, step: int, /, *, dataformats: str) -> object:
        """Take note of one picture."""

    def close(self) -> None:
        """Write out what is left."""


class Nowhere:
    """Events that nobody keeps."""

    def add_scalar(self, tag: str, value: float, step: int, /) -> None:
        """Keep nothing."""

    def add_image(self, tag: str, pixels: object, step: int, /, *, dataformats: str) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Close nothing."""


def tensorboard(folder: Path) -> Events:
    """Event files in `folder`, for `tensorboard --logdir`.

    Raises:
        TrainError: torch or tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as exc:
        raise TrainError(
            "asked for TensorBoard events, found no tensorboard; pip install "
            "'responsible-generation-sdk[train]', or give --no-tensorboard"
        ) from exc
    writer: Events = SummaryWriter(str(folder))
    return writer


class Live:
    """The watch that a trainer gets."""

    def __init__(
        self,
        folder: Path,
        outer: Watch,
        events: Events,
        beat: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._outer = outer
        self._events = events
        self._beat = beat
        self._tell = tell
        self._read: dict[Path, int] = {p: p.stat().st_size for p in folder.glob("*loss.jsonl")}
        self._sheets = set(folder.glob("sheet-*.png"))
        self._looked = self._beaten = time.monotonic()
        self.steps = 0
        self.last: dict[str, float] = {}
        """The last line of numbers."""

    def step(self, done: int, total: int, /) -> None:
        """Pass the step on, and look at what the trainer left.

        Raises:
            TrainError: a loss that is not a finite number was written.
        """
        self.steps = done
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self.look()
        if now - self._beaten >= _BEAT_EVERY_S:
            self._beaten = now
            self._beat(done)
        self._outer.step(done, total)

    def look(self) -> None:
        """Read new lines and sheets now."""
        for path in sorted(self._folder.glob("*loss.jsonl")):
            for line in self._new_lines(path):
                self._note(path, line)
        for sheet in sorted(set(self._folder.glob("sheet-*.png")) - self._sheets):
            self._sheets.add(sheet)
            found = _STEP.search(sheet.stem)
            with Image.open(sheet) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._events.add_image(
                "sheet", pixels, int(found[0] if found else 0), dataformats="HWC"
            )

    def _new_lines(self, path: Path) -> list[str]:
        start = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(start)
            whole, _, _half = file.read().rpartition(b"\n")
        self._read[path] = start + (len(whole) + 1 if whole else 0)
        return whole.decode("utf-8", "replace").splitlines()

    def _note(self, path: Path, line: str) -> None:
        numbers = _numbers(line)
        step = int(numbers.pop("step", 0))
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise TrainError(
                    f"step {step} has {name} {value} in {path.name}; lower the learning rate and "
                    "go on from the last checkpoint with --resume"
                )
            stem = path.stem.removesuffix("loss").strip("-")
            self._events.add_scalar(f"{stem}/{name}" if stem else name, value, step)
        self.last = {"step": float(step), **numbers}
        self._tell(", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))


def _numbers(line: str) -> dict[str, float]:
    """The numbers of one JSON line; none for a line that a killed process left broken."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
