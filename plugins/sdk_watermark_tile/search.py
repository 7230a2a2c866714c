"""Looks for a mark under more and more transforms, and counts what it looked at.

Order: the picture as it is at each of the three densities; the eight symmetries; what one colour
surrounds (screenshots, pages); square lattices (crop, scale, rotation); whole pictures of
another common shape; upright and oblique lattices (aspect, shear); pitches of common picture sizes
(small crops).  The search ends at the first frame whose CRC and version agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .coding import CHECK_BITS, LIST, Frame, decode
from .content import content
from .image import Plane, box_mean, canonical, glimpse
from .keys import BANK, DENSITIES, TILE, Key
from .lattice import Autocorrelation, Basis
from .residual import residual
from .spectrum import (
    SYMMETRIES,
    Lock,
    best_lock,
    fold,
    lock_log10_p,
    read_soft,
    whiten,
)
from .tile import Spectrum

MAX_DECODES = 12
"""Decodings per picture; MAX_DECODES * LIST * 2**-36 < 9e-10 bounds false accepts."""
_DECODE_Z = 5.3
_GLANCE_Z = 7.0
"""A lock at some of the pixels below which all of them are looked at."""
_REFINE_Z = 5.4
_CLIMBS = 2
"""Lattices that are refined per picture, 16 folds each."""
_LEAST = 96
"""Short side below which what one colour surrounds is not looked at."""
_SHORT_SIDES = (512, 640, 768, 832, 896, 1024, 1080, 1152, 1280, 1440, 1536, 2048)
"""Short sides that pictures are drawn at: a crop keeps the pitch of one of these over 4."""
_SHAPES = (1, 5 / 4, 4 / 5, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16)
_ALL = tuple(range(len(SYMMETRIES)))
_MOVES = tuple(
    sign * np.array(move, float)
    for move in (((1, 0), (0, 1)), ((0, 1), (-1, 0)), ((1, 0), (0, -1)), ((0, 1), (1, 0)))
    for sign in (1, -1)
)
"""Scale, turn, stretch and shear, both ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A frame that was read, and how."""

    frame: Frame
    key: int
    """Index of the key in the ring."""
    lock: Lock
    basis: Basis
    """Lattice in canonical pixels of the picture at hand."""
    agreement: float
    """0..1: share of the soft values' weight that the frame explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A lattice under which the pilot was looked for, and the best that was found."""

    basis: Basis
    x: Spectrum
    key: int
    lock: Lock


@dataclass(slots=True, kw_only=True)
class Search:
    """One picture's search; `run` fills the counters."""

    keys: Sequence[Key]
    hypotheses: int = 0
    """Pilot correlations computed."""
    decodes: int = 0
    climbs: int = 0
    best_z: float = 0.0
    hit: Hit | None = None

    def run(self, pixels: NDArray[np.uint8], natural: int) -> Hit | None:
        """Search; `natural` is the density that a whole picture of this size would have."""
        if self.glance(glimpse(pixels, TILE * natural), natural):
            return self.hit
        full = canonical(pixels, TILE * DENSITIES[0])
        order = sorted(DENSITIES, key=lambda tiles: tiles != natural)
        folded = {}
        for symmetries in (_ALL[:1], _ALL[1:]):
            for tiles in order:
                if tiles not in folded:
                    plane = residual(box_mean(full, DENSITIES[0] // tiles))
                    folded[tiles] = whiten(fold(plane))
                basis = np.eye(2) * (TILE * DENSITIES[0] / tiles)
                if self._read(self._correlate(folded[tiles], basis, symmetries)):
                    return self.hit
        if self._framed(pixels):
            return self.hit
        return self._geometric(residual(full), natural, min(pixels.shape[:2]))

    def log10_p(self) -> float:
        """Bound log10 P(an unmarked picture looks this marked), over everything searched."""
        pilot = lock_log10_p(self.best_z, max(self.hypotheses, 1))
        if self.hit is None:
            return pilot
        return pilot + math.log10(MAX_DECODES * LIST) - CHECK_BITS * math.log10(2)

    def glance(self, plane: Plane, natural: int) -> Hit | None:
        """Look at a glimpse of the picture as it is: so few pixels that its size does not matter.

        Enough for most marks: of photos from 2048 px z was at most 15 % lower, also after JPEG 75.
        """
        x = whiten(fold(residual(plane)))
        basis = np.eye(2) * (TILE * DENSITIES[0] / natural)
        candidate = self._correlate(x, basis, _ALL[:1])
        if candidate.lock.z > _GLANCE_Z and self._read(candidate):
            return self.hit
        return None

    def _framed(self, pixels: NDArray[np.uint8]) -> Hit | None:
        """Look at what one colour surrounds: screenshots, padding, pages."""
        inner = pixels[content(pixels)]
        short = min(inner.shape[:2])
        if inner.shape == pixels.shape or short < _LEAST:
            return None
        full = canonical(inner, TILE * DENSITIES[0])
        for tiles in DENSITIES[:2]:
            x = whiten(fold(residual(box_mean(full, DENSITIES[0] // tiles))))
            basis = np.eye(2) * (TILE * DENSITIES[0] / tiles * short / min(pixels.shape[:2]))
            if self._read(self._correlate(x, basis, _ALL)):
                return self.hit
        return None

    def _geometric(self, plane: Plane, natural: int, short: int) -> Hit | None:
        for bases, symmetries in _guesses(plane, natural, short):
            found = [self._correlate(*_seen(plane, b), symmetries) for b in _distinct(bases)]
            found.sort(key=lambda candidate: -candidate.lock.z)
            if found and self._read(found[0]):
                return self.hit
            for candidate in found[:2]:
                if candidate.lock.z < _REFINE_Z or self.climbs >= _CLIMBS:
                    break
                if self._read(self._climbed(plane, candidate)):
                    return self.hit
        return None

    def _correlate(self, x: Spectrum, basis: Basis, symmetries: Sequence[int]) -> Candidate:
        """Look for each key's pilot; the strongest counts.

        The low band alone is a second hypothesis with a quarter as many values.
        """
        locks = [best_lock(x, key, symmetries) for key in self.keys]
        self.hypotheses += len(locks) * len(symmetries) * len(BANK) * 5 // 4
        index = max(range(len(locks)), key=lambda i: locks[i].z)
        self.best_z = max(self.best_z, locks[index].z)
        return Candidate(basis=basis, x=x, key=index, lock=locks[index])

    def _read(self, candidate: Candidate) -> bool:
        """Decode where the pilot stands out, a bounded number of times; say whether it worked."""
        lock, key = candidate.lock, self.keys[candidate.key]
        least = _DECODE_Z if self.decodes else 0  # the picture as it is deserves a try at any z
        if lock.z < least or self.decodes >= MAX_DECODES:
            return False
        self.decodes += 1
        soft = read_soft(candidate.x, key, lock)
        frame = decode(soft, BANK[lock.member])
        if frame is None:
            return False
        explained = float((soft * (1 - 2 * frame.code_bits)).sum() / np.abs(soft).sum())
        self.best_z = lock.z
        self.hit = Hit(
            frame=frame, key=candidate.key, lock=lock, basis=candidate.basis, agreement=explained
        )
        return True

    def _climbed(self, plane: Plane, start: Candidate) -> Candidate:
        """Follow the pilot uphill over the four numbers of the lattice."""
        self.climbs += 1
        best = start
        for step in (0.003, 0.0012):
            for move in _MOVES:
                near = best.basis @ (np.eye(2) + step * move)
                tried = self._correlate(*_seen(plane, near), [start.lock.symmetry])
                if tried.lock.z > best.lock.z:
                    best = tried
        return best


def _seen(plane: Plane, basis: Basis) -> tuple[Spectrum, Basis]:
    return whiten(fold_along(plane, basis)), basis


def _distinct(bases: list[Basis]) -> list[Basis]:
    """Drop lattices that are within half a pixel of an earlier one."""
    kept: list[Basis] = []
    for basis in bases:
        if all(np.abs(basis - other).max() > 0.5 for other in kept):
            kept.append(basis)
    return kept


def fold_along(plane: Plane, basis: Basis) -> Plane:
    """Add all periods of a lattice: each pixel goes to the nearest of TILE x TILE cells."""
    if not basis[0, 1] and not basis[1, 0]:
        rows = _gathered(plane, basis[0, 0])
        return np.ascontiguousarray(_gathered(np.ascontiguousarray(rows.T), basis[1, 1]).T)
    inverse = np.linalg.inv(basis).astype(np.float32) * np.float32(TILE)
    y = np.arange(plane.shape[0], dtype=np.float32)[:, None]
    x = np.arange(plane.shape[1], dtype=np.float32)[None]
    row = np.floor(inverse[0, 0] * y + inverse[0, 1] * x).astype(np.int32) & (TILE - 1)
    column = np.floor(inverse[1, 0] * y + inverse[1, 1] * x).astype(np.int32) & (TILE - 1)
    row *= TILE
    row += column
    sums = np.bincount(row.reshape(-1), plane.reshape(-1), minlength=TILE * TILE)
    return sums.reshape(TILE, TILE).astype(np.float32)


def _gathered(plane: Plane, pitch: float) -> Plane:
    """Add the rows that fall into each of TILE cells of a period of `pitch` rows: 5 times faster
    than counting pixels one by one."""
    cells = np.floor(np.arange(len(plane)) * (TILE / pitch)).astype(np.intp) % TILE
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    out = np.zeros((TILE, plane.shape[1]), np.float32)
    out[found] = np.add.reduceat(plane[order], starts, axis=0)
    return out


def stretched(shape: tuple[int, ...], tiles: int) -> list[Basis]:
    """Return the lattices of whole pictures that had another, common shape before."""
    height, width = shape
    bases = []
    for ratio in _SHAPES:  # width / height when it was marked
        if 0.02 < abs(math.log(ratio * height / width)) < 0.7:
            down, right = tiles * max(1, 1 / ratio), tiles * max(1, ratio)
            bases.append(np.diag([height / down, width / right]))
    return bases


def _guesses(
    plane: Plane, natural: int, short: int
) -> Iterator[tuple[list[Basis], tuple[int, ...]]]:
    correlation = Autocorrelation(plane, natural)
    yield correlation.squares(4), _ALL
    yield stretched(plane.shape, natural), _ALL[:1]
    yield correlation.upright(3), _ALL
    yield correlation.oblique(5), _ALL
    pitch = TILE * DENSITIES[0] / short
    common = [np.eye(2) * (side / 4 * pitch) for side in _SHORT_SIDES if side > 1.05 * short]
    if common:
        yield common, _ALL[:1]
