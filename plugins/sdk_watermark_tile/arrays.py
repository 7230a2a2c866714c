"""Marks arrays of other kinds than 8-bit RGB: grey, with alpha, 16-bit, float.

    marked = mark_array(TileWatermark(key=KEY), array, payload)

The mark is made for the picture as a viewer shows it, 8-bit RGB on white, and the change is carried
over to the array in its own depth: the lower bits of 16-bit and float pictures stay as they are.
CMYK has no place here: four channels are RGB with alpha; `sdk.InputImage` refuses CMYK files.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sdk import Detection, MarkError, Pixels

Array = NDArray[Any]
_LEVEL = {"u1": 1.0, "u2": 257.0, "f2": 1 / 255, "f4": 1 / 255, "f8": 1 / 255}
"""Kind and size of a type → one level of 8 bits in it."""


class Marker(Protocol):
    """What puts a payload into 8-bit RGB pixels and finds it again."""

    def embed(self, pixels: Pixels, payload: bytes, /) -> Pixels:
        """Return new pixels that carry `payload`."""

    def detect(self, pixels: Pixels, /) -> Detection:
        """Say whether a mark is there."""


def mark_array(part: Marker, array: Array, payload: bytes) -> Array:
    """Return a copy of `array`, same shape and type, that carries `payload`.

    `array` is (H, W) or (H, W, 1) grey, (H, W, 2) grey with alpha, (H, W, 3) RGB or (H, W, 4) RGB
    with straight alpha; uint8, uint16 (0..65535) or float of 16 to 64 bits (0..1, more is kept).
    Alpha is kept, and what it hides is not changed.

    Raises:
        MarkError: another shape or type, values that are no numbers, too small a picture, or so
            little to be seen that the mark cannot be read back.
    """
    shown = seen(array)
    marked = part.embed(shown, payload)
    channels, alpha = _split(array)
    change = marked.astype(np.int16) - shown
    change = change[..., :1] if channels.shape[2] == 1 else change
    level = _level(array)
    top = 255 * level
    moved = channels + change * level
    room = (channels >= 0) & (channels <= top)
    moved = np.where(room, np.clip(moved, 0, top), channels)
    if alpha is not None:
        moved = np.where(alpha > 0, moved, channels)
    moved = np.rint(moved) if array.dtype.kind == "u" else moved
    parts = [moved] if alpha is None else [moved, alpha]
    out: Array = np.concatenate(parts, axis=2).astype(array.dtype).reshape(array.shape)
    if part.detect(seen(out)).payload != payload:
        raise MarkError(
            f"asked to mark {array.shape} {array.dtype}; the mark cannot be read back: too little "
            "of the picture is opaque; flatten it, or draw larger"
        )
    return out


def seen(array: Array) -> Pixels:
    """Return (H, W, 3) uint8 RGB of an array as `mark_array` takes it: what is shown on white.

    Raises:
        MarkError: as for `mark_array`.
    """
    channels, alpha = _split(array)
    levels = np.clip(channels / _level(array), 0, 255)
    if alpha is not None:
        share = np.clip(alpha / (255 * _level(array)), 0, 1)
        levels = levels * share + 255 * (1 - share)
    flat = np.rint(levels).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(flat, (*flat.shape[:2], 3)))


def _split(array: Array) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return colour (H, W, 1 or 3) and alpha (H, W, 1), in the array's own range."""
    level = _level(array)
    shape = array.shape if array.ndim == 3 else (*array.shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 2, 3, 4) or 0 in shape:
        raise MarkError(
            f"asked to mark an array of shape {array.shape}; give (H, W) or (H, W, 1 to 4): grey, "
            "grey and alpha, RGB, or RGB and alpha"
        )
    values = array.reshape(shape).astype(np.float64)
    if not np.isfinite(values).all():
        raise MarkError("asked to mark an array with values that are no numbers; replace them")
    if array.dtype.kind == "f" and values.max() > 32:
        raise MarkError(
            f"asked to mark {array.dtype} values up to {values.max():.4g}; 1 is white: divide by "
            f"{255 * level * values.max():.4g} or what white is"
        )
    if shape[2] % 2:
        return values, None
    return values[..., :-1], values[..., -1:]


def _level(array: Array) -> float:
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    if kind not in _LEVEL:
        raise MarkError(
            f"asked to mark {array.dtype} values; give uint8, uint16 or float with 1 as white"
        )
    return _LEVEL[kind]
