"""Perceived gender and age of one face, by the CC0 networks of dlib-models.

The networks were trained on chips that dlib cuts with five landmarks.  Here the two eyes that
BlazeFace reports take their place: a similarity puts them where dlib's mean face has them
(`get_face_chip_details` in dlib 19.20, image_transforms/interpolation.h, five points, padding 0.2).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdk import Pixels

from .finder import Face, Floats
from .weights import AGE, GENDER, open_network

_EYES = np.array([[0.3052, 0.3010], [0.6806, 0.3009]], np.float64)
"""Middle of each eye in a chip, shares of its side: dlib's mean corners with padding 0.2."""
_MEANS = np.array([122.781998, 117.000999, 104.297997], np.float32)
_AGES = np.array([0.25, *range(1, 81)], np.float32)
"""Years that the 81 outputs of the age network stand for."""
GROUPS = {"child": (0, 15), "adult": (15, 60), "older": (60, 200)}
"""Perceived age group → from … to, years."""


class Heads:
    """Both networks; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._gender, gender = open_network(folder / GENDER)
        self._age, age = open_network(folder / AGE)
        self.sha256 = (gender, age)

    def gender(self, pixels: Pixels, face: Face) -> Floats:
        """Probability of `woman` for four views of the face: (4,).

        As it is, mirrored, and cut 8 % wider and narrower.  Where the cut decides, the face
        does not.
        """
        chips = [chip_of(pixels, face, 32, zoom) for zoom in (1.0, 1.08, 0.92)]
        given = _tensor([chips[0], chips[0][:, ::-1], *chips[1:]])
        found: Floats = self._gender.run(None, {"images": given})[0][:, 0]
        return found

    def ages(self, pixels: Pixels, face: Face) -> Floats:
        """Probability of each of 81 ages, for the face as it is and mirrored: (2, 81)."""
        chip = chip_of(pixels, face, 64)
        found: Floats = self._age.run(None, {"images": _tensor([chip, chip[:, ::-1]])})[0]
        return found


def years_of(ages: Floats) -> float:
    """Expected age."""
    return float(ages @ _AGES)


def groups_of(ages: Floats) -> dict[str, float]:
    """Probability of each of `GROUPS`."""
    return {
        name: float(ages[(low <= _AGES) & (high > _AGES)].sum())
        for name, (low, high) in GROUPS.items()
    }


def chip_of(pixels: Pixels, face: Face, side: int, zoom: float = 1.0) -> NDArray[np.uint8]:
    """Cut the face out, upright, eyes in their places: (side, side, 3) uint8."""
    eyes = face.points[:2].astype(np.float64)
    places = (0.5 + (_EYES - 0.5) * zoom) * side
    turn = _complex(eyes[1] - eyes[0]) / _complex(places[1] - places[0])
    shift = _complex(eyes[0]) - turn * _complex(places[0])
    a, b = turn.real, turn.imag
    image = Image.fromarray(pixels)
    shrink = abs(turn)
    if shrink > 1.5:  # area average first: a bilinear sample alone would alias
        size = (max(1, round(image.width / shrink)), max(1, round(image.height / shrink)))
        sx, sy = size[0] / image.width, size[1] / image.height
        image = image.resize(size, Image.Resampling.BOX)
        matrix = (a * sx, -b * sx, shift.real * sx, b * sy, a * sy, shift.imag * sy)
    else:
        matrix = (a, -b, shift.real, b, a, shift.imag)
    moved = image.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(moved)


def _complex(point: NDArray[np.float64]) -> complex:
    return complex(point[0], point[1])


def _tensor(chips: list[NDArray[np.uint8]]) -> Floats:
    """(N, side, side, 3) uint8 → (N, 3, side, side) float32, as the networks were trained."""
    values: Floats = (np.stack(chips).astype(np.float32) - _MEANS) / np.float32(256)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
