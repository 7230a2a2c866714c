"""Hides a payload in the lowest bit of the blue channel, over and over, with a checksum.

policy:  watermark = {plugin = "NAME"}

Fragile on purpose, to be replaced: any lossy encoding, resizing or cropping erases it.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

from sdk import Detection, MarkError, Pixels, Presence, Settings, Watermark, hookimpl

PAYLOAD_BYTES = 8
BITS = 8 * (PAYLOAD_BYTES + 4)
"""Payload and CRC-32, the polynomial of zlib."""


class LowBit:
    """Reads every copy of the payload and takes the majority of each bit."""

    algorithm = "org.example.NAME"
    payload_bytes = PAYLOAD_BYTES
    min_side = 32

    def embed(self, pixels: Pixels, payload: bytes, /) -> Pixels:
        """Return a copy whose blue channel carries `payload`."""
        if min(pixels.shape[:2]) < self.min_side or len(payload) != PAYLOAD_BYTES:
            raise MarkError(
                f"asked to mark {pixels.shape[1]}x{pixels.shape[0]} with {len(payload)} bytes; "
                f"give {self.min_side} pixels a side or more and {PAYLOAD_BYTES} bytes"
            )
        message = payload + zlib.crc32(payload).to_bytes(4, "big")
        bits = np.unpackbits(np.frombuffer(message, np.uint8))
        marked = pixels.copy()
        blue = marked[:, :, 2]
        blue[:] = (blue & 0xFE) | np.resize(bits, blue.shape)
        return marked

    def detect(self, pixels: Pixels, /) -> Detection:
        """Report the payload when the checksum of the majority of all copies is right."""
        low = (pixels[:, :, 2] & 1).ravel()
        copies = low.size // BITS
        if copies == 0:
            return Detection(presence=Presence.ABSENT, note="too small for one copy")
        share = low[: copies * BITS].reshape(copies, BITS).mean(axis=0)
        payload = _checked(np.packbits(share > 0.5).tobytes())
        if payload is None:
            return Detection(presence=Presence.ABSENT)
        return Detection(
            presence=Presence.PRESENT,
            payload=payload,
            log10_p=-32 * math.log10(2),  # a CRC-32 is right by chance once in 2**32
            margin=_margin(share),
            weak=True,
        )


def _margin(share: NDArray[np.floating]) -> float:
    """How far the least certain bit is from a tie, 0..1."""
    return float(2 * np.abs(share - 0.5).min())


def _checked(message: bytes) -> bytes | None:
    payload, check = message[:PAYLOAD_BYTES], message[PAYLOAD_BYTES:]
    return payload if zlib.crc32(payload).to_bytes(4, "big") == check else None


@hookimpl
def watermark(settings: Settings) -> Watermark:
    """Make the watermark; it takes no settings."""
    return LowBit(**settings)
