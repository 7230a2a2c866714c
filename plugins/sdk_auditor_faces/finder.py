"""Finds faces with BlazeFace, short range (arXiv:1907.05047; MediaPipe, Apache-2.0).

The network sees the picture letterboxed to 128 × 128 and answers for 896 anchors: a box and six
points each, in units of 1/128.  Faces below about an eighth of the picture's side are found only
by the second look, at four overlapping parts of it, or by a thorough one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk import Box, Pixels

from .weights import open_network

Floats = NDArray[np.float32]

SIDE = 128
LEAST_SCORE = 0.6
"""Probability of a face; 0.5 is MediaPipe's.  It finds drawn faces as well, see `drawn`."""
_LEAST_OVERLAP = 0.3
"""Intersection over union above which two boxes are one face (MediaPipe's value)."""
_PART = 0.6
"""Side of the parts of the second look, as a share of the picture's."""
_THOROUGH = ((_PART, 2), (0.36, 3))
"""Share of the longer side, and parts along each side, that a thorough look adds.  In six
photographs of 22 people it finds all, and three boxes too many; without it 13 are found, because
one found face ends the search.  110 ms instead of 15 ms for 2.6 megapixels, on one core."""
_NEAR, _FLAT = 6, 0.46
LEAST_SIDE = 24
"""Pixels between the edges of a face below which nothing can be measured on it."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face, in pixels of the picture."""

    score: float
    left: float
    top: float
    right: float
    bottom: float
    points: Floats
    """(6, 2) x, y: the eye at the left of the picture, the one at its right, nose tip, mouth
    centre, left and right tragion."""

    @property
    def box(self) -> Box:
        """The rectangle, whole pixels."""
        x, y = max(0, round(self.left)), max(0, round(self.top))
        return Box(x=x, y=y, width=round(self.right) - x, height=round(self.bottom) - y)

    @property
    def side(self) -> float:
        """Shorter side of the box, pixels."""
        return min(self.right - self.left, self.bottom - self.top)


class Finder:
    """The face detector; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._session: Any
        self._session, self.sha256 = open_network(path)
        self._anchors = _anchors()

    def find(self, pixels: Pixels, *, thorough: bool = False) -> list[Face]:
        """Return faces of at least 24 pixels, the likeliest first.

        Not `thorough` is for auditors: it looks closer only where the whole shows no face.
        """
        found = self._look(pixels, 0, 0)
        for share, along in _THOROUGH if thorough else () if found else _THOROUGH[:1]:
            part = round(max(pixels.shape[:2]) * share)
            for top in _starts(pixels.shape[0] - part, along):
                for left in _starts(pixels.shape[1] - part, along):
                    cut = pixels[top : top + part, left : left + part]
                    found += self._look(np.ascontiguousarray(cut), left, top)
        return [face for face in _merged(found) if face.side >= LEAST_SIDE]

    def _look(self, pixels: Pixels, x: int, y: int) -> list[Face]:
        height, width = pixels.shape[:2]
        scale = SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        framed = Image.new("RGB", (SIDE, SIDE))
        left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
        framed.paste(small, (left, top))
        given = np.asarray(framed, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
        boxes, logits = self._session.run(None, {"pictures": given})
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        faces = []
        for i in np.flatnonzero(scores >= LEAST_SCORE):
            answer = boxes[0, i].reshape(-1, 2) / SIDE
            centre, half = answer[0] + self._anchors[i], answer[1] / 2
            corners = np.stack([centre - half, centre + half, *(answer[2:] + self._anchors[i])])
            placed = (corners * SIDE - (left, top)) / scale + (x, y)
            (x0, y0), (x1, y1) = placed[:2]
            faces.append(Face(float(scores[i]), x0, y0, x1, y1, placed[2:].astype(np.float32)))
        return faces


def drawn(pixels: Pixels, face: Face) -> bool:
    """Tell a drawn face from a photographed one by how flat it is.

    Share of neighbours in the box, at 64 × 64, that differ by at most 6 levels over three channels:
    .76 to .95 in 102 faces found in emoji art, .53 to .72 in 37 drawn by the starter model, .17 to
    .39 in 40 photographed ones (benchmarks in docs/auditors/faces.md).
    """
    box = face.box
    cut = Image.fromarray(pixels[box.y : box.y + box.height, box.x : box.x + box.width])
    small = np.asarray(cut.resize((64, 64), Image.Resampling.BOX)).astype(np.int16)
    apart = np.abs(np.diff(small, axis=1)).sum(2)
    return float((apart <= _NEAR).mean()) >= _FLAT


def _starts(room: int, along: int) -> list[int]:
    """Where parts begin that share a side evenly: `along` places, fewer without room."""
    return sorted({round(max(0, room) * i / (along - 1)) for i in range(along)})


def _anchors() -> Floats:
    """Centres of the 896 anchors, shares of the side: 2 a cell of 16², 6 a cell of 8².

    As in MediaPipe's face_detection_short_range_common.pbtxt: strides 8, 16, 16, 16.
    """
    grids = []
    for cells, each in ((16, 2), (8, 6)):
        line = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        grids.append(np.repeat(grid, each, axis=0))
    return np.concatenate(grids).astype(np.float32)


def _merged(faces: list[Face]) -> list[Face]:
    """Average the boxes that overlap, weighted by score, as BlazeFace's section 3.3 says."""
    left, merged = sorted(faces, key=lambda face: -face.score), []
    while left:
        first = left[0]
        same = [face for face in left if _overlap(first, face) > _LEAST_OVERLAP] or [first]
        left = [face for face in left if not any(face is other for other in same)]
        weights = np.array([face.score for face in same])
        weights /= weights.sum()
        edges = np.array([(f.left, f.top, f.right, f.bottom) for f in same])
        points = np.stack([face.points for face in same])
        mean = (edges * weights[:, None]).sum(0)
        placed = (points * weights[:, None, None]).sum(0).astype(np.float32)
        merged.append(
            Face(
                first.score,
                float(mean[0]),
                float(mean[1]),
                float(mean[2]),
                float(mean[3]),
                placed,
            )
        )
    return merged


def _overlap(a: Face, b: Face) -> float:
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    one, other = ((f.right - f.left) * (f.bottom - f.top) for f in (a, b))
    return both / (one + other - both)
