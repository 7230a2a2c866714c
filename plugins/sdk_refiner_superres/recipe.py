"""What a training run of the enlarging network is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from sdk import TrainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of the trainer.

    Raises:
        TrainError: a number out of its range; the message names it.
    """

    vae: str = ""
    """A diffusers folder whose `vae` the small pictures go through; empty for clean ones only."""
    splits: str = ""
    """A folder of `sdk data prepare`: only what it trains on is used; empty for everything."""
    share: float = 1.0
    """Share of the pictures that is used, chosen by their ids: a few hundred teach enough."""
    clean: float = 0.3
    """Share of small pictures that did not go through the VAE."""
    noise: float = 0.15
    """Most noise on the latents, in their standard deviations: a denoiser's are never exact."""
    width: int = 32
    depth: int = 12
    """Channels and number of the inner convolutions."""
    steps: int = 2900
    batch: int = 16
    crop: int = 32
    """Side of the small crops."""
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.6
    """Share of the steps, at the end, over which the rate falls to 2 %."""
    ema: float = 0.998
    checkpoint_every: int = 250
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("width", "depth", "steps", "batch", "crop", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give at least 1")
        for name in ("share", "clean", "decay", "ema", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give a share in 0..1")

    def rate(self, step: int) -> float:
        """The learning rate at a step: up, level, down to 2 %."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.learning_rate * up * max(0.02, min(1.0, left))
