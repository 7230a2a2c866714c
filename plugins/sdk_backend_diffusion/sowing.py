"""Draws the noise of each picture from its seed, and has a mark sown into it.

The numbers are those that the pipeline would draw itself: marked and unmarked pictures of one seed
begin with the same magnitudes and differ in signs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import Request, RequestError

Noise = NDArray[np.float32]
Sow = Callable[[Noise, Request], Noise]


def latents(
    pipe: Any,
    requests: Sequence[Request],
    generators: Sequence[Any],
    size: tuple[int, int],
    sow: Sow,
) -> Any:
    """Return (B, C, H/8, W/8) latents to begin with; the generators have moved on by as much.

    Raises:
        RequestError: the task begins with a picture.
    """
    import torch

    if any(request.task != "text-to-image" for request in requests):
        raise RequestError(
            f"asked to mark the noise of {requests[0].task}, which begins with a picture; only "
            "text-to-image begins with noise alone"
        )
    scale, channels = pipe.vae_scale_factor, pipe.unet.config.in_channels
    shape = (1, channels, size[1] // scale, size[0] // scale)
    marked = []
    for request, generator in zip(requests, generators, strict=True):
        noise = torch.randn(shape, generator=generator, dtype=torch.float32)
        marked.append(torch.from_numpy(np.ascontiguousarray(sow(noise[0].numpy(), request))))
    return torch.stack(marked).to(pipe.unet.device, pipe.unet.dtype)
