"""Marks one picture: measure it, shape the mark to it, add it, check that it can be read.

The detector alone defines the format; what happens here (strengths, bands, informed embedding)
is the encoder's freedom and may change without a new version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from .adding import Layer, fixed, levels, strips
from .canvas import Canvas
from .coding import decode
from .image import BLOCK, SPOT, Plane, box_mean, boxes, fitted
from .keys import BANK, DENSITIES, TILE, Key, members
from .residual import residual, sensitivity
from .shape import LARGE, SMALL, headroom, visibility
from .spectrum import (
    Lock,
    fold,
    own_lock,
    read_soft,
    spectrum,
    whiten,
)
from .surrogate import pushed, reencoded
from .tile import Spectrum, amplitude, coefficients, draw, favoured, informed, is_low

C = TypeVar("C", bound=Canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How hard the embedder tries."""

    smooth: float
    """Factor of the smooth areas' strength."""
    busy: float
    """Factor of the root mean square that busy pictures are held to."""
    reach: float
    """Rounding steps that a coefficient may be pushed, at full size."""
    reach_half: float
    """The same for the picture at half size."""
    room: float
    """Deviations of the mark that white and black make room for."""


EFFORTS = (
    Effort(smooth=1.0, busy=1.0, reach=0.0, reach_half=0.3, room=1.25),
    Effort(smooth=1.1, busy=1.2, reach=0.3, reach_half=0.33, room=1.5),
    Effort(smooth=1.25, busy=1.5, reach=0.3, reach_half=0.33, room=1.5),
    Effort(smooth=1.5, busy=2.0, reach=0.35, reach_half=0.35, room=2.0),
    Effort(smooth=2.0, busy=3.0, reach=0.35, reach_half=0.35, room=2.0),
)
"""Tried in this order until the mark survives the surrogates."""
_SPARE = 0.85
"""Least agreement after the surrogates: real encoders were up to 0.06 below them."""
_CERTAIN, _CLEAR = 12.5, 0.99
"""A lock, or an agreement, after JPEG above which WebP need not be asked: of 395 marks with either
the one that WebP wore most had an agreement of 0.90 (benchmarks/watermark_webp.py)."""
_QUALITIES = ((50, 80), (60, 85), (60, 85), (80, 92))
"""Times a picture was shrunk → qualities of JPEG and WebP that wear it more than 50 and 80 wear the
whole: a wave that is twice as long meets finer steps.  (70, 90) and (87, 94) wear it alike, but
then half size with JPEG 50 cost 6 of 15 drawings of 1024 px their mark; so it costs 2."""
_QUICK = 0.1
"""How near to `spare` an agreement after WebP's quickest method must be for the usual one to be
asked: they differed by at most 0.08 in 37 photos."""
_PUSHED = 50
"""JPEG quality whose rounding coefficients are pushed over."""
_PUSH = np.float32(2.5)
"""Levels that pushing may add to a pixel."""


class Embedder(Generic[C]):
    """One picture with one payload, ready to be marked with any effort."""

    def __init__(self, canvas: C, tiles: int, key: Key, payload: bytes) -> None:
        self._canvas, self._tiles, self._key = canvas, tiles, key
        self._payload = payload
        self._pitch = min(canvas.shape) / tiles
        self._shrunk = boxes(canvas.shape, TILE * tiles)
        self._threshold = LARGE if self._shrunk > 1 else SMALL
        self._near = canvas.near(TILE * tiles)
        self._luma = fitted(self._near, canvas.shape, TILE * tiles)
        self._nonce = key.nonce(payload, canvas.sample())
        self._seen = box_mean(sensitivity(self._luma), BLOCK // SPOT)
        self._host = spectrum(fold(residual(self._luma)))

    def mark(self, effort: Effort) -> C:
        """Return the marked picture."""
        low, high = visibility(self._luma, self._threshold, effort.smooth, effort.busy)
        reach = np.where(is_low(), np.mean(low * self._seen), np.mean(high * self._seen))
        reach = (reach * amplitude() * self._luma.size).astype(np.float32)
        values = coefficients(self._key, self._nonce.member, self._payload)
        if self._threshold.favour:
            favour = favoured(self._host, reach)
            values = favour * informed(values, self._key, self._nonce, self._host, favour * reach)
        else:
            values = informed(values, self._key, self._nonce, self._host, reach)
        grain = max(1, self._shrunk // 2)  # from 2048 px: the finest wave is 7 grains long or more
        one, two = draw(values, self._nonce, max(TILE, math.ceil(self._pitch / grain)))
        layers = [Layer(tile=one, gain=low), Layer(tile=two, gain=high)]
        shift = headroom(self._luma, np.float32(effort.room) * np.hypot(low, high))
        if shift.any():
            layers.append(Layer(tile=np.ones_like(one), gain=shift))
        height, width = (-(-n // grain) for n in self._canvas.shape)
        marks = strips(layers, self._pitch / grain, TILE // BLOCK, (height, width))
        if self._shrunk > 1:
            return self._canvas.marked(marks, grain)
        whole = levels(np.concatenate(list(marks)))
        luma, shaped = self._near, whole.copy()
        if self._tiles == DENSITIES[0]:
            halves = box_mean(luma, 2), box_mean(whole, 2)
            more = pushed(*halves, _PUSHED, effort.reach_half) - halves[1]
            more = np.repeat(np.repeat(more, 2, axis=0), 2, axis=1)
            whole[: len(more), : more.shape[1]] += more
        if effort.reach:
            whole = pushed(luma, whole, _PUSHED, effort.reach)
        np.clip(whole, shaped - _PUSH, shaped + _PUSH, out=whole)
        return self._canvas.marked([fixed(whole)], 1)

    def survives(self, marked: C, effort: Effort) -> bool:
        """Say whether the payload is read after rough re-encodings, with a lock to spare now."""
        near = marked.near(TILE * self._tiles)
        if self._lock(near) < self._threshold.lock:
            return False
        if not survives(near, marked.shape, self._tiles, self._key, self._payload, _SPARE):
            return False
        if self._tiles < 4 or self._shrunk > 1 or effort != EFFORTS[0]:
            return True
        worn = reencoded(box_mean(near, 2), "jpeg", 50)
        worn = fitted(worn, worn.shape, TILE * self._tiles)
        return agreement(worn, self._key, self._payload) > 0

    def readable(self, marked: C) -> bool:
        """Say whether the payload can be read from the marked pixels as they are."""
        luma = fitted(marked.near(TILE * self._tiles), marked.shape, TILE * self._tiles)
        return agreement(luma, self._key, self._payload) > 0

    def _lock(self, near: Plane) -> float:
        luma = fitted(near, self._canvas.shape, TILE * self._tiles)
        return own_lock(whiten(fold(residual(luma))), self._key, [self._nonce.member]).z


def survives(
    near: Plane, source: tuple[int, ...], tiles: int, key: Key, payload: bytes, spare: float = 0
) -> bool:
    """Say whether `payload` can be read after JPEG 50 and after WebP 80; JPEG 75 below 384 px.

    `near` is the luma of a picture of shape `source` as `row_luma` gives it: pictures from 1024 px
    are averaged down to 512..1023 px and re-encoded better, see _QUALITIES.  `spare` is the least
    agreement.
    """
    jpeg, webp = _qualities(tiles, boxes(source, TILE * tiles))
    x, lock = _seen(reencoded(near, "jpeg", jpeg), source, tiles, key, payload)
    left = _agreement(x, lock, key, payload)
    if left <= spare:
        return False
    if tiles == DENSITIES[0] and (lock.z > _CERTAIN or left > _CLEAR):
        return True
    for method in (0, 4):
        worn = reencoded(near, "webp", webp, method)
        left = _agreement(*_seen(worn, source, tiles, key, payload), key, payload)
        if abs(left - spare) > _QUICK:
            break
    return left > spare


def _qualities(tiles: int, shrunk: int) -> tuple[int, int]:
    """Return the qualities of JPEG and WebP that so many tiles, shrunk so much, are tried at."""
    if tiles < DENSITIES[0]:
        return 75, 80
    return _QUALITIES[min(shrunk, len(_QUALITIES)) - 1]


def _seen(
    worn: Plane, source: tuple[int, ...], tiles: int, key: Key, payload: bytes
) -> tuple[Spectrum, Lock]:
    x = whiten(fold(residual(fitted(worn, source, TILE * tiles))))
    return x, own_lock(x, key, members(payload))


def agreement(luma: Plane, key: Key, payload: bytes) -> float:
    """Return the share of the soft values' weight that `payload` explains; 0 if it is not read."""
    x = whiten(fold(residual(luma)))
    return _agreement(x, own_lock(x, key, members(payload)), key, payload)


def _agreement(x: Spectrum, lock: Lock, key: Key, payload: bytes) -> float:
    if BANK[lock.member] != len(payload):
        return 0.0
    soft = read_soft(x, key, lock)
    frame = decode(soft, len(payload), 1)  # the detector's other four are what is left to spare
    if frame is None or frame.payload != payload:
        return 0.0
    return float((soft * (1 - 2 * frame.code_bits)).sum() / np.abs(soft).sum())
