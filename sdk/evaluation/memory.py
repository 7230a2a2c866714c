"""Whether pictures are copies of training pictures, and whether this check would see it.

The nearest training picture is looked for by PDQ and by features; either one counts.  Before it
speaks about a model, the check is tried: copies of training pictures, changed as a copyist would
change them, are put among the made ones, and the share that is found is part of the answer.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk.data.duplicates import Described, Describer
from sdk.pixels import Picture, Pixels, admit_pixels

_SIDE = 128
_BLOCK = 512
PDQ_BITS = 31
"""The distance at which PDQ's authors call two pictures the same (ThreatExchange, hashing.pdf)."""
COSINE = 0.968
"""Where the copies auditor is nine tenths sure (docs/auditors/copies.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """The nearest training picture of each made one."""

    by_features: NDArray[np.intp]
    cosine: NDArray[np.float32]
    by_pdq: NDArray[np.intp]
    bits: NDArray[np.int64]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Which are copies by either method."""
        return (self.bits <= PDQ_BITS) | (self.cosine >= COSINE)


def nearest(made: Described, training: Described) -> Nearest:
    """Compare every made picture with every training picture."""
    signs = _signs(training.hashes)
    parts = []
    for start in range(0, len(made.hashes), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines = made.features[block] @ training.features.T
        bits = (256 - _signs(made.hashes[block]) @ signs.T) / 2
        rows = np.arange(len(cosines))
        like, same = cosines.argmax(1), bits.argmin(1)
        parts.append((like, cosines[rows, like], same, bits[rows, same]))
    like, cosine, same, bits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Nearest(
        by_features=like, cosine=cosine, by_pdq=same, bits=np.rint(bits).astype(np.int64)
    )


def _signs(hashes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How many planted copies were found, by what was done to them."""

    found: dict[str, float]
    """Change → share found."""
    right: dict[str, float]
    """Change → share whose nearest picture is the very one that was copied."""
    count: int
    """Copies of each kind."""


def trial(
    pictures: NDArray[np.uint8], training: Described, sees: Describer, count: int, seed: int = 0
) -> Trial:
    """Plant copies of `count` training pictures, (N, H, W, 3), and look for them."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(pictures))[:count]
    found, right = {}, {}
    for name in CHANGES:
        copies = np.stack([_changed(pictures[index], name, rng) for index in chosen])
        hit = nearest(Described(*sees.describe(copies)), training)
        own = (hit.by_features == chosen) | (hit.by_pdq == chosen)
        found[name] = float(hit.copies.mean())
        right[name] = float((hit.copies & own).mean())
    return Trial(found=found, right=right, count=len(chosen))


CHANGES = ("identical", "jpeg 50", "cropped 5 %", "mirrored", "turned 5°", "noise 12", "grey")


def _changed(pixels: Pixels, name: str, rng: np.random.Generator) -> Pixels:
    image = Image.fromarray(Picture(admit_pixels(np.asarray(pixels))).resized(_SIDE))
    if name == "jpeg 50":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=50)
        image = Image.open(stream).convert("RGB")
    elif name == "cropped 5 %":
        edge = round(_SIDE * 0.05)
        box = (edge, edge, _SIDE - edge, _SIDE - edge)
        image = image.crop(box).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    elif name == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif name == "turned 5°":
        image = image.rotate(5, Image.Resampling.BICUBIC, fillcolor="white")
    elif name == "noise 12":
        noisy = np.asarray(image) + rng.normal(0, 12, (_SIDE, _SIDE, 3))
        return np.clip(noisy, 0, 255).astype(np.uint8)
    elif name == "grey":
        image = image.convert("L").convert("RGB")
    return np.asarray(image)
