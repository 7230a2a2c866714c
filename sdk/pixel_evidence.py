"""Looks at the pixels: asks the detectors, and the repository for a lost manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sdk.claims import Claimed
from sdk.endurance import examined
from sdk.errors import SDKError, VerifyError
from sdk.evidence import Detector, Evidence, Recovered, Sighting
from sdk.manifests import ManifestStore, read_manifests
from sdk.source import IN_MEMORY, Source
from sdk.types import Detection, Presence

if TYPE_CHECKING:
    from sdk.credentials import Credential
    from sdk.legacy import Seen
    from sdk.pixels import Pixels
    from sdk.recovery import Finder as Repository


class Judge(Protocol):
    """Who judges a manifest under the user's lists."""

    def judged(self, read: Callable[[bytes], ManifestStore | None]) -> Evidence:
        """Judge the store that `read` gives for some roots."""


def look(
    source: Source,
    found: Evidence,
    detectors: Sequence[Detector],
    repository: Repository | None,
    judge: Judge,
) -> Evidence:
    """Add to the evidence what the pixels say, and a manifest that was recovered by them."""
    from sdk.legacy import constant_marks
    from sdk.views import views

    try:
        if not source.is_whole:
            raise VerifyError(f"the file is larger than {IN_MEMORY:,} bytes")
        shown = views(source.data)
    except SDKError as exc:
        problem = f"the pixels could not be read: {exc}"
        return replace(found, sightings=tuple(_unasked(d, problem) for d in detectors))
    seen = replace(
        found,
        claims=(*found.claims, *map(_claimed, constant_marks(shown[0]))),
        sightings=tuple(_look(detector, shown) for detector in detectors),
    )
    if repository is None or found.store is not None:
        return seen
    return _recovered(source, seen, shown, repository, judge)


def _claimed(seen: Seen) -> Claimed:
    """What a constant mark claims: anybody can write it, so it is never more than that."""
    bits = f"{seen.matching} of {len(seen.message.bits)} bits{' inverted' if seen.inverted else ''}"
    return Claimed(
        kind="constant-mark",
        says=f"carries the constant watermark of {seen.message.name}",
        detail=f"invisible-watermark dwtDct, {bits}, log10 p {seen.log10_p:.1f}",
    )


def _recovered(
    source: Source, seen: Evidence, shown: Sequence[Pixels], repository: Repository, judge: Judge
) -> Evidence:
    from sdk.recovery import recover

    try:
        alone = len(shown) == 1
        find = recover(source.data, shown[0], seen.sightings, repository, alone=alone)
    except SDKError as exc:
        return replace(seen, repository_problem=f"the repository could not be asked: {exc}")
    if find is None:
        return seen
    recovered, known = find
    if recovered.match == "different":
        return replace(seen, recovered=recovered)
    judged = judge.judged(lambda anchors: _read(source, recovered, known, anchors))
    if judged.store is None:
        return replace(seen, repository_problem="the recovered manifest cannot be read")
    return replace(
        seen, store=judged.store, timed=judged.timed, joint=judged.joint, recovered=recovered
    )


def _read(
    source: Source, recovered: Recovered, known: Credential, anchors: bytes
) -> ManifestStore | None:
    """Read the manifest inside the restored file, or beside the file as it is."""
    from sdk.recovery import restored

    whole = restored(source.data, known) if recovered.match == "bytes" else None
    if whole is not None:
        return read_manifests(whole, known.media_type, anchors=anchors, details=True)
    return read_manifests(
        source.data, source.media_type, anchors=anchors, manifest=known.store, details=True
    )


def _look(detector: Detector, shown: Sequence[Pixels]) -> Sighting:
    """Ask about one frame after the other until a mark is found; the first answer otherwise."""
    first = _ask(detector, shown[0])
    for pixels in shown[1:] if not _present(first) else ():
        later = _ask(detector, pixels)
        if _present(later):
            return later
    return first


def _present(sighting: Sighting) -> bool:
    found = sighting.detection
    return found is not None and found.presence is Presence.PRESENT


def _ask(detector: Detector, pixels: object) -> Sighting:
    try:
        seen: object = examined(detector, pixels)
    except Exception as exc:  # noqa: BLE001  a plugin may raise anything; it then saw nothing
        return _unasked(detector, f"the detector failed: {type(exc).__name__}: {exc}")
    if not isinstance(seen, Detection):
        return _unasked(detector, f"the detector answered {type(seen).__name__}")
    return Sighting(algorithm=detector.algorithm, detection=seen)


def _unasked(detector: Detector, problem: str) -> Sighting:
    return Sighting(algorithm=detector.algorithm, detection=None, problem=problem)
