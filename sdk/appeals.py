"""Appeals against refusals: in the ledger, and before a person.

An appeal says with one word why; stories would be personal data in a log that cannot forget.  It
releases nothing: what was refused by a block stays refused, until the policy is another one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sdk.errors import ReviewError
from sdk.ledger import Ledger
from sdk.manifests import as_list, as_object
from sdk.review_item import About
from sdk.reviews import Reviews
from sdk.types import JSON

REASONS = ("false-positive", "context", "other")


def appeal(receipt: str, why: str, ledger: Ledger, reviews: Reviews) -> tuple[str, str]:
    """Write an appeal down; returns its id in the queue and its own receipt.

    Raises:
        ReviewError: the receipt is not of a refusal, there is an appeal already, or the reason is
            not one of `REASONS`.
        LedgerError: there is no such receipt, or the appeal cannot be written.
    """
    if why not in REASONS:
        raise ReviewError(f"asked to appeal because of {why!r}; give one of {', '.join(REASONS)}")
    entry = ledger.entry(int(receipt) if receipt.isdecimal() and len(receipt) < 20 else receipt)
    leaf: dict[str, JSON] = json.loads(json.dumps(dict(entry.leaf)))
    if leaf.get("type") != "generation" or leaf.get("outcome") != "refused":
        raise ReviewError(
            f"asked to appeal against {receipt}, found {leaf.get('outcome', leaf.get('type'))}; "
            "give the receipt of a refusal"
        )
    if any(i.kind == "appeal" and i.receipt == entry.leaf_hash for i in reviews.items()):
        raise ReviewError(f"asked to appeal against {receipt}, found an appeal; sdk review list")
    written = ledger.append(
        {
            "v": 1,
            "type": "appeal",
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "about": entry.leaf_hash,
            "why": why,
        }
    )
    id_ = reviews.add(
        _about(leaf), {"appeal": entry.leaf_hash}, receipt=entry.leaf_hash, kind="appeal"
    )
    return id_, written.leaf_hash


def _about(leaf: dict[str, JSON]) -> About:
    rows = [as_object(row) for row in as_list(leaf.get("verdicts"))]
    against = [row for row in rows if row.get("decision") not in ("allow", "warn")]
    policy, asked = as_object(leaf.get("policy")), as_object(leaf.get("request"))
    index = asked.get("index")
    return About(
        call=str(leaf.get("call")),
        stage=str(leaf.get("stage")),
        index=index if isinstance(index, int) else None,
        policy=str(policy.get("name")),
        digest=str(policy.get("digest")),
        rules=tuple(dict.fromkeys(str(row.get("rule")) for row in against)),
        categories=tuple(dict.fromkeys(str(row.get("category")) for row in against)),
        seed=str(asked.get("seed")),
        pixels="",
        personal=str(leaf.get("commitment") or ""),
        votes=1,
        valid_days=365,
    )
