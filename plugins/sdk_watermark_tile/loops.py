"""Which loops run over pixels: numpy's, or compiled ones where somebody asked for them.

The bits are the same, so one part's wish serves every part of the process.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

Plane = NDArray[np.float32]
Shorts = NDArray[np.int16]


class Loops(Protocol):
    """What is compiled."""

    def luma(
        self, pixels: NDArray[np.uint8], box: int, lines: tuple[int, ...], out: Plane, /
    ) -> None:
        """Write LUMA summed over the given lines of each whole box x box square to `out`."""

    def accumulate(
        self, mark: Shorts, tile: Shorts, gains: tuple[Shorts, Shorts], places: Shorts, /
    ) -> None:
        """Add to `mark` the tile's rows, times gains between the two rows of `gains`."""

    def add(
        self, rows: NDArray[np.uint8], mark: Shorts, grain: int, out: NDArray[np.uint8], /
    ) -> None:
        """Write rows of R G B R G B … plus the mark to `out`."""

    def residual(self, plane: Plane, factors: Plane, limit: float, /) -> Plane:
        """Return `residual.residual`, from the factors of its blocks."""

    def sensitivity(self, plane: Plane, floor: float, /) -> Plane:
        """Return `residual.sensitivity`."""


_chosen: list[Loops] = []


def compiled() -> Loops | None:
    """Return the compiled loops, None before `use_compiled`."""
    return _chosen[0] if _chosen else None


def use_compiled() -> None:
    """Let compiled loops run from now on; the first time on a machine this takes seconds.

    Raises:
        PluginError: numba is missing or does not load, or cannot keep what it compiles.
    """
    if _chosen:
        return
    try:
        from . import compiled as loops
    except (ImportError, RuntimeError) as exc:
        raise PluginError(
            f"asked the tile watermark for compiled loops; numba does not give them: {exc}; "
            "pip install 'responsible-generation-sdk[fast]', point NUMBA_CACHE_DIR to a folder "
            "that can be written, or leave `compiled` out: the pixels are the same"
        ) from exc
    _chosen.append(loops)


def use_numpy() -> None:
    """Let numpy's loops run from now on."""
    _chosen.clear()
