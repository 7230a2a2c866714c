"""Draws the pictures of a plan through the governed call, and notes what was perceived.

    with Studio.open(observed_policy(plan, policy)) as studio:
        run(plan, studio, answerers, Folder.open(path, plan), watch)

The estimators are auditors of the policy: what they say of a picture stands in its manifest and its
receipt, and its observation is named by call and index, which the manifest holds too.  The run
folder holds the plan, one line for each observation, on disk before the next is begun, and the
pictures.  A run that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from sdk.audits.estimating import Answerer
from sdk.audits.folder import PICTURES, Folder
from sdk.audits.plans import Cell, Plan
from sdk.energy import Meter
from sdk.errors import AuditError, Cancelled, Refused, SDKError
from sdk.lanes import Outcome
from sdk.ledger import Ledger
from sdk.output import recover
from sdk.phases import Result
from sdk.pipeline import Studio
from sdk.request import Request
from sdk.types import JSON, Finding, Watch

MOST_FAILURES = 20
"""Pictures in a row that fail, for another reason than the policy, end the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture of a plan."""

    cell: Cell
    number: int
    """Which picture of the prompt, from 0."""

    @property
    def id(self) -> str:
        """Name of the picture in the run."""
        return f"{self.cell.index:05d}-{self.number:06d}"


def run(
    plan: Plan,
    studio: Studio,
    answerers: Mapping[str, Answerer],
    folder: Folder,
    watch: Watch,
    ledger: Ledger,
) -> int:
    """Draw what is missing; return how many pictures were noted.

    What the policy refuses is noted; what fails is not, and the next run tries it again.

    Raises:
        Cancelled: the caller stopped; what was noted stays.
        SDKError: twenty pictures in a row failed; the error of the last.
    """
    settle(plan, folder, answerers, ledger)
    meter = Meter()
    done = {str(row["task"]) for row in folder.lines()}
    tasks = [task for task in tasks_of(plan) if task.id not in done]
    total = len(done) + len(tasks)
    watch.step(len(done), total)
    places = [folder.path / PICTURES / f"{t.id}.png" for t in tasks] if plan.keep_pictures else ()
    outcomes = studio.generate_many((_request(plan, task) for task in tasks), to=places)
    try:
        with closing(cast("Generator[Outcome]", outcomes)):  # else a stopped run still draws
            return _collect(
                zip(tasks, outcomes, strict=True), answerers, folder, watch, (len(done), total)
            )
    finally:
        folder.spend(meter.read(), len(done))


def _collect(
    outcomes: Iterable[tuple[Task, Outcome]],
    answerers: Mapping[str, Answerer],
    folder: Folder,
    watch: Watch,
    progress: tuple[int, int],
) -> int:
    noted = failures = 0
    for task, outcome in outcomes:
        if isinstance(outcome, Cancelled):
            raise outcome
        if isinstance(outcome, SDKError) and not isinstance(outcome, Refused):
            failures += 1
            if failures >= MOST_FAILURES:
                raise outcome
            continue
        failures = 0
        folder.note([_observed(task, outcome, answerers)])
        noted += 1
        watch.step(progress[0] + noted, progress[1])
    return noted


def tasks_of(plan: Plan) -> Iterator[Task]:
    """Every picture of a plan: all prompts of one seed, then the next seed.

    A run that is stopped early then has equally many pictures of every prompt.
    """
    for number in range(plan.pictures):
        for cell in plan.cells:
            yield Task(cell=cell, number=number)


def settle(plan: Plan, folder: Folder, answerers: Mapping[str, Answerer], ledger: Ledger) -> None:
    """Note the pictures that a killed run released and did not note, from their receipts.

    Raises:
        AuditError: a picture lies there that the ledger never released.
    """
    pictures = folder.path / PICTURES
    recover(pictures, lambda sha256: bool(ledger.find(sha256=sha256)))
    done = {str(row["task"]) for row in folder.lines()}
    by_id = {task.id: task for task in tasks_of(plan)}
    for path in sorted(pictures.glob("*.png")):
        if path.stem in done:
            continue
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        entries = ledger.find(sha256=sha256)
        if path.stem not in by_id or not entries:
            raise AuditError(
                f"asked to go on with {folder.path}, found {path.name}, which this run did not "
                "draw or the ledger did not release; move it elsewhere"
            )
        entry, task = entries[-1], by_id[path.stem]
        said = [_finding(row) for row in cast("list[dict[str, JSON]]", entry.leaf["observations"])]
        row = _head(task, f"{entry.leaf['call']}-0", entry.leaf_hash, entry.index, sha256)
        folder.note([{**row, "values": values_of(said, answerers)}])


def values_of(findings: Sequence[Finding], answerers: Mapping[str, Answerer]) -> dict[str, JSON]:
    """What was perceived in one picture: attribute → value, or why there is none."""
    found: dict[str, JSON] = {}
    for name, answerer in answerers.items():
        said = [f for f in findings if f.by == answerer.plugin and f.category == name]
        said = [f for f in said if f.distribution]
        if len(said) != 1:
            why = f"{len(said)} persons" if said else "no answer"
            found[name] = {"abstained": why}
            continue
        likeliest = max(said[0].distribution, key=said[0].distribution.__getitem__)
        found[name] = {
            "value": likeliest,
            "probability": round(said[0].distribution[likeliest], 6),
        }
    return found


def _request(plan: Plan, task: Task) -> Request:
    return Request(
        prompt=task.cell.prompt,
        seed=plan.seed + task.cell.block * plan.pictures + task.number,
        width=plan.width,
        height=plan.height,
        steps=plan.steps,
        guidance_scale=plan.guidance_scale,
    )


def _observed(
    task: Task, outcome: Result | Refused, answerers: Mapping[str, Answerer]
) -> dict[str, JSON]:
    if isinstance(outcome, Refused):
        return {"task": task.id, "refused": outcome.stage, "receipt": outcome.receipt or ""}
    image = outcome.image
    sha256 = image.sealed.sha256
    head = _head(task, f"{outcome.call}-0", image.receipt, image.leaf_index, sha256)
    asked = image.request
    sides = (asked.width or 0) * (asked.height or 0) * (asked.steps or 0)
    head["megapixel_steps"] = round(sides / 1e6, 6)
    return {**head, "values": values_of(image.sealed.marked.audited.findings, answerers)}


def _head(task: Task, name: str, receipt: str, leaf: int, sha256: str) -> dict[str, JSON]:
    return {
        "task": task.id,
        "observation": name,
        "receipt": receipt,
        "leaf": leaf,
        "sha256": sha256,
    }


def _finding(row: Mapping[str, JSON]) -> Finding:
    shares = cast("dict[str, float]", row["distribution"])
    return Finding(category=str(row["category"]), score=0.0, distribution=shares, by=str(row["by"]))
