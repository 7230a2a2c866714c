"""Says of an uploaded file what `sdk verify` says; keeps nothing of it.

`checked` answers in the shape of OpenAI's `POST /content_provenance_checks` (client 3.54), so that
`client.content_provenance_checks.create(file=...)` reads it.  That API has no word for other marks
than SynthID, which is not looked for here: our watermark and the whole report stand beside.
Nothing found never means that a person made it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sdk.credentials import Repository
from sdk.evidence import Detector, Finder
from sdk.report import Report, harmless
from sdk.source import read_source
from sdk.trust import NO_TRUST, Trust
from sdk.types import JSON
from sdk.verify import verify_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What files are judged with."""

    trust: Trust = NO_TRUST
    ledger: Finder | None = None
    credentials: Repository | None = None
    detectors: Sequence[Detector] = ()

    def judge(self, data: bytes, name: str) -> Report:
        """Judge a file.

        Raises:
            VerifyError: it is empty.
        """
        return verify_source(
            read_source(io.BytesIO(data), harmless(name) or "file"),
            trust=self.trust,
            ledger=self.ledger,
            detectors=self.detectors,
            credentials=self.credentials,
        )


def checked(report: Report) -> dict[str, JSON]:
    """The report in the shape of a content provenance check."""
    found = report.axes["provenance"].state
    detected = found == "embedded" or found.startswith("recovered")
    return {
        "object": "content_provenance_check",
        "created_at": int(time.time()),
        "results": [
            {
                "type": "c2pa",
                "outcome": "detected" if detected else "not_detected",
                "validation_state": _validation(report) if detected else "not_present",
                "issuer": _text(report.axes["signer"].more.get("name")) if detected else None,
                "model": _text(report.axes["ai"].more.get("model")) if detected else None,
                "generated_at": _moment(report.axes["time"].more),
            }
        ],
        "watermark": report.axes["watermark"].to_json(),
        "report": report.to_json(),
    }


def _validation(report: Report) -> JSON:
    """`trusted`, `valid` or `invalid` (C2PA 2.2, section 14.3); recovered is never trusted."""
    state = report.axes["integrity"].state
    if state in ("restorable", "not-embedded"):
        return "valid"
    if state != "intact":
        return "invalid"
    return "trusted" if report.axes["signer"].state == "trusted" else "valid"


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(more: Mapping[str, JSON]) -> int | None:
    """Unix seconds of the time-stamp that was checked; None where nothing dates the signature."""
    stamped = more.get("signed_at")
    if not isinstance(stamped, str):
        return None
    try:
        return int(datetime.fromisoformat(stamped).timestamp())
    except ValueError:
        return None
