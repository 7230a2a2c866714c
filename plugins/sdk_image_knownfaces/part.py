"""The filter: every face in a picture, compared with every face in the bank."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from sdk_auditor_faces.finder import Face

from sdk import Finding, Picture, PluginError, Request

from .bank import read_bank
from .enrolment import face_finder
from .network import Embedder

KNOWN, UNCLEAR = "known_face", "unclear_face"
LEAST_SIDE = 40
"""Pixels between the edges of a face below which it is called unclear, not compared."""


class KnownFaces:
    """Measures how like the nearest face of a bank each face of a picture is.

    Args:
        bank: file that `enrol` wrote.
        weights: ONNX file of the embedding network with which it was written.
        sha256: of that file, 64 hex digits.
        layout: `arcface`, `sface` or `dlib`: what the network wants to see.
        threshold: cosine from which two faces are one person's, in 0..1; measured by you.
        least_side: smaller faces are unclear (pixels, at least 24: smaller ones are not found).

    Raises:
        PluginError: a setting, the bank or the network is wrong, or they do not belong together.
    """

    def __init__(
        self,
        *,
        bank: str = "",
        weights: str = "",
        sha256: str = "",
        layout: str = "",
        threshold: float = 0.0,
        least_side: int = LEAST_SIDE,
    ) -> None:
        if not bank or not isinstance(bank, str):
            raise PluginError("asked for known faces, found no bank; make one with enrol, give it")
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
            raise PluginError(f"asked for threshold {threshold!r}; give a number")
        if not 0 < threshold < 1:
            raise PluginError(
                f"asked for threshold {threshold!r}; give the cosine between 0 and 1 from which "
                "two faces count as one person's, measured with your network and your pictures"
            )
        if isinstance(least_side, bool) or not isinstance(least_side, int) or least_side < 24:
            raise PluginError(f"asked for least_side {least_side!r}; give pixels, at least 24")
        self.categories: Sequence[str] = (KNOWN, UNCLEAR)
        self._threshold, self._least_side = float(threshold), least_side
        self._bank = read_bank(Path(bank).expanduser())
        self._bank.check_dates(_today())
        self._net = Embedder(weights, sha256, layout)
        if (self._bank.network_sha256, self._bank.layout) != (sha256, layout):
            raise PluginError(
                f"asked to compare by a network of layout {layout!r}, SHA-256 {sha256[:12]}…, "
                f"found a bank made with {self._bank.layout!r}, {self._bank.network_sha256[:12]}…; "
                "vectors of two networks cannot be compared: enrol again"
            )
        self._rows, self._ids = self._bank.rows()
        self._finder = face_finder()
        self._detector = f"known-faces 1 {layout}, bank {self._bank.sha256[:12]}"

    def inspect(self, picture: Picture, request: Request) -> Sequence[Finding]:
        """Return a finding for every face, and for each category at least one.

        Raises:
            PluginError: the network failed, or an entry may no longer be kept.
        """
        self._bank.check_dates(_today())
        faces = self._finder.find(picture.pixels, thorough=True)
        small = [face for face in faces if face.side < self._least_side]
        known = [self._compared(picture, f) for f in faces if f.side >= self._least_side]
        return [
            *(known or [self._finding(KNOWN, 0.0, None, "no face to compare")]),
            *([self._unclear(face) for face in small] or [self._finding(UNCLEAR, 0.0, None, "")]),
        ]

    def _compared(self, picture: Picture, face: Face) -> Finding:
        vector = self._net.embed(picture.pixels, face)
        if vector.size != self._bank.width:
            raise PluginError(
                f"asked to compare vectors of {vector.size} numbers, found a bank of "
                f"{self._bank.width}; enrol again"
            )
        cosines = self._rows @ vector
        at = int(cosines.argmax())
        cosine = float(cosines[at])
        score = score_of(cosine, self._threshold)
        if score < 0.5:  # whom a stranger resembles most is nobody's business
            return self._finding(KNOWN, score, face, "like nobody in the bank")
        note = f"entry {self._ids[at]}, cosine {cosine:.3f} of {self._threshold:g}"
        return self._finding(KNOWN, score, face, note)

    def _unclear(self, face: Face) -> Finding:
        note = f"a face of {face.side:.0f} pixels, not compared below {self._least_side}"
        return self._finding(UNCLEAR, 1.0, face, note)

    def _finding(self, category: str, score: float, face: Face | None, note: str) -> Finding:
        return Finding(
            category=category,
            score=score,
            box=face.box if face else None,
            detector=self._detector,
            weights_sha256=self._net.sha256,
            note=note,
        )


def score_of(cosine: float, threshold: float) -> float:
    """0 for a cosine of 0 or less, 0.5 at the threshold, 1 for the same face; straight between."""
    if cosine >= threshold:
        return min(1.0, 0.5 + 0.5 * (cosine - threshold) / (1 - threshold))
    return max(0.0, 0.5 * cosine / threshold)


def _today() -> date:
    return datetime.now(UTC).date()
