"""Derives every secret of the mark from a key: which carriers, which signs, which shift.

All randomness is SHAKE-256 of the key and a label (docs/watermark/tile.md, section 3), so that
another implementation needs nothing of numpy's generators.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

from .coding import code_length

TILE = 128
"""Side of the tile in canonical pixels; the mark repeats with this period."""
DENSITIES = (4, 2, 1)
"""Tiles along the short side."""
RING = (5, 34)
"""Carriers have RING[0] <= |k| <= RING[1] cycles per tile."""
BANK = (4, 4, 8, 8, 8, 8, 16, 16)
"""Member of the bank → payload bytes.  The member found by its pilot says what to decode."""

DEMO_KEY = hashlib.sha256(b"tile watermark: public demonstration key").digest()
"""Known to everybody: anyone can detect and forge marks under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonce:
    """What differs from picture to picture, derived from payload and pixels."""

    member: int
    """Index into BANK."""
    dy: int
    dx: int
    """Cyclic shift of the tile, 0..TILE-1."""


class Key:
    """One secret and the arrays that follow from it.

    Carriers are the wave vectors k = (ky, kx) of the upper half plane in the ring, ordered by
    |k|², then ky, then kx.  A keyed quarter of them are pilots, the others carry data.
    """

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        waves = carriers()
        count = len(waves)
        order = np.argsort(self._words("carriers", count), kind="stable")
        quarter = count // 4
        self.pilots: NDArray[np.intp] = np.sort(order[:quarter])
        """Indices into `carriers()`, ascending."""
        self.data: NDArray[np.intp] = np.sort(order[quarter:])

    @cached_property
    def pilot_signs(self) -> NDArray[np.complex64]:
        """(len(BANK), pilots) complex64: ±1 ± 1j for each pilot of each member."""
        signs = [self._signs(f"pilot {m}", 2 * len(self.pilots)) for m in range(len(BANK))]
        stacked = np.stack(signs)
        return (stacked[:, 0::2] + 1j * stacked[:, 1::2]).astype(np.complex64)

    @lru_cache(maxsize=16)  # noqa: B019 (a detector holds a handful of keys for its whole life)
    def slots(self, member: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return (code bit of each slot, ±1 of each slot), both (2 * len(self.data),).

        Slot 2i is the real part, 2i + 1 the imaginary part of data carrier i.  Slots follow |k|,
        and each run of code_length slots holds every code bit once: all bits get the same share
        of low and high frequencies.
        """
        bits = code_length(BANK[member])
        count = 2 * len(self.data)
        runs = -(-count // bits)
        words = self._words(f"slots {member}", runs * bits).reshape(runs, bits)
        which = np.argsort(words, axis=1, kind="stable").reshape(-1)[:count]
        return which, self._signs(f"data {member}", count)

    def nonce(self, payload: bytes, picture: bytes) -> Nonce:
        """Choose the bank's member and the shift for this payload in this picture."""
        of_its_size = members(payload)
        b = self._bytes("nonce", 4, payload + hashlib.sha256(picture).digest())
        return Nonce(member=of_its_size[b[0] % len(of_its_size)], dy=b[1] % TILE, dx=b[2] % TILE)

    def _bytes(self, label: str, count: int, extra: bytes = b"") -> bytes:
        seed = b"tile/1\0" + self.secret + b"\0" + label.encode() + b"\0" + extra
        return hashlib.shake_256(seed).digest(count)

    def _words(self, label: str, count: int) -> NDArray[np.uint64]:
        return np.frombuffer(self._bytes(label, 8 * count), ">u8").astype(np.uint64)

    def _signs(self, label: str, count: int) -> NDArray[np.float32]:
        bits = np.unpackbits(np.frombuffer(self._bytes(label, -(-count // 8)), np.uint8))
        return (1 - 2 * bits[:count].astype(np.float32)).astype(np.float32)


def members(payload: bytes) -> list[int]:
    """Return the bank's members that carry a payload of this size."""
    return [m for m, size in enumerate(BANK) if size == len(payload)]


@lru_cache(maxsize=1)
def carriers() -> NDArray[np.int64]:
    """Return all wave vectors, (count, 2) int64 of (ky, kx), in the documented order."""
    reach = np.arange(-RING[1], RING[1] + 1)
    ky, kx = (a.reshape(-1) for a in np.meshgrid(reach, reach, indexing="ij"))
    square = ky * ky + kx * kx
    upper = (ky > 0) | ((ky == 0) & (kx > 0))
    keep = upper & (square >= RING[0] ** 2) & (square <= RING[1] ** 2)
    ky, kx, square = ky[keep], kx[keep], square[keep]
    order = np.lexsort((kx, ky, square))
    return np.stack([ky[order], kx[order]], axis=1)


def read_key(text: str) -> Key:
    """Make a key from what `read_secret` reads."""
    return Key(read_secret(text))


def read_secret(text: str) -> bytes:
    """Read a secret from 32 or more hex digits, or from a file that holds them.

    Raises:
        PluginError: neither hex of at least 16 bytes nor a readable file of that.
    """
    for source in (text, _file_text(text)):
        try:
            secret = bytes.fromhex(source.strip())
        except ValueError:
            continue
        if len(secret) >= 16:
            return secret
    raise PluginError(
        "asked for a watermark key of at least 32 hex digits, or a file with them; found neither; "
        'make one with: python -c "import secrets; print(secrets.token_hex(32))"'
    )


def _file_text(path: str) -> str:
    """The file's text; empty, which is no key, where there is no such file."""
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (OSError, ValueError):
        return ""
