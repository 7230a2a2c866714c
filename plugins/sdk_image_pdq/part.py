"""The known-picture filter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import Finding, Picture, PluginError, Request

from .bank import BITS, Bank, read_bank

MAX_DISTANCE = 31
"""Bits of 256 in which a match may differ (Meta, "The TMK+PDQF video-hashing algorithm and the
PDQ image-hashing algorithm", 2019).  Measured on 125 photographs: 98-100 % are found after JPEG
30, half size, mirroring and quarter turns; 4 % after a crop of 5 %, 1 % after a turn of 3 degrees;
the nearest of 124 others, in eight positions, differs in 92 bits."""
MIN_QUALITY = 50
"""PDQ's own measure, 0..100; flat pictures below it have hashes that mean nothing."""


class PdqFilter:
    """Measures how near a picture is to any known one.

    Args:
        banks: files of hashes, see `bank.py`; at least one.
        max_distance: bits in which a match may differ; at it the score is 0.5, at 0 it is 1.
        min_quality: pictures of less PDQ quality score 0, and the finding says so.

    Raises:
        PluginError: a setting or bank is wrong, or `pdqhash` is not installed.
    """

    def __init__(
        self,
        *,
        banks: Sequence[str] = (),
        max_distance: int = MAX_DISTANCE,
        min_quality: int = MIN_QUALITY,
    ) -> None:
        if isinstance(banks, str) or not banks or not all(isinstance(b, str) for b in banks):
            raise PluginError(f"asked for banks {banks!r}; give a list of at least one file")
        for name, value, top in (
            ("max_distance", max_distance, BITS // 4),
            ("min_quality", min_quality, 100),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
                raise PluginError(f"asked for {name} {value!r}; give a whole number 0..{top}")
        self.categories: Sequence[str] = ("known",)
        self._distance, self._quality = max_distance, min_quality
        self._banks = [read_bank(Path(bank).expanduser()) for bank in banks]
        hashes = "".join(one for bank in self._banks for one in bank.hexes())
        self._sha256 = hashlib.sha256(hashes.encode()).hexdigest()
        hash_pixels(np.zeros((64, 64, 3), np.uint8))  # a missing package is an error now, not later

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return one finding: 1 for a known picture, 0.5 at max_distance, 0 from twice that."""
        hashes, quality = hash_pixels(picture.pixels)
        if quality < self._quality:
            return [self._finding(0.0, f"PDQ quality {quality}: too flat to compare")]
        bank, distance, index = self._nearest(hashes)
        score = (
            max(0.0, 1.0 - distance / (2 * self._distance + 1e-9))
            if self._distance
            else (1.0 if distance == 0 else 0.0)
        )
        return [self._finding(score, f"{distance} of {BITS} bits from entry {index} of {bank}")]

    def _nearest(self, hashes: NDArray[np.uint64]) -> tuple[str, int, int]:
        found = [(bank.nearest(hashes), bank) for bank in self._banks]
        (distance, index), bank = min(found, key=lambda pair: pair[0][0])
        return bank.name, distance, index

    def _finding(self, score: float, note: str) -> Finding:
        return Finding(
            category="known",
            score=score,
            detector="pdq 1",
            weights_sha256=self._sha256,
            note=note,
        )


def hash_pixels(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], int]:
    """Return (8, 4) hashes of all turns and flips, and PDQ's quality 0..100.

    Raises:
        PluginError: `pdqhash` is not installed or cannot hash the picture.
    """
    try:
        import pdqhash
    except ImportError as exc:
        raise PluginError(
            "asked for PDQ hashes, found no package 'pdqhash'; "
            "run: pip install 'responsible-generation-sdk[safety]'"
        ) from exc
    try:
        vectors, quality = pdqhash.compute_dihedral(np.ascontiguousarray(pixels))
    except Exception as exc:
        raise PluginError(f"asked for PDQ hashes, found {exc}; the picture is not judged") from exc
    bits = np.packbits(np.asarray(vectors, np.uint8).reshape(-1, BITS), axis=1)
    words = np.frombuffer(bits.tobytes(), ">u8").reshape(-1, 4).astype(np.uint64)
    return words, int(quality)


def bank_of(pictures: Sequence[NDArray[np.uint8]], name: str = "pictures") -> Bank:
    """Make a bank of pictures of your own: (H, W, 3) uint8 RGB each."""
    return Bank(name=name, words=np.array([hash_pixels(one)[0][0] for one in pictures]))
