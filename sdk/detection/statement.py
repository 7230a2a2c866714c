"""What a detection result states: the content by its hash, the detectors, the time, the verdict.

No file name and no text of the file but the headline are in it.  The EU Code of Practice on marking
and labelling AI-generated content asks detectors for results that others can check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sdk.report import AXES, Report
from sdk.trust import Trust, TrustList
from sdk.types import JSON
from sdk.version import GENERATOR, VERSION

if TYPE_CHECKING:
    from sdk.registry import PluginId

SCHEMA = "https://responsible-generation-sdk.github.io/schemas/detection-result-1.json"


def stated(
    report: Report,
    *,
    trust: Trust,
    detectors: Sequence[PluginId] = (),
    rules: Sequence[str] = (),
    at: datetime | None = None,
) -> dict[str, JSON]:
    """Return the statement about one report; `at` is when certificates were judged, now if None."""
    now = datetime.now(UTC)
    return {
        "schema": SCHEMA,
        "issued_at": now.isoformat(timespec="seconds"),
        "judged_at": (at or now).isoformat(timespec="seconds"),
        "content": {
            "sha256": report.sha256,
            "size": report.size,
            "media_type": report.media_type,
        },
        "verifier": {"name": GENERATOR, "version": VERSION},
        "techniques": [dict(one) for one in _techniques(report, detectors)],
        "trust": {
            "signers": _listed(trust.signers),
            "time_stamps": _listed(trust.tsas),
            "identities": _listed(trust.identities),
        },
        "rules": [*rules],
        "verdict": {
            "exit_code": int(report.exit_code),
            "headline": report.headline,
            "axes": {name: report.axes[name].state for name in AXES},
        },
    }


def _techniques(report: Report, detectors: Sequence[PluginId]) -> Iterator[Mapping[str, JSON]]:
    import c2pa

    axes = report.axes
    yield {
        "technique": "signed manifest (C2PA)",
        "detector": "c2pa-rs",
        "version": c2pa.sdk_version(),
        "result": f"{axes['provenance'].state}, {axes['integrity'].state}",
    }
    second = axes["integrity"].more.get("second_opinion")
    if isinstance(second, dict):
        yield {
            "technique": "signed manifest (C2PA), second engine",
            "detector": str(second.get("engine")),
            "version": "",
            "result": str(second.get("says")),
        }
    for plugin in detectors:
        yield {
            "technique": "watermark",
            "detector": f"{plugin.distribution}: {plugin.name}",
            "version": plugin.version,
            "sha256": plugin.sha256,
            "result": axes["watermark"].state,
        }
    if axes["provenance"].state.startswith("recovered:"):
        how = axes["provenance"].state.partition(":")[2]
        yield _own(f"recovery by {how}", axes["content_match"].state)
    if axes["ledger"].state != "unchecked":
        yield _own("log of released pictures", axes["ledger"].state)
    said = ", ".join(f"{claim['kind']}: {claim['says']}" for claim in report.claims)
    yield _own("unsigned metadata", said or "none")


def _own(technique: str, result: str) -> Mapping[str, JSON]:
    return {
        "technique": technique,
        "detector": GENERATOR,
        "version": VERSION,
        "result": result,
    }


def _listed(found: TrustList | None) -> JSON:
    if found is None:
        return None
    digest = sha256(found.pem).hexdigest()
    return {"name": found.name, "certificates": found.count, "sha256": digest}
