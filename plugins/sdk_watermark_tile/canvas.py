"""A picture to be marked, wherever its pixels are.

All that is decided about a mark is decided on the host, from the canonical luma; what a canvas does
to pixels is done in whole numbers, so that every canvas of one picture gets the same mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .adding import Fixed, added
from .image import Plane, RowLuma, row_luma
from .keys import DENSITIES, TILE

_SHORT = TILE * DENSITIES[0]
"""Short side of the luma that large pictures are checked by: taken while they are marked."""


class Canvas(Protocol):
    """One picture of 8-bit RGB."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""

    def sample(self) -> bytes:
        """Return every eighth pixel of every eighth row, R G B R G B …."""

    def near(self, short: int) -> Plane:
        """Return the luma as `image.row_luma` does, to the bit."""

    def marked(self, marks: Iterable[Fixed], grain: int) -> Self:
        """Return a new canvas with the marks added as `adding.add` does, to the bit."""


class Host:
    """An array."""

    def __init__(self, pixels: NDArray[np.uint8], near: Plane | None = None) -> None:
        """Take the pixels, and their luma at short side _SHORT where it is known."""
        self.pixels, self._near = pixels, near
        self.shape: tuple[int, int] = (pixels.shape[0], pixels.shape[1])

    def sample(self) -> bytes:
        """See `Canvas`."""
        return self.pixels[::8, ::8].tobytes()

    def near(self, short: int) -> Plane:
        """See `Canvas`."""
        if short == _SHORT and self._near is not None:
            return self._near
        return row_luma(self.pixels, short)

    def marked(self, marks: Iterable[Fixed], grain: int) -> Host:
        """See `Canvas`."""
        out = np.empty(self.pixels.shape, np.uint8)
        luma = RowLuma(out, _SHORT) if grain > 1 else None
        for bottom in added(self.pixels, marks, grain, out):
            if luma is not None:
                luma.upto(bottom)
        return Host(out, None if luma is None else luma.plane())
