"""Finds the pilot in a folded picture and reads the data carriers under it.

folded = fold(residual(luma))           # (TILE, TILE): all periods on top of each other
x = whiten(folded)                      # (TILE, TILE) complex64, about unit power
lock = best_lock(x, key, [0])           # which member, which shift, how sure
soft = read_soft(x, key, lock)          # one soft value per code bit
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .coding import code_length
from .image import Plane
from .keys import BANK, RING, TILE, Key, carriers
from .tile import Spectrum, is_low

SYMMETRIES: tuple[tuple[int, int, int, int], ...] = (
    (1, 0, 0, 1),
    (0, 1, -1, 0),
    (-1, 0, 0, -1),
    (0, -1, 1, 0),
    (1, 0, 0, -1),
    (0, 1, 1, 0),
    (-1, 0, 0, 1),
    (0, -1, -1, 0),
)
"""Matrices (yy, yx, xy, xx) that take the marked picture's wave vectors to those of the picture
at hand: turned by 0, 90, 180, 270 degrees counter-clockwise, then the same after a mirror."""

_SHORTLIST = 8
"""Correlations computed at every shift, of all symmetries and members."""
_SURE = 9.0
"""A lock above which the low band need not be asked: 1e-14 for all correlations of one search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Where the pilot correlates best."""

    z: float
    """Peak of the correlation in units of its root mean square."""
    symmetry: int
    """Index into SYMMETRIES."""
    member: int
    """Index into BANK."""
    dy: float
    dx: float
    """Shift of the tile in canonical pixels, 0 <= shift < TILE, with sub-pixel part."""


def fold(plane: Plane) -> Plane:
    """Add all TILE x TILE periods, partial ones too; the origin is the first pixel."""
    rows, columns = (-(-n // TILE) for n in plane.shape)
    if plane.shape != (rows * TILE, columns * TILE):
        padded = np.zeros((rows * TILE, columns * TILE), np.float32)
        padded[: plane.shape[0], : plane.shape[1]] = plane
        plane = padded
    down = np.add.reduce(plane.reshape(rows, TILE, columns * TILE), axis=0)
    folded: Plane = np.add.reduce(down.reshape(TILE, columns, TILE), axis=1)
    return folded


def spectrum(folded: Plane) -> Spectrum:
    """Return the Fourier transform of the luma behind a folded residual, (TILE, TILE)."""
    x: Spectrum = (np.fft.fft2(folded) * _integrate()).astype(np.complex64)
    return x


@lru_cache(maxsize=1)
def _integrate() -> Plane:
    """Undo the two differences of `residual`: one over their transfer function, bounded."""
    response = 4 * np.sin(2 * math.pi * np.fft.fftfreq(TILE)) ** 2
    out: Plane = (1 / np.maximum(response[:, None] + response, 0.2)).astype(np.float32)
    return out


def whiten(folded: Plane) -> Spectrum:
    """Return the spectrum divided by its local root mean square, (TILE, TILE) complex64.

    The local power is a 7 x 7 box in the frequency plane; carriers that stand out of it by more
    than 3 are limited, so that a periodic texture cannot outvote the rest.
    """
    x = spectrum(folded)
    power = x.real**2 + x.imag**2
    around = _box7(_box7(power).T).T * np.float32(1 / 49)
    size = np.sqrt(power / (around + np.float32(1e-12)))
    scale = np.minimum(1, 3 / np.maximum(size, 1e-6)) / np.sqrt(around + np.float32(1e-12))
    out: Spectrum = x * scale.astype(np.float32)
    return out


def best_lock(x: Spectrum, key: Key, symmetries: Sequence[int]) -> Lock:
    """Return the strongest correlation over bank, shifts and the given symmetries, in two bands.

    All pilots, and those of the low band alone: where shrinking and JPEG left nothing of the high
    one, which has four fifths of the pilots, z is half as large again without it.
    """
    low = is_low()[key.pilots]
    every = _band_lock(x, key, symmetries, np.ones_like(low), TILE)
    if every.z > _SURE:
        return every
    alone = _band_lock(x, key, symmetries, low, TILE // 2)
    return every if every.z >= alone.z else alone


def own_lock(x: Spectrum, key: Key, members: Sequence[int]) -> Lock:
    """Return what `best_lock` does of an upright picture that was marked with one of `members`.

    A lock of theirs above _SURE is the strongest: another's would have to be one by chance.
    """
    own = _band_lock(x, key, [0], np.ones(len(key.pilots), np.bool_), TILE, members)
    return own if own.z > _SURE else best_lock(x, key, [0])


def _band_lock(
    x: Spectrum,
    key: Key,
    symmetries: Sequence[int],
    band: NDArray[np.bool_],
    side: int,
    members: Sequence[int] = range(len(BANK)),
) -> Lock:
    """Return the strongest correlation of a band's pilots at side x side shifts.

    With more than one symmetry only the candidates that look best at half as many shifts each way
    are correlated at every one: 4 times as fast, and a lock of z 8 is lost in fewer than 1 of 100.
    """
    index = key.pilots[band]
    seen = x.reshape(-1)[_gather()[list(symmetries)][:, index]]
    # Each symmetry by its own power: a grating's is large at the pilots of some, small at others'.
    power = np.sum(seen.real**2 + seen.imag**2, axis=1, keepdims=True)
    seen = seen / np.sqrt(np.maximum(4 * power, 1e-18))
    signs = key.pilot_signs[members][:, band]
    product = (seen[:, None, :] * np.conj(signs)).reshape(-1, len(index))
    waves = carriers()[index]
    chosen = np.arange(len(product))
    if len(chosen) > _SHORTLIST:
        coarse = _correlate(product, waves, side // 2).reshape(len(product), -1).max(1)
        chosen = np.argsort(-coarse)[:_SHORTLIST]
    planes = _correlate(product[chosen], waves, side)
    peaks = planes.reshape(len(chosen), -1).max(1)
    best = int(peaks.argmax())
    plane = planes[best]
    if side < TILE:
        plane = _correlate(product[chosen[best] : chosen[best] + 1], waves, TILE)[0]
    peak = int(plane.argmax())
    dy, dx = _sub_pixel(plane, peak)
    which, member = divmod(int(chosen[best]), len(members))
    z = float(plane.reshape(-1)[peak])
    return Lock(z=z, symmetry=symmetries[which], member=members[member], dy=dy, dx=dx)


def read_soft(x: Spectrum, key: Key, lock: Lock) -> NDArray[np.float32]:
    """Return soft code bits, (code_length,) float32, positive for 0, mean magnitude 1.

    Each ring of carriers is weighted by what its pilots say: amplitude over noise power.
    """
    waves = carriers()
    turns = (waves[:, 0] * lock.dy + waves[:, 1] * lock.dx) * (2 * math.pi / TILE)
    seen = x.reshape(-1)[_gather()[lock.symmetry]] * np.exp(1j * turns).astype(np.complex64)
    pilots = seen[key.pilots] * np.conj(key.pilot_signs[lock.member])
    weight = _ring_weights(pilots, key.pilots)[key.data]
    data = seen[key.data] * weight
    which, signs = key.slots(lock.member)
    values = np.empty(2 * len(data), np.float32)
    values[0::2], values[1::2] = data.real, data.imag
    soft = np.bincount(which, values * signs, minlength=code_length(BANK[lock.member]))
    scaled: NDArray[np.float32] = np.asarray(soft / (np.abs(soft).mean() + 1e-12), np.float32)
    return scaled


def lock_log10_p(z: float, hypotheses: int) -> float:
    """Return log10 P(any of so many correlations of an unmarked picture peaks at z or above).

    A correlation has TILE² values, each close to a Gaussian of unit variance because its signs are
    the key's; all are taken as independent, which bounds the tail.  The smooth field behind them
    (Adler & Taylor 2007, section 11.7) has higher peaks, between the values, where nobody looks:
    its expected Euler characteristic was 2.5 to 5 times what is seen in unmarked pictures.
    """
    share = 0.5 * math.erfc(z / math.sqrt(2))
    none = TILE * TILE * hypotheses * math.log1p(-share)
    return min(0.0, math.log10(max(-math.expm1(none), 1e-300)))


def _ring_weights(pilots: Spectrum, index: NDArray[np.intp]) -> NDArray[np.float32]:
    """(len(carriers()),): amplitude / noise power of each carrier's ring, never negative."""
    rings = _rings()
    inside = rings[index]
    count = np.maximum(np.bincount(inside, minlength=rings.max() + 1), 1)
    total = np.bincount(inside, pilots.real, minlength=len(count)) / count
    noise = np.bincount(inside, pilots.imag**2, minlength=len(count)) / count
    weight = np.maximum(total, 0.02) / (noise + 1e-6)
    return weight[rings].astype(np.float32)


@lru_cache(maxsize=1)
def _rings() -> NDArray[np.int64]:
    radius = np.hypot(*carriers().T)
    rings: NDArray[np.int64] = ((radius - RING[0]) / 4).astype(np.int64)
    return np.minimum(rings, (RING[1] - RING[0]) // 4 - 1)


@lru_cache(maxsize=1)
def _gather() -> NDArray[np.intp]:
    """(len(SYMMETRIES), carriers): flat index into a full spectrum for each symmetry."""
    ky, kx = carriers().T
    rows = []
    for yy, yx, xy, xx in SYMMETRIES:
        rows.append(((yy * ky + yx * kx) % TILE) * TILE + (xy * ky + xx * kx) % TILE)
    return np.stack(rows)


def _correlate(products: Spectrum, waves: NDArray[np.int64], side: int) -> Plane:
    """Sum of products times exp(2 pi j k s / TILE) at side x side shifts s, (n, side, side).

    Only the columns that waves reach are transformed.  At side 64 the few waves beyond 31 are
    left out.
    """
    inside = np.abs(waves).max(1) < side // 2
    ky, kx = waves[inside].T
    columns = min(RING[1] + 1, side // 2)
    values = np.where(kx < 0, np.conj(products[:, inside]), products[:, inside])
    values *= np.where(kx == 0, 2, 1).astype(np.float32)  # the inverse counts column 0 once
    half = np.zeros((len(products), side, columns), np.complex64)
    place = np.where(kx < 0, -ky, ky) % side * columns + np.abs(kx)
    half.reshape(len(products), -1)[:, place] = values
    turned = np.fft.ifft(half, axis=1, norm="forward")
    planes: Plane = np.fft.irfft(turned, side, axis=2, norm="forward").astype(np.float32)
    return planes


def _sub_pixel(plane: Plane, peak: int) -> tuple[float, float]:
    """Refine a peak's place by a parabola through its neighbours along each axis."""
    y, x = divmod(peak, TILE)
    centre = float(plane[y, x])

    def vertex(before: float, after: float) -> float:
        bend = before - 2 * centre + after
        return 0.5 * (before - after) / bend if bend < 0 else 0.0

    dy = vertex(float(plane[y - 1, x]), float(plane[(y + 1) % TILE, x]))
    dx = vertex(float(plane[y, x - 1]), float(plane[y, (x + 1) % TILE]))
    return (y + dy) % TILE, (x + dx) % TILE


def _box7(plane: Plane) -> Plane:
    """Sum over 7 neighbours along axis 0, wrapping around."""
    wrapped = np.concatenate([plane[-4:], plane, plane[:3]])
    total = np.cumsum(wrapped, axis=0, dtype=np.float64)
    out: Plane = (total[7:] - total[:-7]).astype(np.float32)
    return out
