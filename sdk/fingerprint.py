"""A perceptual fingerprint: pictures that look alike have fingerprints that are close.

    mine = fingerprint(Picture(pixels))         # 32 bytes
    likeness(mine, other)                       # 1 same, about 0.5 unrelated

256 bits, one for each low frequency: the sign of the coefficient against the median, over the
16 × 16 lowest frequencies but the mean of a discrete cosine transform of 64 × 64 grey values
(the "pHash" of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
2010, section 3.2.1, which has 64 bits from 32 × 32).  It survives re-encoding and resizing, not
cropping or turning; those are the watermark's business.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sdk.pixels import Picture

BYTES = 32
BANDS = 11
"""Of a fingerprint: the shorter a band, the more strangers share it.  At 10 million files 23 bits
leave 275 to compare with, and 16 bits without neighbours left 2,400 (benchmarks/recovery.py)."""
WITHIN = 2 * BANDS - 1
"""Differing bits up to which the bands find every fingerprint."""
SIDE = 64
_LOW = 16
_PLACE = 24
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def fingerprint(picture: Picture) -> bytes:
    """Return the 32-byte fingerprint of a picture."""
    grey = picture.resized(SIDE).astype(np.float64) @ _LUMA
    basis = _cosines()
    low = (basis @ grey @ basis.T).reshape(-1)[_order()]
    return np.packbits(low > np.median(low)).tobytes()


def likeness(one: bytes, other: bytes) -> float:
    """Return the share of equal bits of two fingerprints, 0..1."""
    difference = int.from_bytes(one) ^ int.from_bytes(other)
    return 1.0 - difference.bit_count() / (8 * BYTES)


def bands(mark: bytes) -> list[int]:
    """Return 11 numbers of 28 bits: place and value of each band of 23 or 24 bits."""
    number = int.from_bytes(mark)
    return [
        (place << _PLACE) | ((number >> low) & ((1 << bits) - 1))
        for place, (low, bits) in enumerate(_bands())
    ]


def near_bands(mark: bytes) -> list[list[int]]:
    """Return for each band its number and those of the 23 or 24 that differ in one bit.

    Multi-index hashing (Norouzi, Punjani, Fleet, Fast Search in Hamming Space, CVPR 2012, section
    3.2): of 11 bands one differs in at most one bit when fewer than 22 bits differ in all.
    """
    return [
        [band, *(band ^ (1 << bit) for bit in range(bits))]
        for band, (_, bits) in zip(bands(mark), _bands(), strict=True)
    ]


@lru_cache(maxsize=1)
def _bands() -> list[tuple[int, int]]:
    """Lowest bit and number of bits of each band."""
    ends = [8 * BYTES * place // BANDS for place in range(BANDS + 1)]
    return [(low, high - low) for low, high in pairwise(ends)]


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """(17, 64): the lowest 17 rows of the orthonormal DCT-II matrix."""
    k, n = np.mgrid[0 : _LOW + 1, 0:SIDE]
    rows: NDArray[np.float64] = np.sqrt(2.0 / SIDE) * np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE))
    return rows


@lru_cache(maxsize=1)
def _order() -> NDArray[np.intp]:
    """The 256 lowest frequencies after the mean, dealt to 16 pairs of bytes like cards.

    Low frequencies are the steady ones; dealing gives each stretch of bits some of them.
    """
    k, n = np.mgrid[0 : _LOW + 1, 0 : _LOW + 1]
    lowest = np.argsort((k * k + n * n).reshape(-1), kind="stable")[1 : 8 * BYTES + 1]
    return lowest.reshape(BYTES // 2, 16).T.reshape(-1)
