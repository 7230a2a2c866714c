"""The picture filter: what both networks say about the whole and about its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sdk import Box, Finding, Picture, PluginError, Request

from .networks import (
    CLASSIFIER_S,
    CLASSIFIER_S_SHA256,
    OPEN_NSFW,
    OPEN_NSFW_SHA256,
    Network,
    for_classifier_s,
    for_open_nsfw,
    weights,
)

OPEN, SAFETY = "open_nsfw 1", "image-safety-classifier-s eb8b0b2"
NSFL, NSFW = 0, 1
"""Columns of image-safety-classifier-s (MODEL_INFO.json: NSFL, NSFW, SFW)."""
LONE = 0.79
"""Weight of what one network sees alone: it can come to a review, not to a block at 0.8."""
TILE = 0.6
"""Side of a part, of the picture's.  Four corners and the centre."""
TILE_SUSPECT = 0.3
"""Parts below this for open_nsfw are not shown to the second network, which costs 35 ms each."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One part of a picture with what the networks say of it."""

    box: Box
    open_nsfw: float
    score: float


class NsfwFilter:
    """Measures nudity and gore.

    Args:
        tiles: look at five overlapping parts too.
        min_side_for_tiles: pictures with a shorter side than this (pixels) are looked at whole:
            the networks see 224 pixels, and a part of 0.6 of 320 is smaller than that.

    Raises:
        PluginError: a setting is wrong, or the extra `safety` is not installed as tested.
    """

    def __init__(self, *, tiles: bool = True, min_side_for_tiles: int = 320) -> None:
        if not isinstance(tiles, bool):
            raise PluginError(f"asked for tiles {tiles!r}; give true or false")
        if isinstance(min_side_for_tiles, bool) or not isinstance(min_side_for_tiles, int):
            raise PluginError(f"asked for min_side_for_tiles {min_side_for_tiles!r}; give pixels")
        self.categories: Sequence[str] = ("sexual", "sexual_tile", "violence")
        self._min_side = min_side_for_tiles if tiles else None
        self._open = Network(weights(OPEN_NSFW, OPEN_NSFW_SHA256))
        self._safety = Network(weights(CLASSIFIER_S, CLASSIFIER_S_SHA256))

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return findings for the whole picture and for its worst part."""
        image = Image.fromarray(picture.pixels)
        nude = float(self._open.run(for_open_nsfw([image]))[0, 1])
        safety = self._safety.run(for_classifier_s([image]))[0]
        return [
            Finding(
                category="sexual",
                score=agreed(nude, float(safety[NSFW])),
                detector=f"{OPEN} and {SAFETY}",
                weights_sha256=OPEN_NSFW_SHA256,
                note=f"whole picture: open_nsfw {nude:.2f}, NSFW {safety[NSFW]:.2f}",
            ),
            self._worst_tile(image),
            Finding(
                category="violence",
                score=float(safety[NSFL]),
                detector=SAFETY,
                weights_sha256=CLASSIFIER_S_SHA256,
                note=f"whole picture: NSFL {safety[NSFL]:.2f}",
            ),
        ]

    def _worst_tile(self, image: Image.Image) -> Finding:
        if self._min_side is None or min(image.size) < self._min_side:
            why = "parts were not looked at" if self._min_side is None else "too small for parts"
            return _tile_finding(0.0, None, why)
        boxes = _boxes(*image.size)
        parts = [image.crop((b.x, b.y, b.x + b.width, b.y + b.height)) for b in boxes]
        nude = self._open.run(for_open_nsfw(parts))[:, 1]
        suspect = [i for i in range(len(parts)) if nude[i] >= TILE_SUSPECT]
        seen = np.zeros(len(parts), np.float32)
        if suspect:
            seen[suspect] = self._safety.run(for_classifier_s([parts[i] for i in suspect]))[:, NSFW]
        tiles = [
            Tile(box, float(nude[i]), agreed(float(nude[i]), float(seen[i])))
            for i, box in enumerate(boxes)
        ]
        worst = max(tiles, key=lambda tile: tile.score)
        return _tile_finding(worst.score, worst.box, f"worst part: open_nsfw {worst.open_nsfw:.2f}")


def agreed(one: float, other: float) -> float:
    """Near 1 only where both networks see it: their geometric mean, or LONE times the larger."""
    return min(1.0, max(float(np.sqrt(one * other)), LONE * max(one, other)))


def _boxes(width: int, height: int) -> list[Box]:
    """Four corners and the centre, TILE of each side."""
    across, down = round(width * TILE), round(height * TILE)
    right, bottom = width - across, height - down
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]
    return [Box(x=x, y=y, width=across, height=down) for x, y in corners]


def _tile_finding(score: float, box: Box | None, note: str) -> Finding:
    return Finding(
        category="sexual_tile",
        score=score,
        box=box,
        detector=f"{OPEN} and {SAFETY}",
        weights_sha256=OPEN_NSFW_SHA256,
        note=note,
    )
