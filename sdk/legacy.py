"""Reads the constant marks that other programs' invisible-watermark library writes; writes none.

    for seen in constant_marks(pixels):
        print(seen.message.name, seen.matching, seen.log10_p)

Stable Diffusion XL in diffusers, InvokeAI and Stability's scripts mark every picture with one
message that everybody knows, by the method `dwtDct` of invisible-watermark 0.2 (MIT).  Such a mark
says which program may have drawn a picture.  Anybody can write or copy it, so it is a claim, and
cropping, resizing or JPEG at 4:2:0 usually erases it: not seeing it says nothing.

`decode` gives what the library's decoder gives, bit for bit and 20 to 40 times as fast; in
`dwtDctSvd` but for blocks of one colour on a boundary, where the library's own rounding decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdk.errors import RequestError
from sdk.pixels import Pixels

Method = Literal["dwtDct", "dwtDctSvd"]
Bits = NDArray[np.bool_]
Plane = NDArray[np.float64]
MIN_PIXELS = 256 * 256
"""The library marks no smaller picture."""
SURE = -6.0
"""log10 p, over everything that was asked, from which on a mark is reported."""
_SCALE = 36.0
_HAAR = 0.7071067811865476
_LUMA = np.array([4899, 9617, 1868], np.float32)
_STEP = np.float32(1 / (1 << 14))
_STRIP = 32
"""Rows of pixels that are computed together: what fits into a core's cache is twice as fast."""
_NEAR = 0.05
"""Distance to a boundary, in levels, within which a singular value is computed exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that a program writes into every picture."""

    name: str
    """Who writes it."""
    bits: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A constant mark that stands out of what unmarked pictures show."""

    message: Message
    matching: int
    """Bits that the library's decoder would return right; of the inverted ones where inverted."""
    inverted: bool
    """diffusers marks floats without an offset: where blue is weak, all bits are turned around."""
    log10_p: float
    """log10 of the probability of an order so clear by chance, times all that was asked."""


def _bits(value: int) -> tuple[int, ...]:
    return tuple(int(bit) for bit in bin(value)[2:])


def _bytes(text: str) -> tuple[int, ...]:
    return tuple(int(bit) for bit in np.unpackbits(np.frombuffer(text.encode(), np.uint8)))


KNOWN = (
    # diffusers 0.42, pipelines/stable_diffusion_xl/watermark.py (Apache-2.0)
    Message(
        name="Stable Diffusion XL in diffusers",
        bits=_bits(0b101100111110110010010000011110111011000110011110),
    ),
    # Stability-AI/generative-models, scripts/demo (MIT): bin() drops the zeros in front
    Message(
        name="Stability's generative-models scripts",
        bits=_bits(0b001010101111111010000111100111001111010100101110),
    ),
    Message(name="InvokeAI", bits=_bytes("InvokeAI")),
    Message(name="Stable Diffusion 1's scripts", bits=_bytes("StableDiffusionV1")),
    Message(name="Stable Diffusion 2's scripts", bits=_bytes("SDV2")),
)
"""All are written by `dwtDct`."""


def constant_marks(pixels: Pixels) -> tuple[Seen, ...]:
    """Return the known messages that (H, W, 3) uint8 RGB pixels carry, the surest first."""
    if pixels.shape[0] * pixels.shape[1] < MIN_PIXELS:
        return ()
    votes = block_votes(pixels, "dwtDct")
    found = [
        seen
        for message in KNOWN
        if _stands_out(message, votes)
        for seen in _asked(message, votes, 2 * len(KNOWN))
    ]
    return tuple(sorted((s for s in found if s.log10_p <= SURE), key=lambda s: s.log10_p))


def carries(pixels: Pixels, message: Message, method: Method = "dwtDct") -> Seen:
    """Say how clearly pixels carry one message of 8 bits or more, not all alike.

    Raises:
        RequestError: the picture or the message is too small, or the message is all ones or zeros.
    """
    length, ones = len(message.bits), sum(message.bits)
    if length < 8 or not 0 < ones < length:
        raise RequestError(
            f"asked for a message of {length} bits, {ones} of them 1; give 8 or more"
        )
    votes = _checked(pixels, method)
    return min(_asked(message, votes, 2), key=lambda seen: seen.log10_p)


def decode(pixels: Pixels, length: int, method: Method = "dwtDct") -> Bits:
    """Return `length` bits as invisible-watermark's WatermarkDecoder does, (length,) bool.

    Of an unmarked picture it returns bits too: whether they mean something is for `carries`.

    Raises:
        RequestError: fewer pixels than the library takes.
    """
    return _shares(_checked(pixels, method), length) * 255 > 127


def block_votes(pixels: Pixels, method: Method) -> Bits:
    """Return what each block of 8 x 8 pixels votes for, row by row, (blocks,) bool.

    imwatermark/maxDct.py and dwtDctSvd.py, `decode_frame` (MIT): of the U plane, 4 x 4 blocks of
    the approximation of one Haar step; the largest of their last 15 values, or the largest singular
    value, modulo 36 is above 18 for a 1.  The cosine transform there leaves singular values as
    they are, and is left out.
    """
    measure = _largest if method == "dwtDct" else _norms
    height, width = (n // 8 * 8 for n in pixels.shape[:2])
    strips = [pixels[top : min(top + _STRIP, height), :width] for top in range(0, height, _STRIP)]
    values = [measure(_blocks(_approximation(_blue(strip)))) for strip in strips]
    votes: Bits = np.concatenate(values) % _SCALE > 0.5 * _SCALE
    return votes


def _checked(pixels: Pixels, method: Method) -> Bits:
    height, width = pixels.shape[:2]
    if height * width < MIN_PIXELS:
        raise RequestError(
            f"asked to decode {width} x {height} pixels; invisible-watermark takes {MIN_PIXELS:,} "
            "or more"
        )
    return block_votes(pixels, method)


def _asked(message: Message, votes: Bits, count: int) -> Iterator[Seen]:
    """Both ways of reading a message; `count` is how many such questions are asked in all."""
    shares = _shares(votes, len(message.bits))
    wanted = np.array(message.bits, bool)
    right = int(((shares * 255 > 127) == wanted).sum())
    for inverted in (False, True):
        log10_p = order_log10_p(-shares if inverted else shares, wanted) + math.log10(count)
        yield Seen(
            message=message,
            matching=len(wanted) - right if inverted else right,
            inverted=inverted,
            log10_p=min(0.0, log10_p),
        )


def _stands_out(message: Message, votes: Bits) -> bool:
    """Whether the rank sum is 4 standard deviations off: spares the exact tail of most pictures."""
    wanted = np.array(message.bits, bool)
    ranks = np.argsort(np.argsort(_shares(votes, len(wanted)), kind="stable"))
    ones, zeros = int(wanted.sum()), int((~wanted).sum())
    away = abs(float(ranks[wanted].sum()) - ones * (len(wanted) - 1) / 2)
    return away > 4 * math.sqrt(ones * zeros * (len(wanted) + 1) / 12)


def order_log10_p(shares: Plane, wanted: Bits) -> float:
    """Return log10 P(the ones' shares rank so high), if ones stood at random places.

    The exact tail of Wilcoxon's rank sum (1945), ties against the message.  Bits of unmarked
    pictures are neither fair nor independent: of a flat picture all are 0, of most photos nearly
    all.  Ranks ask only whether those that should be 1 stand above the others.
    """
    order = np.lexsort((~wanted, shares))  # among equals the ones come first, with the least ranks
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    ones = int(wanted.sum())
    above = int(ranks[wanted].sum()) - ones * (ones - 1) // 2
    return float(_tails(len(wanted), ones)[above])


@lru_cache(maxsize=16)
def _tails(count: int, ones: int) -> NDArray[np.float64]:
    """log10 P(U >= u) for u = 0 .. ones (count - ones): Mann & Whitney's recursion (1947)."""
    zeros = count - ones
    ways = np.zeros((ones + 1, ones * zeros + 1))
    ways[0, 0] = 1
    for place in range(1, count + 1):  # subsets of the first places; a place is worth its rank
        for taken in range(min(place, ones), 0, -1):
            worth = place - taken  # ranks below that were not taken
            if worth <= zeros:
                ways[taken, worth:] += ways[taken - 1, : ways.shape[1] - worth]
    tail = np.cumsum(ways[ones, ::-1])[::-1]
    return np.asarray(np.log10(tail / tail[0]))


def _shares(votes: Bits, length: int) -> Plane:
    """Share of ones among the blocks of each bit: block n votes for bit n modulo length."""
    rounds, rest = divmod(len(votes), length)
    sums = votes[: rounds * length].reshape(rounds, length).sum(0).astype(np.float64)
    sums[:rest] += votes[rounds * length :]
    counts = np.full(length, rounds)
    counts[:rest] += 1
    shares: Plane = sums / np.maximum(counts, 1)
    return shares


def _blue(pixels: Pixels) -> NDArray[np.float32]:
    """U of OpenCV's 8-bit BGR2YUV, in its fixed point of 14 bits, (H, W) whole numbers.

    All sums are whole numbers below 2**24, which float32 holds exactly.
    """
    levels = pixels.astype(np.float32)
    luma = levels.reshape(-1, 3) @ _LUMA
    luma += np.float32(1 << 13)
    luma *= _STEP
    np.floor(luma, out=luma)
    blue = levels[:, :, 2] - luma.reshape(levels.shape[:2])
    blue *= np.float32(8061)
    blue += np.float32((128 << 14) + (1 << 13))
    blue *= _STEP
    return np.floor(blue, out=blue)


def _approximation(plane: NDArray[np.float32]) -> Plane:
    """One Haar step in the order and with the rounding of PyWavelets' `dwt2`.

    Sums of four levels halved fall on the boundaries exactly: only this order rounds as it does.
    """
    scaled = plane.astype(np.float64) * _HAAR
    rows = scaled[0::2] + scaled[1::2]
    rows *= _HAAR
    out: Plane = rows[:, 0::2] + rows[:, 1::2]
    return out


def _blocks(plane: Plane) -> Plane:
    """(16, blocks): the values of each 4 x 4 block, row by row."""
    rows, columns = plane.shape[0] // 4, plane.shape[1] // 4
    whole = plane.reshape(rows, 4, columns, 4)
    return np.ascontiguousarray(whole.transpose(1, 3, 0, 2)).reshape(16, rows * columns)


def _largest(blocks: Plane) -> Plane:
    out: Plane = blocks[1:].max(0)  # none is negative
    return out


def _norms(blocks: Plane) -> Plane:
    """Largest singular value of each block: power iteration, and exactly where it is close."""
    a = blocks.reshape(4, 4, -1)
    v = a.sum(0)
    for _ in range(3):
        v = np.einsum("ijn,in->jn", a, np.einsum("ijn,jn->in", a, v))
        v /= np.sqrt((v * v).sum(0)) + 1e-300
    norms = np.sqrt((np.einsum("ijn,jn->in", a, v) ** 2).sum(0))
    apart = np.abs((norms + _SCALE / 4) % (_SCALE / 2) - _SCALE / 4)
    close = np.flatnonzero(apart < _NEAR)
    if len(close):
        exact = np.linalg.svd(a[:, :, close].transpose(2, 0, 1), compute_uv=False)
        norms[close] = exact[:, 0]
    return np.asarray(norms)
