"""Finds pictures that occur twice, exactly or nearly: PDQ and features propose, pixels decide.

Half of all distinct emoji lie within PDQ distance 31 of another one, and skin tones of one person
share hash and features: distances alone would throw away what must stay.  So a near pair counts
only if its colours agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sdk.errors import DataError
from sdk.registry import Registry
from sdk.types import NO_SETTINGS, Settings

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Described:
    """Pictures as two methods see them."""

    hashes: NDArray[np.uint8]
    """(N, 32) PDQ bits."""
    features: NDArray[np.float32]
    """(N, D) unit vectors."""


class Describer(Protocol):
    """An auditor part that can describe pictures; `copies` is one."""

    network: str
    """Name of the feature network, for whoever reads a number."""

    def describe(
        self, pictures: NDArray[np.uint8], /
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(N, 128, 128, 3) → hashes (N, 32) uint8 and features (N, D) float32 of length 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When two pictures are one; measured in docs/training/data.md."""

    bits: int = 20
    """PDQ bits that may differ."""
    cosine: float = 0.985
    """Features at least this near."""
    colour: float = 10.0
    """Root mean square difference of 16 × 16 RGB, levels, for PDQ pairs."""
    histogram: float = 0.9
    """Share of 4 × 4 × 4 colour histograms in common, for feature pairs: it survives crops,
    mirrors and turns."""


_BOUNDS = Bounds()


def describer(
    registry: Registry, name: str = "copies", settings: Settings = NO_SETTINGS
) -> Describer:
    """Have an auditor plugin make the part that describes.

    Raises:
        DataError: it cannot describe.
    """
    part = registry.make("auditor", name, settings)
    if not callable(getattr(part, "describe", None)):
        raise DataError(f"asked {name!r} to describe pictures, found that it cannot; use copies")
    found: Describer = part
    return found


@dataclass(frozen=True, slots=True)
class Likenesses:
    """What near-duplicates mean for a data set."""

    dropped: dict[int, tuple[int, str]]
    """Each picture that repeats an earlier one → (the earlier one, why)."""
    kin: list[tuple[int, int]]
    """Pairs that look alike, dropped or not: they belong on one side of a split."""


def near_duplicates(
    pictures: NDArray[np.uint8],
    described: Described,
    captions: Sequence[str],
    bounds: Bounds = _BOUNDS,
) -> Likenesses:
    """Find what occurs twice among (N, H, W, 3) uint8 pictures.

    A near pair with one caption is a repeat, and the first of a group stays; it is compared only
    with those that stay, so that likeness does not creep along a chain.  Two captions make two
    examples, unless the pixels are equal: a rider in the next skin tone, a clock an hour later.
    To drop those took 640 pictures of one tone or another out of the icons.
    """
    small, histograms = _colours(pictures)
    signs = np.unpackbits(described.hashes, axis=1).astype(np.float32) * 2 - 1
    dropped: dict[int, tuple[int, str]] = {}
    kin: list[tuple[int, int]] = []
    for start in range(0, len(pictures), _BLOCK):
        block = slice(start, start + _BLOCK)
        bits = (signs.shape[1] - signs[block] @ signs[: start + _BLOCK].T) / 2
        cosines = described.features[block] @ described.features[: start + _BLOCK].T
        near = (bits <= bounds.bits) | (cosines >= bounds.cosine)
        for row, place in np.argwhere(np.tril(near, start - 1)):
            index, other = int(row) + start, int(place)
            if index in dropped or other in dropped:
                continue
            why = _why(
                float(bits[row, other]),
                float(cosines[row, other]),
                float(np.sqrt(np.square(small[index] - small[other]).mean())),
                float(np.minimum(histograms[index], histograms[other]).sum()),
                bounds,
            )
            if not why:
                continue
            kin.append((index, other))
            same = captions[index] == captions[other]
            if same or np.array_equal(pictures[index], pictures[other]):
                dropped[index] = (other, why)
    return Likenesses(dropped, kin)


def _why(bits: float, cosine: float, colour: float, histogram: float, bounds: Bounds) -> str:
    if bits <= bounds.bits and colour <= bounds.colour:
        return f"pdq, {bits:.0f} bits differ"
    if cosine >= bounds.cosine and histogram >= bounds.histogram:
        return f"features, cosine {cosine:.3f}"
    return ""


def _colours(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 16·16·3) area means, and (N, 64) histograms that sum to 1."""
    count, height, width = pictures.shape[:3]
    small = np.empty((count, 16 * 16 * 3), np.float32)
    histograms = np.empty((count, 64), np.float32)
    rows, columns = height // 16, width // 16
    for index, picture in enumerate(pictures):
        even = picture[: rows * 16, : columns * 16].reshape(16, rows, 16, columns, 3)
        small[index] = even.mean((1, 3), dtype=np.float32).ravel()
        bins = (picture >> 6).astype(np.intp) @ np.array([16, 4, 1])
        counted = np.bincount(bins.ravel(), minlength=64)
        histograms[index] = counted / counted.sum()
    return small, histograms


def groups(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Join indices that pairs connect: for each of `count`, the smallest index of its group."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in pairs:
        a, b = root(one), root(other)
        parent[max(a, b)] = min(a, b)
    return [root(index) for index in range(count)]
