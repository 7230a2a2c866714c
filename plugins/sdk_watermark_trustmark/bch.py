"""The binary BCH code that TrustMark protects 61 bits with: up to 5 wrong bits of 96 are corrected.

Narrow-sense, over GF(2^7) with x^7 + x^3 + 1, t = 5, systematic: BCH(127, 92) with 28 zeros before
the data and, because TrustMark codes whole bytes, 3 behind them, none of which is sent.  Decoding
by Berlekamp and Massey, roots by trial (Lin & Costello, Error Control Coding, 6.2-6.3).  Bits
stand with the highest power first.
"""

from __future__ import annotations

from collections.abc import Sequence

_N, _T, _POLYNOMIAL = 127, 5, 137
DATA_BITS, CHECK_BITS = 61, 35
LENGTH = DATA_BITS + CHECK_BITS
_PADDING = [0, 0, 0]
_PADDED = LENGTH + len(_PADDING)


def encode(data: Sequence[int]) -> list[int]:
    """Return the 35 check bits of 61 data bits."""
    register = 0
    for bit in [*data, *_PADDING]:
        top = (register >> (CHECK_BITS - 1)) ^ bit
        register = (register << 1) & ((1 << CHECK_BITS) - 1)
        if top:
            register ^= _GENERATOR & ((1 << CHECK_BITS) - 1)
    return [(register >> i) & 1 for i in reversed(range(CHECK_BITS))]


def decode(word: Sequence[int]) -> list[int] | None:
    """Return the word of 96 bits with up to 5 of them corrected, or None where more are wrong."""
    fixed = [*word[:DATA_BITS], *_PADDING, *word[DATA_BITS:]]
    syndromes = [_value(fixed, power) for power in range(1, 2 * _T + 1)]
    if any(syndromes):
        locator = _locator(syndromes)
        wrong = [place for place in range(_PADDED) if not _at(locator, -place)]
        if len(wrong) != len(locator) - 1:
            return None
        for place in wrong:
            fixed[_PADDED - 1 - place] ^= 1
    padding = fixed[DATA_BITS : DATA_BITS + len(_PADDING)]
    return None if any(padding) else fixed[:DATA_BITS] + fixed[-CHECK_BITS:]


def _value(word: Sequence[int], power: int) -> int:
    """The word as a polynomial, at a to some power."""
    total = 0
    for place, bit in enumerate(reversed(word)):
        if bit:
            total ^= _EXP[power * place % _N]
    return total


def _locator(syndromes: Sequence[int]) -> list[int]:
    """The shortest register that makes the syndromes (Berlekamp & Massey), lowest power first."""
    now, before, gap, last = [1], [1], 1, 1
    for step in range(len(syndromes)):
        off = syndromes[step]
        for i in range(1, len(now)):
            if step >= i:
                off ^= _times(now[i], syndromes[step - i])
        if not off:
            gap += 1
            continue
        factor = _times(off, _EXP[(_N - _LOG[last]) % _N])
        shifted = [0] * gap + [_times(factor, c) for c in before]
        size = max(len(now), len(shifted))
        mixed = [(_get(now, i)) ^ (_get(shifted, i)) for i in range(size)]
        if 2 * (len(now) - 1) <= step:
            before, last, gap = now, off, 1
        else:
            gap += 1
        now = mixed
    while len(now) > 1 and not now[-1]:
        now.pop()
    return now


def _at(polynomial: Sequence[int], power: int) -> int:
    total = 0
    for i, c in enumerate(polynomial):
        if c:
            total ^= _EXP[(_LOG[c] + i * power) % _N]
    return total


def _get(values: Sequence[int], i: int) -> int:
    return values[i] if i < len(values) else 0


def _times(a: int, b: int) -> int:
    return _EXP[(_LOG[a] + _LOG[b]) % _N] if a and b else 0


def _field() -> tuple[list[int], list[int]]:
    powers, logs, value = [], [0] * (_N + 1), 1
    for i in range(_N):
        powers.append(value)
        logs[value] = i
        value <<= 1
        if value > _N:
            value ^= _POLYNOMIAL
    return powers, logs


_EXP, _LOG = _field()


def _generator() -> int:
    """The product of the minimal polynomials of a, a^3, a^5, a^7, a^9, as bits."""
    product = [1]  # over GF(2^7), lowest power first
    for odd in range(1, 2 * _T, 2):
        for root in sorted({odd * 2**k % _N for k in range(7)}):
            shifted = [0, *product]
            scaled = [*(_times(c, _EXP[root]) for c in product), 0]
            product = [a ^ b for a, b in zip(shifted, scaled, strict=True)]
    return sum(c << i for i, c in enumerate(product))


_GENERATOR = _generator()
