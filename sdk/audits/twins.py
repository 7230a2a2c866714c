"""A run whose prompts a rewriter worded, and its twin without: the paired re-audit.

    twin = twin_of(folder, ledger)                  # None where no rewriter was there
    report["results"]["rewritten"] = rewritten(folder, twin, answerers)

A rewriter changes words; what the model makes of them only pictures say.  So `sdk audit run` draws
every seed of such a run twice, and a report of one without its twin is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from sdk.audits.compare import compare_runs
from sdk.audits.estimating import Answerer
from sdk.audits.folder import Folder
from sdk.audits.subject import attested
from sdk.errors import AuditError
from sdk.ledger import Ledger
from sdk.types import JSON

TWIN = "twin"
"""Key of a run's head: the folder beside it that holds the same seeds without the rewriter."""


def twin_of(folder: Folder, ledger: Ledger) -> Folder | None:
    """Return the twin of an attested run, attested too; None where none is needed.

    Raises:
        AuditError: receipts say that prompts were worded and no twin is named, the twin is not
            there, was worded itself, or was drawn by another model.
    """
    name = str(folder.head.get(TWIN, ""))
    worded = cast("list[str]", folder.head.get("worded_by", []))
    if not name:
        if worded:
            raise AuditError(
                f"asked to report {folder.path}, found prompts that {', '.join(worded)} worded and "
                "no twin without; draw both with sdk audit run, in another folder"
            )
        return None
    if Path(name).name != name:
        raise AuditError(f"asked to report {folder.path}, found a twin outside; restore run.json")
    twin = attested(Folder.read(folder.path.with_name(name)), ledger)
    if twin.head["worded_by"] or twin.head["model"] != folder.head["model"]:
        raise AuditError(
            f"asked to report {folder.path}, found that its twin {twin.path} was worded too, or "
            "drawn by another model; draw both again with sdk audit run, in another folder"
        )
    return twin


def rewritten(folder: Folder, twin: Folder, answerers: Mapping[str, Answerer]) -> dict[str, JSON]:
    """Say what changed from the twin to the run, seed by seed.

    Raises:
        AuditError: they are not of the same prompts and seeds, or no seed has two answers.
    """
    plan = folder.plan
    changes = compare_runs(
        twin, folder, answerers, level=plan.level, margin=plan.margin, control=plan.control
    )
    return {
        "by": folder.head.get("worded_by", []),
        "twin": {
            "observed": sum("refused" not in line for line in twin.lines()),
            "observed_policy": twin.head.get("observed_policy"),
        },
        "changes": [change.to_json() for change in changes],
    }
