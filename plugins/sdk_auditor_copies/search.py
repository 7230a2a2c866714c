"""Finds the nearest of a million without looking at each: buckets for hashes, cells for features.

**Hashes**: 256 bits are 16 parts of 16.  Two hashes that differ in at most 31 bits differ in at
most one bit of some part (31 < 2 · 16), so looking up every part with none or one bit flipped finds
all of them: exact up to 31 bits, the bound of PDQ for a match (multi-index hashing: Norouzi,
Punjani, Fleet, CVPR 2012).  Beyond that the nearest may be missed: it would score less than .9.

**Features**: vectors are sorted into cells around centres; a query looks into the cells of the
`PROBES` nearest centres (inverted file: Jégou, Douze, Schmid, IEEE TPAMI 33 (2011), 117-128).  A
copy has nearly the vector of its original, so both fall into one cell or its neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pdq import differing_bits

PARTS = 16
PROBES = 4
_CELL = 1000
"""Vectors in a cell, about."""
_FIT = 64
"""Vectors for each centre that the centres are fitted to, at most."""


class Buckets:
    """The parts of (N, 32) uint8 hashes, sorted: where each value of each part stands."""

    def __init__(self, hashes: NDArray[np.uint8]) -> None:
        self._hashes = np.ascontiguousarray(hashes)
        parts = self._hashes.view(np.uint16)  # (N, 16)
        orders = [np.argsort(parts[:, i], kind="stable") for i in range(PARTS)]
        values = np.arange(65537)
        starts = [np.searchsorted(parts[o, i], values) for i, o in enumerate(orders)]
        self._order = np.concatenate(orders).astype(np.int32)
        self._starts = np.stack(starts) + np.arange(PARTS)[:, None] * len(hashes)  # (16, 65537)
        self._flips = np.concatenate([[0], 1 << np.arange(16)])

    def nearest(self, hashes: NDArray[np.uint8]) -> tuple[int, int]:
        """Return the nearest entry of (M, 32) hashes and its differing bits; 0 and 256 for none."""
        best, least = 0, 256
        for one in hashes:
            found = self._candidates(one.view(np.uint16))
            if found.size:
                bits = differing_bits(self._hashes[found], one)
                at = int(bits.argmin())
                if bits[at] < least:
                    best, least = int(found[at]), int(bits[at])
        return best, least

    def _candidates(self, parts: NDArray[np.uint16]) -> NDArray[np.int32]:
        """Every entry of which some part differs in at most one bit; several times, perhaps."""
        wanted = parts[:, None].astype(np.int64) ^ self._flips  # (16, 17)
        rows = np.arange(PARTS)[:, None]
        low = self._starts[rows, wanted].ravel()
        counts = self._starts[rows, wanted + 1].ravel() - low
        before = np.concatenate([[0], counts.cumsum()[:-1]])
        found: NDArray[np.int32] = self._order[
            np.repeat(low - before, counts) + np.arange(counts.sum())
        ]
        return found


class Cells:
    """(N, D) float32 unit vectors in cells; a small index is one cell, and its search exact."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        count = max(1, len(features) // _CELL)
        self._centres = _centres(features, count)
        cell = np.concatenate(
            [(part @ self._centres.T).argmax(1) for part in np.array_split(features, count)]
        )
        self._order = np.argsort(cell, kind="stable")
        self._starts = np.searchsorted(cell[self._order], np.arange(count + 1))
        self._features = np.ascontiguousarray(features[self._order])

    def nearest(self, queries: NDArray[np.float32]) -> tuple[int, float]:
        """Return the nearest entry of (K, D) queries and its cosine."""
        near = queries @ self._centres.T  # (K, cells)
        probes = min(PROBES, near.shape[1])
        chosen = np.unique(np.argpartition(-near, probes - 1, axis=1)[:, :probes])
        best, most = 0, -2.0
        for cell in chosen:
            low, high = self._starts[cell], self._starts[cell + 1]
            if low < high:
                cosines = (self._features[low:high] @ queries.T).max(1)
                at = int(cosines.argmax())
                if cosines[at] > most:
                    best, most = int(self._order[low + at]), float(cosines[at])
        return best, most


def _centres(features: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Spherical k-means over a fixed random part, five rounds: rough cells do."""
    chance = np.random.default_rng(0)
    part = features[chance.permutation(len(features))[: count * _FIT]]
    centres = part[:count].copy()
    for _ in range(5 if count > 1 else 0):
        blocks = np.array_split(part, max(1, len(part) // 4096))
        cell = np.concatenate([(block @ centres.T).argmax(1) for block in blocks])
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, part)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-12), centres)
    return centres.astype(np.float32)
