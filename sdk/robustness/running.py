"""Does all jobs of a plan, on as many processes as asked, and goes on where it was stopped.

    records = run(plan, pictures, watch, progress=Path("out.progress"), workers=2)

Every record is a line of the progress file, synced before the next is counted.  The file's first
line names the plan, the pictures and the code that was measured: it is not added to by another.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import cast

from sdk.errors import DataError, RequestError
from sdk.hookspecs import Watermark
from sdk.members import check_members
from sdk.registry import PluginId, Registry
from sdk.robustness.measure import Job, Measurer, Record
from sdk.robustness.pictures import Pictures
from sdk.robustness.transforms import GRID
from sdk.types import JSON, NO_SETTINGS, Settings, Watch

FORMAT = "sdk robustness progress 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure."""

    plugin: str
    settings: Settings = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    """Other watermarks, measured alike with their own defaults."""
    sides: tuple[int, ...] = (512,)
    """Pixels along the squares that are cut from the pictures."""
    names: tuple[str, ...] = tuple(GRID)
    """Transforms."""
    unmarked: int = 200
    """Unmarked pictures that are searched: pictures of the folder and patterns take turns."""

    @property
    def watermarks(self) -> Mapping[str, Settings]:
        """Name → settings, the measured one first."""
        return {self.plugin: self.settings, **dict.fromkeys(self.peers, NO_SETTINGS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A watermark of the plan: its code and what it promises."""

    id: PluginId
    algorithm: str
    payload_bytes: int
    min_side: int


def subjects(plan: Plan, registry: Registry) -> dict[str, Measured]:
    """Make every watermark of a plan once, and say what it is.

    Raises:
        PolicyError: one is not installed.
        PluginError: one does not import, refuses a setting, or breaks the contract.
        RequestError: one needs larger pictures than a size that is asked for.
    """
    out = {}
    for name, part in _made(plan.watermarks, registry).items():
        if small := [side for side in plan.sides if side < part.min_side]:
            raise RequestError(
                f"asked to measure {name!r} at {small[0]} px, found that it needs {part.min_side}; "
                "ask for larger sizes"
            )
        out[name] = Measured(
            id=registry.identify("watermark", name),
            algorithm=part.algorithm,
            payload_bytes=part.payload_bytes,
            min_side=part.min_side,
        )
    return out


def jobs(plan: Plan, pictures: Pictures) -> list[Job]:
    """Every job of a plan, in a fixed order."""
    each = pictures.each
    count = min(len(each), plan.unmarked // 2)
    searched = [each[i * len(each) // count] for i in range(count)]
    out = []
    for name in plan.watermarks:
        for side in plan.sides:
            out += [Job(plugin=name, side=side, one=one) for one in each]
            out += [
                Job(plugin=name, side=side, one=one, number=n) for n, one in enumerate(searched)
            ]
            out += [Job(plugin=name, side=side, number=n) for n in range(count, plan.unmarked)]
    return out


def run(
    plan: Plan,
    pictures: Pictures,
    watch: Watch,
    *,
    progress: Path | None = None,
    workers: int = 1,
    registry: Registry | None = None,
) -> list[Record]:
    """Do every job that the progress file does not hold yet; returns all records.

    Raises:
        DataError: the progress file is of another plan, or cannot be written.
        PluginError, RequestError: a watermark or a picture failed.
        Cancelled: `watch` said so; what was measured stays in the file.
    """
    known = registry or Registry()
    every = jobs(plan, pictures)
    done = _opened(progress, _head(plan, pictures, subjects(plan, known)))
    left = [job for job in every if job.id not in done]
    watch.step(len(every) - len(left), len(every))
    found = _alone(plan, left, known) if workers <= 1 else _together(plan, left, workers)
    for record in found:
        _append(progress, record)
        done[str(record["job"])] = record
        watch.step(len(done), len(every))
    return [done[job.id] for job in every]


def _alone(plan: Plan, left: Sequence[Job], registry: Registry) -> Iterator[Record]:
    measurer = Measurer(parts=_made(plan.watermarks, registry), names=plan.names)
    yield from (measurer.do(job) for job in left)


def _together(plan: Plan, left: Sequence[Job], workers: int) -> Iterator[Record]:
    """Records as they come; few jobs wait in line, so that stopping does not take long."""
    count = max(1, min(workers, os.cpu_count() or 1, len(left)))
    begun = ({name: dict(given) for name, given in plan.watermarks.items()}, plan.names)
    waiting = iter(left)
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, begun) as pool:
        running = {pool.submit(_do, job) for job in islice(waiting, 2 * count)}
        try:
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(_do, job) for job in islice(waiting, len(ready))}
                yield from (one.result() for one in ready)
        except BrokenProcessPool as exc:
            raise DataError(
                "asked to measure on several processes, found that one ended; try --workers 1"
            ) from exc
        finally:
            pool.shutdown(cancel_futures=True)


def _made(watermarks: Mapping[str, Settings], registry: Registry) -> dict[str, Watermark]:
    made = {name: registry.make("watermark", name, given) for name, given in watermarks.items()}
    for name, part in made.items():
        check_members("watermark", name, part)
    return made


_DO: list[Callable[[Job], Record]] = []
"""In a worker process: what does a job there."""


def _begin(watermarks: Mapping[str, Settings], names: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that counts
    _DO[:] = [Measurer(parts=_made(watermarks, Registry()), names=names).do]


def _do(job: Job) -> Record:
    return _DO[0](job)


def _head(plan: Plan, pictures: Pictures, found: Mapping[str, Measured]) -> Record:
    """What a progress file is of; settings only as a digest, because they hold keys."""
    asked = json.dumps(dict(plan.settings), sort_keys=True, default=str)
    return {
        "format": FORMAT,
        "watermarks": {name: one.id.sha256 for name, one in found.items()},
        "settings_sha256": hashlib.sha256(asked.encode()).hexdigest(),
        "pictures_sha256": pictures.sha256,
        "sides": list(plan.sides),
        "transforms": list(plan.names),
        "unmarked": plan.unmarked,
    }


def _opened(progress: Path | None, head: Record) -> dict[str, Record]:
    """Records of a progress file by job, none of a new one; a torn last line is measured again."""
    if progress is None:
        return {}
    try:
        if not progress.exists():
            _append(progress, head)
            return {}
        lines = progress.read_text("utf-8").splitlines(keepends=True)
        records = [cast(Record, json.loads(line)) for line in lines if line.endswith("\n")]
        if lines and not lines[-1].endswith("\n"):
            progress.write_text("".join(lines[:-1]), "utf-8")
    except (OSError, ValueError) as exc:
        raise DataError(f"asked to go on with {progress}, found {exc}; delete it") from exc
    if not records or records[0] != head:
        raise DataError(
            f"asked to go on with {progress.name}, found the progress of another measurement; "
            "name another output, or delete it"
        )
    return {str(record["job"]): record for record in records[1:]}


def _append(progress: Path | None, record: Mapping[str, JSON]) -> None:
    if progress is None:
        return
    try:
        progress.parent.mkdir(parents=True, exist_ok=True)
        with progress.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise DataError(f"asked to write {progress}, found {exc.strerror}") from exc
