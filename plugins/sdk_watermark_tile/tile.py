"""The tile: a keyed pattern of carriers, drawn by the embedder and read by the detector."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .coding import encode
from .image import Plane
from .keys import TILE, Key, Nonce, carriers

Spectrum = NDArray[np.complex64]

SPLIT = 16
"""Carriers up to |k| = SPLIT cycles per tile form the low band, the others the high band."""
_RANGE = (0.35, 2.2)
"""How far informed embedding may lower or raise a code bit's carriers."""
_FAVOUR = (0.15, 3.0)
"""How far a carrier's energy may be from its band's median, before that of all is put right."""


def coefficients(key: Key, member: int, payload: bytes) -> Spectrum:
    """Return ±1 ± 1j for every carrier, (len(carriers()),), in the carriers' order."""
    which, signs = key.slots(member)
    code = 1 - 2 * encode(payload).astype(np.float32)
    values = code[which] * signs
    out = np.empty(len(carriers()), np.complex64)
    out[key.pilots] = key.pilot_signs[member]
    out[key.data] = values[0::2] + 1j * values[1::2]
    return out


def informed(values: Spectrum, key: Key, nonce: Nonce, host: Spectrum, reach: Plane) -> Spectrum:
    """Raise the carriers of code bits that the picture itself argues against, lower the others.

    `host` is the picture's own folded spectrum (TILE, TILE) as the detector sees it, `reach` what
    a carrier of magnitude 1 would add to it, (len(carriers()),).  Done per code bit and band, so
    that the low band alone can be read when the high one is lost.  Improved spread spectrum
    (Malvar & Florêncio 2003) on code bits instead of chips: it costs a tenth of the energy there.
    """
    which, _ = key.slots(nonce.member)
    waves = carriers()
    turns = (waves[:, 0] * nonce.dy + waves[:, 1] * nonce.dx) * (2 * math.pi / TILE)
    own = host[waves[:, 0] % TILE, waves[:, 1] % TILE] * np.exp(1j * turns)
    noise = _ring_power(own)
    push, pull = _slots(own[key.data] * reach[key.data] / noise[key.data], values[key.data])
    gain = np.repeat(reach[key.data] ** 2 / noise[key.data], 2)
    factors = np.ones(len(which), np.float32)
    for band in (_low()[key.data], ~_low()[key.data]):
        slots = np.repeat(band, 2)
        bits = which[slots]
        against = np.bincount(bits, (push * pull)[slots], minlength=int(which.max()) + 1)
        with_us = np.bincount(bits, gain[slots], minlength=int(which.max()) + 1)
        factor = np.clip(1 - against / np.maximum(with_us, 1e-9), *_RANGE)[bits]
        factors[slots] = factor / math.sqrt(float(np.mean(factor**2)))
    out = values.copy()
    data = values[key.data]
    out[key.data] = data.real * factors[0::2] + 1j * data.imag * factors[1::2]
    return out


def favoured(host: Spectrum, reach: Plane) -> Plane:
    """Return the factors that give carriers more where less of the picture is in their way.

    `host` and `reach` as of `informed`.  A carrier's energy goes as the signal to noise that one
    of even strength would have in its ring, cut off 8 dB below and 5 dB above its band's median;
    each band keeps its energy, (len(carriers()),).
    """
    waves = carriers()
    clear = reach**2 / _ring_power(host[waves[:, 0] % TILE, waves[:, 1] % TILE])
    out = np.empty_like(reach)
    for band in (_low(), ~_low()):
        energy = np.clip(clear[band] / np.median(clear[band]), *_FAVOUR)
        out[band] = np.sqrt(energy / energy.mean())
    return out


def draw(values: Spectrum, nonce: Nonce, side: int) -> tuple[Plane, Plane]:
    """Return one period of the low and of the high band's carriers, each (side, side).

    Pixel (y, x) is the real part of the sum of value * exp(2 pi j (ky (y - Dy) + kx (x - Dx)) /
    side), where (Dy, Dx) is the nonce's shift scaled from TILE to `side` pixels; scaled so that
    values of magnitude sqrt(2) give variance 1 in each band.
    """
    waves = carriers()
    turns = (waves[:, 0] * nonce.dy + waves[:, 1] * nonce.dx) / TILE
    shifted = values * np.exp(-2j * math.pi * turns)
    low = _low()
    return _band(shifted, low, side), _band(shifted, ~low, side)


def amplitude() -> NDArray[np.float32]:
    """Return each carrier's amplitude for |value| = 1, as `draw` scales it."""
    low = _low()
    per_band = [0.5 / math.sqrt(np.count_nonzero(b)) for b in (low, ~low)]
    return np.where(low, *per_band).astype(np.float32)


def is_low() -> NDArray[np.bool_]:
    """Return which carriers are in the low band."""
    return _low()


def _band(values: Spectrum, band: NDArray[np.bool_], side: int) -> Plane:
    half = np.zeros((side, side // 2 + 1), np.complex64)
    waves, scaled = carriers()[band], values[band] * amplitude()[band]
    right, left = waves[:, 1] >= 0, waves[:, 1] <= 0
    half[waves[right, 0] % side, waves[right, 1]] = scaled[right]
    half[-waves[left, 0] % side, -waves[left, 1]] = np.conj(scaled[left])
    plane: Plane = np.fft.irfft2(half, (side, side), norm="forward").astype(np.float32)
    return plane


def _slots(a: Spectrum, b: Spectrum) -> tuple[Plane, Plane]:
    """Real and imaginary parts side by side, (2 n,) each."""
    return _flat(a), _flat(b)


def _flat(a: Spectrum) -> Plane:
    return np.stack([a.real, a.imag], axis=1).reshape(-1).astype(np.float32)


def _ring_power(own: Spectrum) -> Plane:
    """Mean power of each carrier's ring, one cycle wide."""
    waves = carriers()
    ring = np.hypot(waves[:, 0], waves[:, 1]).astype(np.int64)
    power = np.bincount(ring, np.abs(own) ** 2) / np.maximum(np.bincount(ring), 1)
    out: Plane = (power[ring] + 1e-6).astype(np.float32)
    return out


@lru_cache(maxsize=1)
def _low() -> NDArray[np.bool_]:
    waves = carriers()
    low: NDArray[np.bool_] = (waves**2).sum(1) <= SPLIT * SPLIT
    return low
