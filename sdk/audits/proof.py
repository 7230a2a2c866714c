"""What binds a report to its run and its ledger, as label and text, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHECK = (
    "The JSON file beside this one holds the same numbers, the proof from the ledger and the "
    "signed checkpoint. sdk audit verify REPORT.json checks it offline, with its signature; with "
    "--run FOLDER it computes every number again."
)


def proof(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return digests, receipts and the entry of a report in the ledger."""
    results, ledger = report["results"], report["ledger"]
    rows = [("Results, SHA-256", report["results_sha256"])]
    if results["asked"]:
        evidence = results["evidence"]
        rows += [
            ("Plan, SHA-256", results["asked"]["plan_sha256"]),
            ("Observations, SHA-256", evidence["observations_sha256"]),
            ("Receipts", f"{evidence['receipts']:,} pictures have one in the ledger"),
        ]
    if not ledger:
        return [*rows, ("Ledger", "this report is bound to no ledger")]
    return [
        *rows,
        ("Ledger", ledger["public_key"]),
        ("Entry", f"{ledger['index']}, {ledger['leaf_hash']}"),
    ]
