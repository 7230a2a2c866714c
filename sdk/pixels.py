"""The one door for pixels: checked, copied, frozen; derived views are made once and shared.

    pixels = admit_pixels(array)        # (H, W, 3) uint8 RGB 0..255 or PluginError
    picture = Picture(pixels)
    picture.resized(224)                # cached, read-only

Latents and tensors never come here; a backend converts them before it returns.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sdk.errors import PluginError

Pixels = NDArray[np.uint8]
"""One picture: (height, width, 3), RGB, 0..255, C-contiguous, immutable."""


def admit_pixels(array: object) -> Pixels:
    """Check, copy and freeze what a plugin returned as a picture.

    The copy lives in a `bytes` object, so that even `flags.writeable = True` cannot reopen it
    (numpy allows that on arrays that own their memory).

    Raises:
        PluginError: not an (H, W, 3) uint8 array with at least one pixel.
    """
    if not isinstance(array, np.ndarray):
        raise PluginError(
            f"asked for pixels (H, W, 3) uint8, found {type(array).__name__}; "
            "return a numpy array from the plugin"
        )
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise PluginError(
            f"asked for pixels (H, W, 3) uint8, found {array.shape} {array.dtype}; "
            "convert to 8-bit RGB in the plugin"
        )
    frozen: Pixels = np.frombuffer(array.tobytes(), np.uint8).reshape(array.shape)
    return frozen


class Picture:
    """Pixels with their derived views, each computed once, each read-only.

    Safe to share between threads; five filters on one picture resize it once.
    """

    __slots__ = ("_lock", "_pixels", "_sha256", "_views")

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._views: dict[str, NDArray[np.uint8]] = {}
        self._lock = threading.Lock()
        self._sha256: str | None = None

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) uint8 RGB, immutable.

        A view for each who asks: the shape of a numpy array can be set even where its bytes
        cannot.
        """
        return self._pixels.view()

    @property
    def height(self) -> int:
        """Rows."""
        return int(self._pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self._pixels.shape[1])

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the raw RGB bytes, row by row."""
        if self._sha256 is None:
            self._sha256 = hashlib.sha256(self._pixels.data).hexdigest()
        return self._sha256

    def resized(self, width: int, height: int | None = None) -> Pixels:
        """This picture at width × height (square by default), aspect ratio not kept.

        Area average when shrinking, bicubic when growing (Pillow BOX and BICUBIC).
        """
        size = (width, height or width)
        return self._view(f"{size}", lambda: _resize(self._pixels, size))

    def _view(self, name: str, make: Callable[[], Pixels]) -> Pixels:
        with self._lock:
            if name not in self._views:
                self._views[name] = admit_pixels(make())
            return self._views[name].view()


def _resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    from PIL import Image

    shrinks = size[0] * size[1] <= pixels.shape[0] * pixels.shape[1]
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize(size, how))
