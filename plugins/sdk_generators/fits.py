"""What the loop drives: networks being fitted, their average, and how they are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from .material import Batch


class Fit(Protocol):
    """Networks being fitted, and how they take one step."""

    about: str
    """One sentence for the model card."""

    def advance(self, batch: Batch, rate: float, progress: float, /) -> Mapping[str, float]:
        """Take one step; return the losses by name, `loss` among them."""

    def draw(self, words: torch.Tensor, noise: torch.Generator, /) -> torch.Tensor:
        """Words → (B, 3, side, side) float, about -1..1, with the averaged weights."""

    def write(self, folder: Path, encoder_sha256: str, /) -> None:
        """Leave configuration and averaged weights (safetensors, float16) in an empty folder."""

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as `torch.load(weights_only=True)` reads it."""

    def restore(self, state: Mapping[str, Any], /) -> None:
        """Go on from what `state` gave."""


class Keeper(Protocol):
    """What torch's modules and optimisers have in common."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on."""

    def load_state_dict(self, state: Any, /) -> object:
        """Go on from what `state_dict` gave."""


class Parts:
    """A fit whose state is that of its parts."""

    parts: Mapping[str, Keeper]

    def state(self) -> dict[str, Any]:
        """The state of every part by name."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


class OneNetwork(Parts):
    """A fit of one network with one optimiser, and its average."""

    def __init__(self, network: Any, optimiser: torch.optim.Optimizer, ema: float) -> None:
        self.network: Any = network
        self._optimiser = optimiser
        self._average = Average(network, ema)
        self.parts = {"network": network, "average": self._average, "optimiser": optimiser}

    def _step(self, loss: torch.Tensor, rate: float) -> None:
        """Go one step down the loss, with gradients of norm 1 at most; the average follows."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self._average.follow(self.network)


class Average:
    """An exponential moving average of a network's weights: what is drawn with and exported."""

    def __init__(self, network: Any, keep: float) -> None:
        self.network: Any = copy.deepcopy(network).eval().requires_grad_(False)
        self._keep = keep
        self._steps = 0

    @torch.no_grad()
    def follow(self, network: torch.nn.Module) -> None:
        """Move a little towards `network`, faster in the first steps."""
        self._steps += 1
        keep = min(self._keep, (1 + self._steps) / (10 + self._steps))
        theirs = dict(network.named_parameters())
        for name, own in self.network.named_parameters():
            own.lerp_(theirs[name], 1 - keep)
        for own, now in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(now)  # running statistics of a batch are averages already

    def state_dict(self) -> dict[str, Any]:
        """Weights and the number of steps."""
        return {"weights": self.network.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["weights"])
        self._steps = state["steps"]
