"""Marks one picture, transforms it in every way, and reads it again; or looks at an unmarked one.

A record is what came of one picture under one watermark: plain data, one line of the progress
file.  The same plan gives the same payloads, places and angles, in any order and on any machine.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image

from sdk.endurance import examined
from sdk.errors import DataError, MarkError, PluginError
from sdk.hookspecs import Watermark
from sdk.pixels import Pixels
from sdk.robustness.patterns import pattern
from sdk.robustness.pictures import One, square
from sdk.robustness.quality import quality
from sdk.robustness.transforms import GRID
from sdk.types import JSON, Detection, Presence

Record = dict[str, JSON]
ORDINARY = ("JPEG 75", "WebP 80")
"""What a mark that is not called weak has to survive; where it does not, it failed in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One picture under one watermark."""

    plugin: str
    side: int
    one: One | None = None
    """The picture; None for a synthetic pattern."""
    number: int = -1
    """Of the unmarked picture that is searched; -1: the picture is marked and transformed."""

    @property
    def id(self) -> str:
        """What tells it from every other of one plan."""
        what = self.one.id if self.one else "pattern"
        return f"{self.plugin}|{self.side}|{self.number}|{what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurer:
    """Does jobs with parts that were made once."""

    parts: Mapping[str, Watermark]
    names: Sequence[str]
    """Transforms of the grid."""

    def do(self, job: Job) -> Record:
        """Return the record of a job.

        Raises:
            RequestError: the picture cannot be read.
            PluginError: the watermark raised something other than MarkError, or answered oddly.
        """
        head: Record = {"job": job.id, "plugin": job.plugin, "side": job.side}
        part = self.parts[job.plugin]
        if job.one is None:
            kind, pixels = pattern(job.number, job.side)
            return head | {"kind": kind, **_searched(part, pixels)}
        head |= {"group": job.one.group, "id": job.one.id}
        try:
            pixels = square(job.one.path, job.side)
        except DataError:
            return head | {"skipped": True, "searched": job.number >= 0}
        if job.number >= 0:
            return head | {"kind": job.one.group, **_searched(part, pixels)}
        return head | self._marked(part, job.one, pixels)

    def _marked(self, part: Watermark, one: One, pixels: Pixels) -> Record:
        payload = _generator(one.id, "payload").bytes(part.payload_bytes)
        start = time.process_time()
        try:
            marked = _pixels(part.embed(pixels, payload), pixels.shape)
        except MarkError:
            return {"refused": True}
        except Exception as exc:  # a plugin may raise anything
            raise _failed("embed", exc) from exc
        embed_ms = 1000 * (time.process_time() - start)
        _, detect_ms = _timed(part, marked)
        reads: dict[str, JSON] = {}
        for name in self.names:
            changed = GRID[name].apply(Image.fromarray(marked), _generator(one.id, name))
            found, _ = _timed(part, np.ascontiguousarray(changed.convert("RGB")))
            reads[name] = _read(found, payload)
        return {
            **quality(pixels, marked).as_json(),
            "weak": examined(part, marked).weak,
            "embed_ms": round(embed_ms, 2),
            "detect_ms": round(detect_ms, 2),
            "reads": reads,
        }


def _searched(part: Watermark, pixels: Pixels) -> Record:
    found, took_ms = _timed(part, pixels)
    return {
        "presence": found.presence.value,
        "log10_p": round(found.log10_p, 4),
        "detect_ms": round(took_ms, 2),
    }


def _timed(part: Watermark, pixels: Pixels) -> tuple[Detection, float]:
    """Ask a detector; milliseconds are of the whole process's CPU."""
    start = time.process_time()
    try:
        found: object = part.detect(pixels)
    except Exception as exc:  # a plugin may raise anything
        raise _failed("detect", exc) from exc
    if not isinstance(found, Detection):
        raise PluginError(
            f"asked a watermark to detect, found {type(found).__name__}, no Detection"
        )
    return found, 1000 * (time.process_time() - start)


def _read(found: Detection, payload: bytes) -> str:
    """`exact`, `wrong`, or what the detector said of a mark that it could not read."""
    if found.presence is not Presence.PRESENT:
        return found.presence.value
    return "exact" if found.payload == payload else "wrong"


def _pixels(found: object, shape: tuple[int, ...]) -> Pixels:
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != np.uint8:
        raise PluginError(f"asked a watermark to embed, found no uint8 pixels of shape {shape}")
    return cast(Pixels, np.ascontiguousarray(found))


def _failed(what: str, exc: Exception) -> PluginError:
    return PluginError(f"asked a watermark to {what}, found {type(exc).__name__}: {exc}")


def _generator(*words: str) -> np.random.Generator:
    """The same words, the same numbers."""
    digest = hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
