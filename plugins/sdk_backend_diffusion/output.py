"""Turns what a pipeline returned into pixels, and sees when the numbers broke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import BackendError, Pixels

from .trouble import LOWER_PRECISION


def pixels(output: Any, count: int, size: tuple[int, int]) -> list[Pixels]:
    """Return `count` arrays (height, width, 3) uint8 RGB from a pipeline's output.

    Takes `.images` as a tensor (B, C, H, W) or array (B, H, W, C), float 0..1; the tensor is made
    uint8 where it lies, so that a fourth of the bytes leave the device.

    Raises:
        BackendError: not pictures, the wrong number or size, not finite, or black.
    """
    images = getattr(output, "images", None)
    if images is None:
        raise BackendError(
            f"asked to draw, found {type(output).__name__} without pictures; "
            "use a pipeline that draws pictures"
        )
    arrays = _bytes_of(images)
    if len(arrays) != count:
        raise BackendError(
            f"asked for {count} pictures, found {len(arrays)}; use another model or max_batch = 1"
        )
    for array in arrays:
        if array.shape != (size[1], size[0], 3):
            raise BackendError(
                f"asked for {size[0]}x{size[1]} pixels, found {array.shape[1]}x{array.shape[0]}; "
                "ask for a size this pipeline keeps"
            )
        if not array.any():
            raise BackendError(f"asked to draw, found a black picture; {LOWER_PRECISION}")
    return arrays


def keep_unmasked(drawn: Pixels, before: Pixels, mask: Pixels) -> Pixels:
    """Lay what was drawn over the picture as it was, by the mask: black keeps it exactly.

    All (H, W, 3) uint8.  A VAE changes every pixel a little, also those that the mask protects.
    """
    share = mask.astype(np.float32).mean(-1, keepdims=True) / 255
    mixed = drawn.astype(np.float32) * share + before.astype(np.float32) * (1 - share)
    return np.asarray(mixed.round(), np.uint8)


def _bytes_of(images: Any) -> list[Pixels]:
    if isinstance(images, np.ndarray):
        return _from_array(images)
    if hasattr(images, "permute"):
        return from_tensor(images)
    if isinstance(images, Sequence) and images and hasattr(images[0], "convert"):
        return [np.asarray(image.convert("RGB")) for image in images]
    raise BackendError(
        f"asked to draw, found pictures as {type(images).__name__}; use another pipeline"
    )


def from_tensor(images: Any) -> list[Pixels]:
    """Arrays (H, W, 3) uint8 of a tensor (B, C, H, W) float 0..1.

    Raises:
        BackendError: numbers that are not finite.
    """
    import torch

    if not torch.isfinite(images).all():
        raise BackendError(f"asked to draw, found numbers that are not finite; {LOWER_PRECISION}")
    whole = (images.float() * 255).round_().clamp_(0, 255).to(torch.uint8)
    return _rgb(whole.permute(0, 2, 3, 1).cpu().numpy())


def _from_array(images: NDArray[np.floating[Any]]) -> list[Pixels]:
    if not np.isfinite(images).all():
        raise BackendError(f"asked to draw, found numbers that are not finite; {LOWER_PRECISION}")
    return _rgb(np.asarray((images * 255).round().clip(0, 255), np.uint8))


def _rgb(batch: Pixels) -> list[Pixels]:
    full = batch.repeat(3, axis=-1) if batch.shape[-1] == 1 else batch[..., :3]
    return [np.ascontiguousarray(one) for one in full]
