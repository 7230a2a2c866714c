"""The C2PA Soft Binding Resolution API: from a watermark or a picture to its manifest.

    GET  /services/supportedAlgorithms
    GET  /matches/byBinding?alg=ALG&value=BASE64&maxResults=10      (POST with the same as JSON)
    POST /matches/byContent?maxResults=10                           (body: the picture)
    GET  /manifests/{manifestId}                                    application/c2pa

C2PA specification 2.4, "Soft Binding Resolution API" (OpenAPI 3.0.3).  `byReference` is not
served: the server would have to fetch addresses that strangers name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

from sdk.credentials import Credential, Repository
from sdk.errors import RequestError
from sdk.evidence import Detector
from sdk.fingerprint import fingerprint
from sdk.inputs import InputImage
from sdk.jumbf import active_label
from sdk.pixels import Picture
from sdk.recovery import SIMILAR
from sdk.types import JSON

MOST_RESULTS = 100
FINGERPRINT = "org.zauner.phash.256"
"""Name of `sdk.fingerprint` in this API; it is not on C2PA's list of algorithms."""

Match = tuple[Credential, int]
"""A file and how alike it is, 0..100."""


class Bindings:
    """Answers from one repository."""

    def __init__(self, repository: Repository, detectors: Sequence[Detector]) -> None:
        self._repository = repository
        self._detectors = tuple(detectors)

    def algorithms(self) -> dict[str, JSON]:
        """What can be asked for."""
        return {
            "watermarks": [{"alg": d.algorithm} for d in self._detectors],
            "fingerprints": [{"alg": FINGERPRINT}],
        }

    def by_binding(self, alg: str, value: str, most: int) -> dict[str, JSON]:
        """Find manifests by the value of a soft binding.

        Raises:
            RequestError: the algorithm is not known, or the value is no base64.
        """
        try:
            wanted = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise RequestError("asked for a value that is not base64; encode its bytes") from None
        if alg == FINGERPRINT:
            if len(wanted) != 32:
                raise RequestError(f"asked for a fingerprint of {len(wanted)} bytes; it has 32")
            near = self._repository.by_fingerprint(wanted, at_least=SIMILAR, limit=most)
            return _answer([(known, round(100 * score)) for known, score in near])
        if alg not in {d.algorithm for d in self._detectors}:
            known_ = ", ".join([*(d.algorithm for d in self._detectors), FINGERPRINT])
            raise RequestError(f"asked for the algorithm {alg[:80]!r}; known: {known_}")
        return _answer([(c, 100) for c in self._repository.by_mark(alg, wanted)][:most])

    def by_content(self, data: bytes, most: int) -> dict[str, JSON]:
        """Find manifests by a picture: by the mark in it, its pixels, then its likeness.

        Raises:
            RequestError: it is no picture.
        """
        picture = Picture(InputImage.decode(data, name="picture").pixels)
        best: dict[str, Match] = {}
        for known, score in self._finds(picture, most):
            if known.sha256 not in best:
                best[known.sha256] = (known, score)
        return _answer(sorted(best.values(), key=lambda match: -match[1])[:most])

    def manifest(self, manifest_id: str) -> bytes | None:
        """Return a manifest store by the label of its active manifest; None for an unknown one."""
        found = self._repository.by_manifest(manifest_id)
        return found[0].store if found else None

    def _finds(self, picture: Picture, most: int) -> Iterator[Match]:
        for detector in self._detectors:
            payload = detector.detect(picture.pixels).payload
            if payload is not None:
                yield from ((c, 100) for c in self._repository.by_mark(detector.algorithm, payload))
        yield from ((c, 100) for c in self._repository.by_pixels(picture.sha256))
        near = self._repository.by_fingerprint(fingerprint(picture), at_least=SIMILAR, limit=most)
        yield from ((known, round(100 * score)) for known, score in near)


def count(text: str | None) -> int:
    """Read `maxResults`.

    Raises:
        RequestError: it is not 1..100.
    """
    if text is None:
        return 10
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_RESULTS:
        raise RequestError(f"asked for maxResults {text[:20]!r}; give 1 to {MOST_RESULTS}")
    return int(text)


def _answer(matches: Sequence[Match]) -> dict[str, JSON]:
    found: list[JSON] = []
    for known, score in matches:
        if label := active_label(known.store):
            found.append({"manifestId": label, "similarityScore": score})
    return {"matches": found}
