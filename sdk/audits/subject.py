"""Which model and policy drew the pictures of a run: what their receipts say, not the plan.

    folder = attested(folder, ledger)

Every receipt is looked up.  Pictures of two models or two policies are no audit of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sdk.audits.folder import Folder
from sdk.errors import AuditError, LedgerError
from sdk.ledger import Ledger
from sdk.types import JSON


def attested(folder: Folder, ledger: Ledger) -> Folder:
    """Return the folder with model, observed policy and rewriters as its receipts name them.

    Raises:
        AuditError: a receipt is missing or of other bytes, or they name several models or
            policies.
    """
    wrong: list[str] = []
    models: dict[str, JSON] = {}
    policies: dict[str, JSON] = {}
    worded: set[str] = set()
    for line in folder.lines():
        try:
            leaf = ledger.entry(str(line["receipt"])).leaf
        except LedgerError:
            wrong.append(str(line["task"]))
            continue
        if leaf.get("output_sha256") != line.get("sha256"):
            wrong.append(str(line["task"]))
            continue
        models[str(leaf.get("model"))] = cast("JSON", leaf.get("model"))
        policies[str(leaf.get("policy"))] = cast("JSON", leaf.get("policy"))
        by = cast("list[str]", leaf.get("worded_by") or [])
        worded |= {said.partition(":")[0] for said in by}
    if wrong:
        raise AuditError(
            f"asked to report {folder.path}, found {len(wrong)} observations whose receipt this "
            f"ledger does not hold, or holds for another picture, first {wrong[0]}; use the ledger "
            "of the run (SDK_HOME, SDK_LEDGER), or restore the folder"
        )
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


def model_of(folder: Folder) -> str:
    """Return the digest of the weights that drew an attested run; empty for a model without."""
    model = folder.head.get("model")
    return str(model.get("sha256", "")) if isinstance(model, dict) else ""
