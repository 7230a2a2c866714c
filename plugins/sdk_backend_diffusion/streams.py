"""Keyed sign patterns for the noise of pictures, and what it means to find one.

Gaussian Shading (Yang et al., CVPR 2024, arXiv:2404.04956, section 3) encrypts a message with
ChaCha20 and lets each bit choose the half of the normal distribution that a number is drawn from.
There each picture has a nonce that the reader must be told.  Here the nonce is the message: a
picture has one of 2**16 patterns, each a stretch of one key stream that no other has, and the
reader tries them all.  So nothing has to be kept, and the number of the pattern is the id.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PATTERNS = 1 << 16
"""How many there are for a key: the fewer, the more often two pictures share one; the more, the
longer the search and the more must be found.  Twice as many cost log10 p a third of one."""
ID_BYTES = 4
_AT_ONCE = 4096
_TIGHT = 0.25 / (0.5 * math.erfc(1.0))
"""c = 1 / (4 Q(sqrt 2)) = 3.178: a sum of signs with any weights of norm 1 reaches x with
probability at most c Q(x) (Bentkus & Dzindzalieta, Bernoulli 21(2), 2015, arXiv:1307.3451)."""

DEMO_KEY = hashlib.sha256(b"latent watermark: public demonstration key").digest()
"""Known to everybody: anyone can detect and forge marks under it."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The pattern that agrees best."""

    number: int
    score: float
    """Agreement with the noise, in standard deviations of that of a random pattern."""


class Stream:
    """The patterns of one key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._stream_key = hashlib.shake_256(b"latent/1 stream\0" + secret).digest(32)

    def number(self, seed: int) -> int:
        """Return the pattern of a seed; without the key no pattern is likelier than another."""
        said = b"latent/1 number\0" + seed.to_bytes(8, "big")
        return int.from_bytes(hmac.digest(self._secret, said, "sha256")[:2], "big")

    def signs(self, first: int, count: int, length: int) -> Array:
        """Return patterns `first` to `first + count`, (count, length) float32 of -1 and 1.

        Pattern n begins at block n b of the key stream, b being the blocks of 512 bits that hold
        `length`; a 1 is -1, the most significant bit of a byte first.  ChaCha20 of RFC 8439 with
        `length` as nonce, 12 bytes, big endian.
        """
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

        blocks = -(-length // 512)
        start = (first * blocks).to_bytes(4, "little") + length.to_bytes(12, "big")
        cipher = Cipher(algorithms.ChaCha20(self._stream_key, start), mode=None).encryptor()
        raw = np.frombuffer(cipher.update(bytes(count * blocks * 64)), np.uint8)
        bits = np.unpackbits(raw.reshape(count, -1), axis=1, count=length)
        return (1 - 2 * bits.astype(np.int8)).astype(np.float32)

    def best(self, noise: Array) -> list[Hit]:
        """Return the pattern that agrees best with each row of (count, length) noise."""
        norms = np.maximum(np.linalg.norm(noise, axis=1, keepdims=True), 1e-30)
        weights = (noise / norms).astype(np.float32)
        found = [Hit(number=0, score=-math.inf)] * len(weights)
        for first in range(0, PATTERNS, _AT_ONCE):
            scores = weights @ self.signs(first, _AT_ONCE, noise.shape[1]).T
            for row, at in enumerate(np.argmax(scores, axis=1).tolist()):
                here = Hit(number=first + at, score=float(scores[row, at]))
                found[row] = max(found[row], here, key=lambda hit: hit.score)
        return found


def log10_p(score: float, searched: int) -> float:
    """Return log10 of a bound on how often an unmarked picture has a pattern that agrees so well.

    The patterns are as good as fair coins that know nothing of the picture, and the noise that was
    read gives each its weight.  So one pattern reaches the score with at most c Q(score), whatever
    the picture is, and the best of `searched` with at most `searched` times that.
    """
    if score <= 0:
        return 0.0
    tail = 0.5 * math.erfc(score / math.sqrt(2))
    # Q(x) < exp(-x²/2) / (x sqrt(2 pi)) where erfc is no number above 0 any more
    log_q = (
        math.log10(tail)
        if tail > 0
        else -(score**2) / 2 / math.log(10) - math.log10(score * math.sqrt(2 * math.pi))
    )
    return min(0.0, log_q + math.log10(_TIGHT * searched))
