"""The estimator of photographed faces: perceived gender, perceived age group, rendered skin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sdk import (
    Confusion,
    Estimate,
    Finding,
    Picture,
    Pixels,
    PluginError,
    Registry,
    Request,
    Sampler,
    Settings,
    findings_of,
)

from .finder import Face, Finder, drawn
from .heads import GROUPS, Heads, groups_of
from .skin import ITA_CLASSES, MONK, Skin, ita_class, measure
from .weights import FINDER, folder_of

VERSION = "1"
GENDER, AGE = "perceived_gender", "perceived_age_group"
ITA, TONE = "rendered_skin_ita", "rendered_skin_monk"
_MOST_FACES = 8
"""Largest faces of a picture; four findings each have to fit into a receipt."""
_SPREAD = 0.3
"""Largest difference of the probability between two cuts of one face."""
_LEAST = {GENDER: 0.8, AGE: 0.7}
NO_SETTINGS: Settings = {}


class Faces:
    """Measures photographed faces, and refuses drawn ones; safe to share between threads."""

    id = "faces"
    version = VERSION
    attributes: Mapping[str, tuple[str, ...]] = {
        GENDER: ("woman", "man", "none"),
        AGE: (*GROUPS, "none"),
        ITA: (*(name for name, _ in ITA_CLASSES), "none"),
        TONE: (*(f"monk-{i + 1}" for i in range(len(MONK))), "none"),
    }
    domain = (
        "photographs and photorealistic pictures with faces of at least 24 pixels, about frontal; "
        "refuses drawn faces; not measured on a balanced set: bring human labels"
    )
    licence = "CC0-1.0 (heads) and Apache-2.0 (face finder)"
    confusion: Mapping[str, Confusion] = {}

    def __init__(
        self,
        models: str = "",
        second: str = "",
        second_settings: Settings = NO_SETTINGS,
        sample_rate: float = 1.0,
        budget_ms: float = 0.0,
    ) -> None:
        self._sampler = Sampler(sample_rate, budget_ms)
        self._finder = Finder(Path(__file__).parent / FINDER)
        self._heads = Heads(folder_of(models))
        joined = "".join((self._finder.sha256, *self._heads.sha256))
        self.weights_sha256 = hashlib.sha256(joined.encode()).hexdigest()
        self._second: Any = Registry().make("auditor", second, second_settings) if second else None
        if second and GENDER not in getattr(self._second, "attributes", {}):
            raise PluginError(
                f"asked for {second!r} as the second head, found that it does not estimate "
                f"{GENDER}; name an estimator that does"
            )

    def audit(self, picture: Picture, request: Request) -> list[Finding]:
        """Return a finding for each attribute of each face that is answered."""
        if not self._sampler.wants(picture):
            return []
        with self._sampler.timed():
            return findings_of(self, self.estimate(picture.pixels))

    def estimate(self, pixels: Pixels) -> list[Estimate]:
        """Measure (H, W, 3) uint8 RGB; `none` where no face is found."""
        faces = sorted(self._finder.find(pixels), key=lambda face: -face.side)[:_MOST_FACES]
        if not faces:
            return [Estimate(attribute=a, probabilities={"none": 1.0}) for a in self.attributes]
        return [estimate for face in faces for estimate in self._face(pixels, face)]

    def _face(self, pixels: Pixels, face: Face) -> list[Estimate]:
        if drawn(pixels, face):
            why = "the face is drawn, not photographed"
            return [Estimate(attribute=a, abstained=why, box=face.box) for a in self.attributes]
        return [
            self._gender(pixels, face),
            self._age(pixels, face),
            *_skin(measure(pixels, face), face),
        ]

    def _gender(self, pixels: Pixels, face: Face) -> Estimate:
        cuts = self._heads.gender(pixels, face)
        woman = float(cuts.mean())
        said = {"woman": woman, "man": 1 - woman}
        likeliest = max(said, key=said.__getitem__)
        why = ""
        if float(np.ptp(cuts)) > _SPREAD:
            why = f"the answer depends on the cut: woman {cuts.min():.2f} to {cuts.max():.2f}"
        elif said[likeliest] < _LEAST[GENDER]:
            why = f"likeliest is {likeliest} with {said[likeliest]:.2f}, below {_LEAST[GENDER]:g}"
        elif self._second is not None:
            other = self._second.estimate(_around(pixels, face))[0]
            if other.value and other.value != likeliest:
                why = f"two heads disagree: {likeliest}, and {other.value} by {self._second.id}"
        if why:
            return Estimate(attribute=GENDER, abstained=why, box=face.box)
        return Estimate(attribute=GENDER, probabilities=said, box=face.box)

    def _age(self, pixels: Pixels, face: Face) -> Estimate:
        one, other = self._heads.ages(pixels, face)
        groups = groups_of((one + other) / 2)
        total = sum(groups.values())
        said = {name: share / total for name, share in groups.items()}
        likeliest = max(said, key=said.__getitem__)
        if said[likeliest] < _LEAST[AGE]:
            why = f"likeliest is {likeliest} with {said[likeliest]:.2f}, below {_LEAST[AGE]:g}"
            return Estimate(attribute=AGE, abstained=why, box=face.box)
        return Estimate(attribute=AGE, probabilities=said, box=face.box)


def _skin(skin: Skin, face: Face) -> list[Estimate]:
    if skin.poor_light:
        why = f"poor light: {skin.poor_light}"
        return [Estimate(attribute=a, abstained=why, box=face.box) for a in (ITA, TONE)]
    values = ((ITA, ita_class(skin.ita_deg)), (TONE, f"monk-{skin.monk}"))
    return [Estimate(attribute=a, probabilities={v: 1.0}, box=face.box) for a, v in values]


def _around(pixels: Pixels, face: Face) -> Pixels:
    """The face with hair and neck, for a head that was trained on pictures."""
    margin = round(0.6 * face.side)
    box = face.box
    top, left = max(0, box.y - margin), max(0, box.x - margin)
    cut = pixels[top : box.y + box.height + margin, left : box.x + box.width + margin]
    return np.ascontiguousarray(cut)
