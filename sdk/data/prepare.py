"""From a data set plugin to a prepared folder: shared among processes, resumable, signed.

1. every share of the data set is checked, shaped, filtered and described (`parts`)
2. pictures that occur twice are left out (`duplicates`)
3. concepts become families and families splits (`splits`)
4. array, papers and card are written, and the folder is signed
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sdk.attest import sign_folder
from sdk.data.cards import card_page
from sdk.data.duplicates import Bounds, Described, Likenesses, near_duplicates
from sdk.data.parts import Job, Part, Tools, read_part, work, work_alone
from sdk.data.prepared import (
    EXCLUDED,
    FORMAT,
    ITEMS,
    PAGE,
    PIXELS,
    SUMMARY,
    counted,
    reason,
    write_lines,
)  # fmt: skip
from sdk.data.shape import Shape
from sdk.data.splits import Shares, families, split
from sdk.durable import settle, write_whole
from sdk.errors import DataError
from sdk.keys import SigningCredential
from sdk.registry import Registry
from sdk.types import JSON, Settings, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to prepare."""

    dataset: str
    settings: Settings = field(default_factory=dict)
    shape: Shape = field(default_factory=Shape)
    filters: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    bounds: Bounds | None = field(default_factory=Bounds)
    """None keeps what occurs twice."""
    shares: Shares = field(default_factory=Shares)
    parts: int = 16
    """Shares; what a killed run does again is at most one share for each process."""
    processes: int = 1
    """0 works in this process, with its registry."""


def prepare(
    plan: Plan,
    folder: Path,
    watch: Watch,
    *,
    credential: Callable[[], SigningCredential] = SigningCredential.development,
    registry: Registry | None = None,
) -> dict[str, JSON]:
    """Write the prepared folder; returns its summary.  Killed, the same call goes on.

    Raises:
        DataError: the folder is taken, a share fails, or no picture is left.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"asked to write {folder}, found files there; name a new folder")
    under = folder.with_name(f".{folder.name}.work")
    jobs = _jobs(plan, under)
    try:
        under.mkdir(parents=True, exist_ok=True)
        _same_plan(under / "plan.json", plan)
        settle(under)
    except OSError as exc:
        raise DataError(f"asked to write {folder}, found {exc.strerror}; choose another") from exc
    for done, _ in enumerate(_worked(jobs, plan.processes, registry), 1):
        watch.step(done, len(jobs))
    parts = [read_part(job.path) for job in jobs]
    summary = _assemble(plan, parts, folder, credential())
    for path in under.iterdir():
        path.unlink()
    under.rmdir()
    return summary


def _jobs(plan: Plan, under: Path) -> list[Job]:
    return [
        Job(
            dataset=plan.dataset,
            settings=dict(plan.settings),
            index=index,
            count=plan.parts,
            folder=under,
            shape=plan.shape,
            screens=plan.filters,
            licences=plan.licences,
        )
        for index in range(plan.parts)
    ]


def _same_plan(path: Path, plan: Plan) -> None:
    """Refuse to mix shares of two plans."""
    text = repr(
        (plan.dataset, dict(plan.settings), plan.shape, plan.filters, plan.licences, plan.parts)
    )
    if path.exists() and path.read_text("utf-8") != text:
        raise DataError(
            f"asked to go on in {path.parent}, found work on another plan; finish that one with "
            "its options, or remove the folder"
        )
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), error=DataError)


def _worked(jobs: Sequence[Job], processes: int, registry: Registry | None) -> Iterator[Path]:
    """Do the jobs, as many at once as there are processes."""
    if processes < 1:
        tools = Tools.of(jobs[0], registry or Registry())
        yield from (work(job, tools) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        waiting = [pool.submit(work_alone, job) for job in jobs]
        try:
            for future in as_completed(waiting):
                yield future.result()
        except BrokenProcessPool as exc:
            raise DataError(
                "asked to prepare in processes, found that one was killed (out of memory?); the "
                "finished shares are kept: run the same command again, with fewer --processes"
            ) from exc
        finally:
            pool.shutdown(cancel_futures=True)


def _assemble(
    plan: Plan, parts: Sequence[Part], folder: Path, signing: SigningCredential
) -> dict[str, JSON]:
    whole = _Whole(parts)
    if not whole.records:
        left = Counter(reason(str(entry["excluded"])) for entry in whole.excluded)
        why = ", ".join(f"{n} × {text}" for text, n in left.most_common(5)) or "it was empty"
        raise DataError(f"asked to prepare {plan.dataset!r}, found no usable picture ({why})")
    keep = whole.sort_out(plan)
    items = [whole.records[index] for index in keep]
    summary = _summary(plan, items, whole.excluded, parts[0].network)

    def fill(new: Path) -> None:
        new.mkdir()
        np.save(new / PIXELS, whole.pixels[keep])
        write_lines(new / ITEMS, [_without_place(item) for item in items])
        write_lines(new / EXCLUDED, [_without_place(entry) for entry in whole.excluded])
        (new / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        (new / PAGE).write_text(card_page(items, whole.excluded, summary), encoding="utf-8")
        sign_folder(new, signing)

    write_whole(folder, fill, error=DataError)
    return summary


class _Whole:
    """All shares together, in the order of the data set."""

    def __init__(self, parts: Sequence[Part]) -> None:
        order = sorted(
            (int(str(record["place"])), number, row)
            for number, part in enumerate(parts)
            for row, record in enumerate(part.records)
        )
        self.records = [parts[number].records[row] for _, number, row in order]
        self.excluded = [dict(entry) for part in parts for entry in part.excluded]
        if order:
            self.pixels = np.stack([parts[number].pixels[row] for _, number, row in order])
            self._described = Described(
                np.stack([parts[number].hashes[row] for _, number, row in order]),
                np.stack([parts[number].features[row] for _, number, row in order]),
            )

    def sort_out(self, plan: Plan) -> list[int]:
        """Leave out repeats, give the rest row, family and split; returns what stays."""
        records = self.records
        captions = [str(record["caption"]) for record in records]
        alike = Likenesses({}, [])
        if plan.bounds:
            alike = near_duplicates(self.pixels, self._described, captions, plan.bounds)
        repeats = alike.dropped
        for index, (first, why) in repeats.items():
            text = f"duplicate of {records[first]['id']} ({why})"
            self.excluded.append({**records[index], "excluded": text})
        self.excluded.sort(key=lambda entry: int(str(entry["place"])))
        keep = [index for index in range(len(records)) if index not in repeats]
        family = families([str(record["concept"]) for record in records], alike.kin)
        mine = [family[index] for index in keep]
        splits = split(mine, [_labels(records[index]) for index in keep], plan.shares)
        for row, index in enumerate(keep):
            records[index] |= {"row": row, "split": splits[row], "family": mine[row]}
        return keep


def _summary(
    plan: Plan, items: list[dict[str, JSON]], excluded: list[dict[str, JSON]], network: str
) -> dict[str, JSON]:
    reasons = [{"why": reason(str(entry["excluded"]))} for entry in excluded]
    return {
        "format": FORMAT,
        "name": plan.dataset,
        "side": plan.shape.side,
        "dataset": plan.dataset,
        "settings": _shown(plan.settings),
        "crop": plan.shape.crop,
        "filters": list(plan.filters),
        "network": network,
        "items": len(items),
        "concepts": len({str(item["concept"]) for item in items}),
        "families": len({str(item["family"]) for item in items}),
        "licences": counted(items, "licence"),
        "splits": counted(items, "split"),
        "excluded": counted([dict(r) for r in reasons], "why"),
        "seed": plan.shares.seed,
    }


def _labels(item: dict[str, JSON]) -> dict[str, str]:
    found = item["labels"]
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _without_place(record: dict[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in record.items() if key != "place" and value != ""}


def _shown(settings: Settings) -> dict[str, JSON]:
    """Settings with every path cut to its last name: paths name people."""
    return {key: str(value).rsplit("/", 1)[-1] for key, value in settings.items()}
