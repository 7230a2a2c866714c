"""One share of a data set, worked on by one process: checked, shaped, filtered, described.

A finished share is a file that appears whole; a killed `prepare` repeats only what was under way.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk.data.duplicates import Describer, describer
from sdk.data.screens import Screens
from sdk.data.shape import Shape, fit, measured, too_small
from sdk.durable import write_whole
from sdk.errors import DataError
from sdk.hookspecs import Dataset
from sdk.pixels import Picture, Pixels
from sdk.registry import Registry
from sdk.training import Item
from sdk.types import JSON, Settings

_DESCRIBED_SIDE = 128
_AT_ONCE = 256
_UNCLEAR = ("noassertion", "none", "unknown", "proprietary", "all rights reserved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to do with a share of a data set."""

    dataset: str
    settings: Settings
    index: int
    count: int
    """Share `index` of `count`."""
    folder: Path
    """Where the share's file goes."""
    shape: Shape
    screens: tuple[str, ...] = ()
    describer: str = "copies"
    licences: tuple[str, ...] = ()
    """Allowed, exactly as data sets name them; empty allows all but unclear, NC and ND."""

    @property
    def path(self) -> Path:
        """The share's file."""
        return self.folder / f"part-{self.index:03}-of-{self.count:03}.npz"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What came out of a share."""

    pixels: NDArray[np.uint8]
    """(N, side, side, 3)."""
    hashes: NDArray[np.uint8]
    features: NDArray[np.float32]
    records: list[dict[str, JSON]]
    """Of used items, in the order of `pixels`; `place` is the item's place in the data set."""
    excluded: list[dict[str, JSON]]
    network: str


class Unwatched:
    """A watch of a process that nobody looks at."""

    def step(self, done: int, total: int, /) -> None:
        """Take note of nothing."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every share of a data set is looked at with; made once for each process."""

    registry: Registry
    screens: Screens
    sees: Describer

    @classmethod
    def of(cls, job: Job, registry: Registry) -> Tools:
        """Have the registry make the filters and the describer."""
        screens = Screens(job.screens, registry)
        return cls(registry, screens, describer(registry, job.describer))


_OWN: list[Tools] = []
"""Of a worker process, which does shares of one plan only."""


def work_alone(job: Job) -> Path:
    """Do the job in a process of its own."""
    if not _OWN:
        _OWN.append(Tools.of(job, Registry()))
    return work(job, _OWN[0])


def work(job: Job, tools: Tools) -> Path:
    """Do the job, unless its file is there; returns the file.

    Raises:
        DataError: the data set breaks off, or the file cannot be written.
    """
    if job.path.exists():
        return job.path
    part: Dataset = tools.registry.make("dataset", job.dataset, job.settings)
    keeper = _Keeper(job, tools.sees)
    for place, item in _share(part, job):
        keeper.take(place, item, tools.screens)
    data = keeper.packed()
    write_whole(job.path, lambda new: new.write_bytes(data), error=DataError)
    return job.path


def read_part(path: Path) -> Part:
    """Read a share's file.

    Raises:
        DataError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            papers = json.loads(found["papers"].tobytes())
            return Part(
                pixels=found["pixels"],
                hashes=found["hashes"],
                features=found["features"],
                records=papers["records"],
                excluded=papers["excluded"],
                network=papers["network"],
            )
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(
            f"asked to read {path.name}, found {exc}; remove that file and prepare again"
        ) from exc


def _share(part: Dataset, job: Job) -> Iterator[tuple[int, Item]]:
    """Items of this share with their places; a data set that cannot be shared is read whole."""
    if callable(share := getattr(part, "share", None)):
        mine: Dataset = share(job.index, job.count)
        for number, item in enumerate(mine.items(Unwatched())):
            yield number * job.count + job.index, item
        return
    for place, item in enumerate(part.items(Unwatched())):
        if place % job.count == job.index:
            yield place, item


class _Keeper:
    """Collects what is kept of a share, describing a few hundred at a time."""

    def __init__(self, job: Job, sees: Describer) -> None:
        self._job = job
        self._sees = sees
        self._pixels: list[Pixels] = []
        self._waiting: list[Pixels] = []
        self._hashes: list[NDArray[np.uint8]] = []
        self._features: list[NDArray[np.float32]] = []
        self._records: list[dict[str, JSON]] = []
        self._excluded: list[dict[str, JSON]] = []

    def take(self, place: int, item: Item, screens: Screens) -> None:
        """Keep an item, or keep why it is left out."""
        why = item.excluded or _unusable(item, self._job)
        pixels = None if why or item.pixels is None else item.pixels
        if pixels is not None:
            why = too_small(pixels, self._job.shape) or screens.why_not(pixels)
        if why or pixels is None:
            self._excluded.append({"place": place, **_papers(item), "excluded": why})
            return
        shaped = fit(pixels, self._job.shape)
        labels = {**measured(shaped, (pixels.shape[0], pixels.shape[1])), **item.labels}
        named = replace(item, labels={k: v for k, v in labels.items() if v})
        digest = hashlib.sha256(shaped.tobytes()).hexdigest()
        self._records.append({"place": place, **_papers(named), "sha256": digest})
        self._pixels.append(shaped)
        self._waiting.append(Picture(shaped).resized(_DESCRIBED_SIDE))
        if len(self._waiting) >= _AT_ONCE:
            self._describe()

    def _describe(self) -> None:
        if self._waiting:
            hashes, features = self._sees.describe(np.stack(self._waiting))
            self._hashes.append(hashes)
            self._features.append(features)
            self._waiting = []

    def packed(self) -> bytes:
        """The share as the bytes of an npz file."""
        self._describe()
        side = self._job.shape.side
        papers = {
            "records": self._records,
            "excluded": self._excluded,
            "network": self._sees.network,
        }
        stream = io.BytesIO()
        np.savez(
            stream,
            pixels=_stack(self._pixels, (0, side, side, 3)),
            hashes=np.concatenate(self._hashes) if self._hashes else np.empty((0, 32), np.uint8),
            features=_joined(self._features),
            papers=np.frombuffer(json.dumps(papers).encode(), np.uint8),
        )
        return stream.getvalue()


def _stack(pixels: Sequence[Pixels], empty: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.stack(pixels) if pixels else np.empty(empty, np.uint8)


def _joined(features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(features) if features else np.empty((0, 0), np.float32)


def _unusable(item: Item, job: Job) -> str:
    """Why an item's papers do not allow to use it."""
    licence = item.licence.strip()
    if item.pixels is None:
        return "no picture"
    if not licence:
        return "no licence"
    if job.licences:
        return "" if licence in job.licences else f"licence {licence} is not allowed"
    words = licence.upper().replace("_", "-").split("-")
    if licence.lower() in _UNCLEAR or "NC" in words or "ND" in words:
        return f"licence {licence} does not clearly allow it"
    if licence.upper().startswith("CC-BY") and not item.attribution.strip():
        return f"{licence} without attribution"
    return "" if (item.caption or item.concept).strip() else "no caption"


def _papers(item: Item) -> dict[str, JSON]:
    """An item without its pixels; the caption on one line."""
    caption = " ".join((item.caption or item.concept).split())
    return {
        "id": item.id,
        "caption": caption,
        "concept": item.concept or caption.lower(),
        "labels": dict(item.labels),
        "licence": item.licence.strip(),
        "attribution": item.attribution,
        "source": item.source,
        "consent": item.consent,
    }
