"""Turns a payload into code bits and soft code bits back into a payload, or into nothing.

Frame (docs/watermark/tile.md, section 4): 4 bits format version, the payload, CRC-32 (IEEE 802.3,
as `zlib.crc32`) over `bytes([version]) + payload`; then a convolutional code, constraint length 9,
rate 1/3, generators 557 663 711 (octal; Proakis, Digital Communications, table 8.2-2), ended by 8
zero bits.  Decoding is maximum likelihood (Viterbi) on soft values; a frame counts only when the
CRC and the version agree, which noise does with probability 2**-36.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Format version that is embedded, 0..15."""
CHECK_BITS = 36
"""Bits of a frame that noise must guess: 32 of the CRC, 4 of the version."""

LIST = 5
"""Frames checked per decoding: the likeliest path and the four that leave it most cheaply."""

_GENERATORS = (0o557, 0o663, 0o711)
_RATE = len(_GENERATORS)
_TAIL = 8
_STATES = 1 << _TAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded frame whose CRC and version agree."""

    payload: bytes
    version: int
    code_bits: NDArray[np.int8]
    """(code_length(len(payload)),) of 0 and 1: the frame encoded again."""


def code_length(payload_bytes: int) -> int:
    """Return the number of code bits for a payload of so many bytes."""
    return (4 + 8 * payload_bytes + 32 + _TAIL) * _RATE


def encode(payload: bytes) -> NDArray[np.int8]:
    """Return the code bits, (code_length(len(payload)),) int8 of 0 and 1."""
    check = zlib.crc32(bytes([VERSION]) + payload).to_bytes(4, "big")
    body = np.unpackbits(np.frombuffer(payload + check, np.uint8))
    version = np.unpackbits(np.array([VERSION], np.uint8))[4:]
    return _convolve(np.concatenate([version, body]))


def decode(soft: NDArray[np.float32], payload_bytes: int, frames: int = LIST) -> Frame | None:
    """Return the likeliest of the first `frames` whose version and CRC agree, or None.

    `soft` is (code_length(payload_bytes),) float32; positive favours bit 0.
    """
    for bits in islice(likeliest(soft), frames):
        body = np.packbits(bits[4:]).tobytes()
        payload, check = body[:payload_bytes], body[payload_bytes:]
        version = int(np.packbits(bits[:4])[0] >> 4)
        right = zlib.crc32(bytes([version]) + payload).to_bytes(4, "big")
        if version == VERSION and check == right:
            return Frame(payload=payload, version=version, code_bits=_convolve(bits))
    return None


def likeliest(soft: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
    """Yield LIST frames for flat soft code bits, unchecked and without the tail, likeliest first.

    Viterbi's algorithm, rounds of 256 states as two array operations each; then the paths that
    leave the best one where leaving costs least and come back to it (Seshadri & Sundberg 1994,
    serial; paths that leave twice are not looked for).
    """
    steps = len(soft) // _RATE
    metric = np.full(_STATES, -1e9, np.float32)
    metric[0] = 0
    paths = soft.reshape(steps, _RATE).astype(np.float32) @ _BRANCH  # (steps, 512): by register
    halves = paths.reshape(steps, 2, _STATES)
    for step in range(steps):  # two small ufunc calls per step: 0.4 ms for 108 steps
        np.add(halves[step], metric, out=halves[step])
        np.maximum(paths[step, 0::2], paths[step, 1::2], out=metric)
    lead = paths[:, 1::2] - paths[:, 0::2]
    odd = lead > 0
    best, states = _traced(odd, steps)
    yield best[: steps - _TAIL]
    cost = np.abs(lead[np.arange(steps), states])
    for step in np.argsort(cost, kind="stable")[: LIST - 1]:
        odd[step, states[step]] ^= True
        yield _traced(odd, steps)[0][: steps - _TAIL]
        odd[step, states[step]] ^= True


def _traced(odd: NDArray[np.bool_], steps: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Follow the survivors back from state 0: the bits, and the state after each step."""
    bits, states = np.empty(steps, np.uint8), np.empty(steps, np.intp)
    state = 0
    for step in range(steps - 1, -1, -1):
        states[step] = state
        register = 2 * state + int(odd[step, state])
        bits[step] = register >> _TAIL
        state = register & (_STATES - 1)
    return bits, states


def _parity() -> NDArray[np.int8]:
    """(512, 3): the three code bits that leave the encoder for each register content."""
    register = np.arange(2 * _STATES)
    ones = np.array([bin(int(r)).count("1") & 1 for r in register], np.int8)
    return np.stack([ones[register & g] for g in _GENERATORS], axis=1)


_PARITY = _parity()
# Register = input bit * 256 + state; next state = register >> 1.  So the two registers that lead
# to next state s are 2s and 2s + 1, and register r comes from state r & 255.
_BRANCH = (1 - 2 * _PARITY.astype(np.float32)).T.copy()


def _convolve(bits: NDArray[np.uint8]) -> NDArray[np.int8]:
    state, rows = 0, []
    for bit in [*bits.tolist(), *[0] * _TAIL]:
        register = bit * _STATES + state
        rows.append(register)
        state = register >> 1
    return _PARITY[rows].reshape(-1)
