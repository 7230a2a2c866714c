"""Measures how near a picture is to its nearest training picture.

    policy:  auditors = [{plugin = "copies"}]

Each released picture gets one finding, category `copy`: the score, and in its note the nearest
picture's id, licence and caption.  Two methods look and the higher score counts: PDQ hashes see
re-encoding, noise and loss of colour; learned features also see crops, mirror images and turns.
The index that ships knows the starter model's 14,277 distinct training pictures, so a score says
nothing about other models until `python -m sdk_auditor_copies.build` has read their data.

A high score says "the same drawing", not "infringement": the note's licence says what follows.
docs/auditors/copies.md has the measured distributions behind the two curves below.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import Auditor, Finding, Picture, PluginError, Request, Settings, hookimpl

from .features import Network
from .index import Index, Match
from .pdq import SIDE, pdq

__all__ = ["Copies", "auditor"]

VERSION = "1"
_HERE = Path(__file__).parent

# Each curve is logistic: score 0.5 at `middle`, 0.9 at `sure`.  Chosen between the 1st percentile
# of true copies and the 99th of the nearest drawing by another vendor (docs/auditors/copies.md).
_COSINE_MIDDLE, _COSINE_SURE = 0.955, 0.968
_BITS_MIDDLE, _BITS_SURE = 40.0, 31.0
_NAMED = 0.9
_AT_ONCE = 128
_BLANK = 2.0
"""Standard deviation of luminance below which there is nothing to compare."""


class Copies:
    """Compares with every picture of the index; safe to share between threads."""

    provides = frozenset({"nearest-copy"})
    network = f"copies {VERSION}"

    def __init__(self, index: str = "") -> None:
        folder = Path(index).expanduser() if index else _HERE
        self._index = Index.read(folder / "index.npz")
        self._network = Network(folder / "network.onnx")
        if self._index.network_sha256 != self._network.sha256:
            raise PluginError(
                f"asked for the index in {folder.name!r}, found features of another network; "
                "build index.npz and network.onnx together"
            )

    def audit(self, picture: Picture, request: Request) -> list[Finding]:
        """Return the finding, or none for a picture without content."""
        match = self.nearest(picture)
        if match is None:
            return []
        by_features = _curve(match.cosine, _COSINE_MIDDLE, _COSINE_SURE)
        by_pdq = _curve(match.bits, _BITS_MIDDLE, _BITS_SURE)
        # Drawings that differ only in colour share a hash: features name the picture if they can.
        method = "pdq" if by_pdq > by_features and by_features < _NAMED else "features"
        found = match.by_pdq if method == "pdq" else match.by_features
        return [
            Finding(
                category="copy",
                score=max(by_features, by_pdq),
                detector=f"copies {VERSION} {method}",
                weights_sha256=self._index.sha256,
                note=f"nearest: {found.id} ({found.licence}), {found.caption!r}, by {method}; "
                f"cosine {match.cosine:.3f}, {match.bits} of 256 bits differ",
            )
        ]

    def nearest(self, picture: Picture) -> Match | None:
        """Find the nearest picture by each method; None when there is nothing to compare."""
        pixels = picture.resized(SIDE)
        if pixels.std() < _BLANK:
            return None
        hashes = np.stack([pdq(pixels), pdq(pixels[:, ::-1])])
        return self._index.nearest(hashes, self._network.features(pixels))

    def describe(
        self, pictures: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(N, 128, 128, 3) uint8 → PDQ hashes (N, 32) uint8, features (N, 128) of length 1."""
        hashes = np.stack([pdq(one) for one in pictures])
        starts = range(0, len(pictures), _AT_ONCE)
        found = [self._network.embed(pictures[i : i + _AT_ONCE]) for i in starts]
        return hashes, np.concatenate(found)


def _curve(value: float, middle: float, sure: float) -> float:
    return 1 / (1 + math.exp(-math.log(9) * (value - middle) / (sure - middle)))


@hookimpl
def auditor(settings: Settings) -> Auditor:
    """Make the nearest-copy auditor; setting: `index`, a folder that `build` wrote."""
    return Copies(**settings)  # type: ignore[arg-type]
