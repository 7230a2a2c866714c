"""Which model and policy drew the pictures of a run: what their receipts say, not the plan.

    folder = attested(folder, ledger)

Every receipt is looked up, and the noted answers are those that it holds.  Pictures of two models
or two policies are no audit of either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sdk.audits.folder import Folder
from sdk.audits.plans import Plan
from sdk.errors import AuditError, LedgerError
from sdk.ledger import Ledger
from sdk.types import JSON


def attested(folder: Folder, ledger: Ledger) -> Folder:
    """Return the folder with model, observed policy and rewriters as its receipts name them.

    Raises:
        AuditError: a receipt is missing, of other bytes or of other answers, or they name several
            models or policies.
    """
    wrong: list[str] = []
    changed: list[str] = []
    models: dict[str, JSON] = {}
    policies: dict[str, JSON] = {}
    worded: set[str] = set()
    seen: set[str] = set()
    for line in folder.lines():
        try:
            leaf = ledger.entry(str(line["receipt"])).leaf
        except LedgerError:
            wrong.append(str(line["task"]))
            continue
        if leaf.get("output_sha256") != line.get("sha256") or line["receipt"] in seen:
            wrong.append(str(line["task"]))
            continue
        seen.add(str(line["receipt"]))
        if not _answered_so(line, leaf, folder.plan):
            changed.append(str(line["task"]))
        models[str(leaf.get("model"))] = cast("JSON", leaf.get("model"))
        policies[str(leaf.get("policy"))] = cast("JSON", leaf.get("policy"))
        by = cast("list[str]", leaf.get("worded_by") or [])
        worded |= {said.partition(":")[0] for said in by}
    _refuse(folder, wrong, changed)
    if len(models) != 1 or len(policies) != 1:
        raise AuditError(
            f"asked to report {folder.path}, found receipts of {len(models)} models and "
            f"{len(policies)} policies; an audit is of one"
        )
    head: Mapping[str, JSON] = {
        **folder.head,
        "model": next(iter(models.values())),
        "observed_policy": next(iter(policies.values())),
        "worded_by": [*sorted(worded)],
    }
    return Folder(folder.path, head)


def _refuse(folder: Folder, wrong: Sequence[str], changed: Sequence[str]) -> None:
    if wrong:
        raise AuditError(
            f"asked to report {folder.path}, found {len(wrong)} observations whose receipt this "
            f"ledger does not hold, or holds for another picture, first {wrong[0]}; use the ledger "
            "of the run (SDK_HOME, SDK_LEDGER), or restore the folder"
        )
    if changed:
        raise AuditError(
            f"asked to report {folder.path}, found {len(changed)} observations with other answers "
            f"than their receipts, first {changed[0]}; restore observations.jsonl from a backup"
        )


def _answered_so(line: Mapping[str, JSON], leaf: Mapping[str, object], plan: Plan) -> bool:
    """Whether the answers of an observation are those that its receipt holds."""
    by = {estimator.plugin for estimator in plan.estimators}
    held: dict[str, list[dict[str, float]]] = {}
    for row in cast("list[dict[str, JSON]]", leaf.get("observations") or []):
        if row["by"] in by and row["distribution"]:
            shares = cast("dict[str, float]", row["distribution"])
            held.setdefault(str(row["category"]), []).append(shares)
    noted = cast("dict[str, dict[str, JSON]]", line.get("values") or {})
    for name in (attribute.name for attribute in plan.attributes):
        found = held.get(name, [])
        value = max(found[0], key=found[0].__getitem__) if len(found) == 1 else None
        if noted.get(name, {}).get("value") != value:
            return False
    return True


def model_of(folder: Folder) -> str:
    """Return the digest of the weights that drew an attested run; empty for a model without."""
    model = folder.head.get("model")
    return str(model.get("sha256", "")) if isinstance(model, dict) else ""
