"""The forms that are written when all outcomes are there, by name."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sdk.batch.asked import Outcome
from sdk.reports.findings import findings_sarif
from sdk.reports.junit import junit
from sdk.reports.page import page

FORMS = ("human", "json", "jsonl", "sarif", "junit", "crjson", "html")
WHOLE = ("sarif", "junit", "html")
"""Forms of one document; the others are written line by line."""


def whole(form: str, outcomes: Sequence[Outcome], failing_on: frozenset[int]) -> str:
    """Return the document; `form` is one of `WHOLE`."""
    if form == "sarif":
        return json.dumps(findings_sarif(outcomes), ensure_ascii=False, indent=2) + "\n"
    return junit(outcomes, failing_on) if form == "junit" else page(outcomes)
