"""How large frames of AV1 are, by their own headers, which decoders obey whatever a film claims.

Sections: AV1 Bitstream & Decoding Process Specification, version 1.0.0 with errata 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

MOST_BITS = 26
"""Of width and height together in a sequence header: frames of at most 2^26 pixels."""
_MOST_UNITS = 512
"""In one sample; encoders write a few."""
_LONGEST = 512
"""Bytes of a sequence header that are read; one with 32 operating points has 360."""


def check_sizes(samples: Iterable[bytes], size: tuple[int, int]) -> None:
    """Check that frames are as large as their film says (AV1-ISOBMFF, 2.2.4), or hardly larger.

    A frame may choose a size of its own, within as many bits as the sequence header gives it; so
    a header with more bits than its size needs is refused.

    Raises:
        ValueError: frames are or may be larger, or a header is damaged.
        IndexError: a unit ends too soon.
    """
    wide, high = size
    for header in {header for sample in samples for header in _headers(sample)}:
        bits, coded = _coded(int.from_bytes(header), 8 * len(header))
        if coded != size:
            raise ValueError(f"frames coded as {coded[0]}x{coded[1]} in a film of {wide}x{high}")
        if sum(bits) > MOST_BITS or 1 << bits[0] > 2 * wide or 1 << bits[1] > 2 * high:
            raise ValueError(f"frames that may be far larger than a film of {wide}x{high}")


def _headers(sample: bytes) -> Iterator[bytes]:
    """Sequence headers among the units of a sample (5.3)."""
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(sample):
            return
        head, size = sample[at], 0
        at += 2 if head & 4 else 1
        for shift in range(0, 56, 7) if head & 2 else ():
            size |= (sample[at] & 127) << shift
            at += 1
            if sample[at - 1] < 128:
                break
        end = at + size if head & 2 else len(sample)
        if end > len(sample):
            raise ValueError("a unit goes over the end of its frame")
        if head >> 3 & 15 == 1:
            yield sample[at : min(end, at + _LONGEST)]
        at = end
    raise ValueError(f"a frame of more than {_MOST_UNITS} units")


def _coded(header: int, left: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bits for width and height, and the largest of either, of a sequence header (5.5.1)."""

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise ValueError("a sequence header that ends too soon")
        return header >> left & (1 << count) - 1

    take(4)
    if take(1):  # of a still picture
        take(5)
    else:
        _skip_times(take)
    bits = (take(4) + 1, take(4) + 1)
    return bits, (take(bits[0]) + 1, take(bits[1]) + 1)


def _skip_times(take: Callable[[int], int]) -> None:
    """Go over timing, decoder model and operating points (5.5.1, 5.5.3 to 5.5.5)."""
    delay = 0
    if take(1):
        take(64)
        if take(1):
            _skip_number(take)
        if take(1):
            delay = take(5) + 1
            take(42)
    displays = take(1)
    for _ in range(take(5) + 1):
        take(12)
        if take(5) > 7:
            take(1)
        if delay and take(1):
            take(2 * delay + 1)
        if displays and take(1):
            take(4)


def _skip_number(take: Callable[[int], int]) -> None:
    """Go over a number of variable length (4.10.3)."""
    zeros = 0
    while not take(1):
        zeros += 1
    if zeros < 32:
        take(zeros)
