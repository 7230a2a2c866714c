"""Binds a report to the ledger, and checks a report that comes back years later.

    bound = bind(report, ledger)                 # a ledger entry with the results' digest
    checked = check_report(data, signature)      # offline: digest, entry, checkpoint, signature

The ledger entry names the results and the plan by digest; the report carries the proof that the
entry stands under a signed checkpoint.  So nobody can exchange the numbers later, nor say that the
report is older or younger than its place in the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sdk.audits.assembling import digest_of
from sdk.audits.signing import Signer, check
from sdk.errors import AuditError, LedgerError
from sdk.leaf import LEAF_VERSION, now
from sdk.ledger import Ledger, verify_proof
from sdk.types import JSON

MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What holds of a report."""

    name: str
    results_sha256: str
    summary: Mapping[str, int]
    ledger: str
    """Origin and index of its entry; empty where the report is bound to no ledger."""
    ledger_trusted: bool
    """Whether the ledger's key is the one that the caller gave."""
    signer: Signer | None
    """None where no signature was given."""


def bind(report: Mapping[str, JSON], ledger: Ledger) -> dict[str, JSON]:
    """Append the results' digest to the ledger and return the report with the proof.

    Raises:
        LedgerError: the entry was not written.
    """
    results = cast("dict[str, Any]", report["results"])
    asked = results["asked"] or {}
    receipt = ledger.append(
        {
            "v": LEAF_VERSION,
            "type": "audit",
            "at": now(),
            "results_sha256": report["results_sha256"],
            "plan_sha256": asked.get("plan_sha256", ""),
        }
    )
    bound: dict[str, JSON] = {
        "public_key": ledger.public_key,
        "leaf_hash": receipt.leaf_hash,
        "index": receipt.index,
        "proof": ledger.prove(receipt.index),
    }
    return {**report, "ledger": bound}


def read_report(data: bytes) -> dict[str, JSON]:
    """Read a report's JSON.

    Raises:
        AuditError: it is none, or of a version that this code does not know.
    """
    try:
        if len(data) > MOST_BYTES:
            raise ValueError("more than 256 MiB")
        found = json.loads(data)
        assert str(found["schema_version"]).startswith("1.")
        assert isinstance(found["results"], dict)
        assert isinstance(found["results"]["attributes"], list)
    except (ValueError, KeyError, TypeError, AssertionError, RecursionError) as exc:
        raise AuditError(
            "asked to read a report, found no audit report of version 1; give its .json file"
        ) from exc
    return cast("dict[str, JSON]", found)


def check_report(
    data: bytes, signature: str = "", *, roots: bytes = b"", ledger_key: str = ""
) -> Checked:
    """Check a report offline; `ledger_key` is the text that the ledger's owner published.

    Raises:
        AuditError: digest, ledger entry or signature do not fit; the message says which.
    """
    report = read_report(data)
    results = cast("dict[str, Any]", report["results"])
    digest = digest_of(results)
    if digest != report.get("results_sha256"):
        raise AuditError(
            "asked to check a report, found that its results are not those of its digest; they "
            "were changed"
        )
    bound, place = cast("dict[str, Any] | None", report.get("ledger")), ""
    if bound:
        try:
            entry = verify_proof(bound["proof"], ledger_key or bound["public_key"])
        except (LedgerError, KeyError, TypeError) as exc:
            raise AuditError(
                f"asked to check a report, found its ledger proof broken: {exc}"
            ) from exc
        if entry.leaf.get("results_sha256") != digest:
            raise AuditError("asked to check a report, found a ledger entry of other results")
        place = f"{str(bound['public_key']).split('+')[0]} entry {entry.index}"
    return Checked(
        name=str(results["name"]),
        results_sha256=digest,
        summary=results["summary"],
        ledger=place,
        ledger_trusted=bool(place and ledger_key),
        signer=check(data, signature, roots=roots) if signature else None,
    )
