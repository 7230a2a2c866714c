"""Distances between two sets of pictures, over the features of a network that is always named.

FID is known for Inception features; over another network it is another number.  Nothing here may be
compared with published FIDs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdk.errors import DataError

Features = NDArray[np.floating]
"""(N, D), one row for each picture."""


def frechet(real: Features, made: Features) -> float:
    """Fréchet distance of two Gaussians, |m - n|² + tr(A + B - 2 (AB)^½) (arXiv:1706.08500, eq. 6).

    Covariances with N - 1.  The trace of the root comes from the eigenvalues of AB, which has
    real, non-negative ones; tiny negative ones are rounding.

    Raises:
        DataError: fewer than two pictures on a side, or features of different width.
    """
    _fit(real, made)
    a, b = real.astype(np.float64), made.astype(np.float64)
    gap = a.mean(0) - b.mean(0)
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(one @ other).real, 0, None))
    distance = float(gap @ gap + np.trace(one) + np.trace(other) - 2 * roots.sum())
    return max(0.0, distance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """KID with its spread over subsets."""

    mean: float
    std: float
    subsets: int
    size: int


def kernel(
    real: Features, made: Features, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> Kernel:
    """Squared maximum mean discrepancy, unbiased (arXiv:1801.01401, section 4 and eq. 4).

    Kernel (x·y / D + 1)³; the diagonals are left out.  Subsets of at most `size` pictures; unlike
    FID it does not shrink with N, and it may be below 0.

    Raises:
        DataError: fewer than two pictures on a side, or features of different width.
    """
    _fit(real, made)
    rng = np.random.default_rng(seed)
    size = min(size, len(real), len(made))
    found = []
    for _ in range(subsets):
        a = real[rng.choice(len(real), size, replace=False)].astype(np.float64)
        b = made[rng.choice(len(made), size, replace=False)].astype(np.float64)
        found.append(_discrepancy(a, b))
    return Kernel(mean=float(np.mean(found)), std=float(np.std(found)), subsets=subsets, size=size)


def _discrepancy(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    width, n = a.shape[1], len(a)
    inner_a, inner_b = (a @ a.T / width + 1) ** 3, (b @ b.T / width + 1) ** 3
    cross = (a @ b.T / width + 1) ** 3
    within = (inner_a.sum() - np.trace(inner_a) + inner_b.sum() - np.trace(inner_b)) / (n * (n - 1))
    return float(within - 2 * cross.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Whether pictures look real, and whether all that is real occurs."""

    precision: float
    """Share of made pictures inside the real ones' neighbourhoods."""
    recall: float
    """Share of real pictures inside the made ones' neighbourhoods."""
    neighbours: int


def coverage(real: Features, made: Features, neighbours: int = 3) -> Coverage:
    """Improved precision and recall (arXiv:1904.06991, eq. 2).

    Raises:
        DataError: too few pictures for the neighbourhoods.
    """
    _fit(real, made, least=neighbours + 1)
    return Coverage(
        precision=_inside(made, real, neighbours),
        recall=_inside(real, made, neighbours),
        neighbours=neighbours,
    )


def _inside(points: Features, support: Features, neighbours: int) -> float:
    radii = np.sort(_distances(support, support), axis=1)[:, neighbours]
    return float((_distances(points, support) <= radii[None]).any(1).mean())


def _distances(a: Features, b: Features) -> NDArray[np.float64]:
    one, other = a.astype(np.float64), b.astype(np.float64)
    square = np.square(one).sum(1)[:, None] + np.square(other).sum(1)[None] - 2 * one @ other.T
    found: NDArray[np.float64] = np.sqrt(np.clip(square, 0, None))
    return found


def vendi(features: Features) -> float:
    """Effective number of different pictures, 1..N (arXiv:2210.02410, definition 3.1).

    The exponential of the entropy of the eigenvalues of K / N, K the cosines of unit vectors.
    """
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    # The Gram matrix of columns has the same eigenvalues that are not 0, and is smaller.
    small = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    values = np.linalg.eigvalsh(small / len(unit))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _fit(real: Features, made: Features, least: int = 2) -> None:
    if min(len(real), len(made)) < least or real.shape[1] != made.shape[1]:
        raise DataError(
            f"asked to compare {real.shape} with {made.shape} features; give at least {least} "
            "pictures on each side, seen by the same network"
        )
