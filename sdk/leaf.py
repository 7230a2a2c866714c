"""What the ledger keeps of a call: who checked, what was decided, what came out.

Never the prompt, never a message that may quote it, never a path or a person: ids, digests,
scores and names of code.  docs/ledger.md lists the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sdk.canonical import canonical
from sdk.errors import PluginError
from sdk.label import Label
from sdk.phases import Sealed
from sdk.pixels import Picture
from sdk.policy import Policy
from sdk.registry import PluginId
from sdk.request import Request
from sdk.tlog import MAX_ENTRY
from sdk.types import JSON, Finding, Model, Verdict

LEAF_VERSION = 1


def now() -> str:
    """RFC 3339 UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def common(
    policy: Policy, plugins: Iterable[PluginId], model: Model, call: str, commitment: str | None
) -> dict[str, JSON]:
    """The part that every leaf of a call shares."""
    return {
        "v": LEAF_VERSION,
        "type": "generation",
        "call": call,
        "at": now(),
        "policy": {
            "name": policy.name,
            "digest": policy.digest,
            "packs": [{"name": pack.name, "sha256": pack.sha256} for pack in policy.chain],
        },
        "keep_months": policy.record.keep_months,
        "unsafe_without": list(policy.unsafe_without),
        "plugins": [_plugin(p) for p in plugins],
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "commitment": commitment,
    }


def personal(request: Request) -> dict[str, JSON]:
    """What of a request belongs to a person: goes to the vault, nowhere else."""
    given = {"init": request.init_image, "mask": request.mask, "sketch": request.sketch}
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "purpose": request.purpose,
        "loras": list(request.loras),
        "inputs": {name: image.sha256 for name, image in given.items() if image is not None},
        **({"agreement": request.unlabelled_agreement} if request.unlabelled_agreement else {}),
    }


def asked(request: Request, index: int | None) -> dict[str, JSON]:
    """What was asked for, without its words."""
    return {
        "task": request.task,
        "index": index,
        "count": request.count,
        "seed": None if request.seed is None else str(request.seed),  # may exceed 2**53
        "width": request.width,
        "height": request.height,
        "steps": request.steps,
        "guidance_scale": request.guidance_scale,
        **({"approvals": list(request.approvals)} if request.approvals else {}),
        **({"unlabelled": True} if request.unlabelled_agreement else {}),
    }


def decided(verdicts: Sequence[Verdict]) -> list[JSON]:
    """The strictest verdict of each control on each category, without its reason.

    Reasons may hold a plugin's own words, and a filter may find a category a thousand times.
    """
    strictest: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        known = strictest.setdefault((verdict.by, verdict.category), verdict)
        if _strictness(verdict) > _strictness(known):
            strictest[verdict.by, verdict.category] = verdict
    return [row(v) for v in strictest.values()]


def row(v: Verdict) -> dict[str, JSON]:
    """One verdict as receipts and traces hold it; where a law stands behind it, which."""
    cited: dict[str, JSON] = {"citation": v.citation} if v.citation else {}
    cited |= {"jurisdiction": v.jurisdiction} if v.jurisdiction else {}
    return {
        "by": v.by,
        "category": v.category,
        "decision": str(v.decision),
        "rule": v.rule,
        "score": None if v.score is None else round(v.score, 6),
        "threshold": v.threshold,
        **cited,
    }


def _strictness(verdict: Verdict) -> tuple[int, float]:
    return verdict.decision.severity, -1.0 if verdict.score is None else verdict.score


def measured(findings: Sequence[Finding]) -> list[JSON]:
    """Detector versions and, for auditors, distributions; the scores stand in the verdicts."""
    return [
        {
            "by": f.by,
            "category": f.category,
            "detector": f.detector,
            "weights_sha256": f.weights_sha256,
            "distribution": {k: round(v, 6) for k, v in f.distribution.items()},
        }
        for f in findings
        if f.detector or f.distribution
    ]


def labelled(labels: Sequence[Label], picture: Picture) -> list[JSON]:
    """The visible labels in the pixels, with their height as a share of the shortest side."""
    return [
        {
            "kind": label.kind,
            "text": label.text,
            "share": round(label.share(picture.width, picture.height), 4),
        }
        for label in labels
    ]


def released(sealed: Sealed, labels: Sequence[Label]) -> dict[str, JSON]:
    """The fields of a picture that leaves."""
    return {
        "outcome": "released",
        "output_sha256": sealed.sha256,
        "output": {
            "media_type": sealed.media_type,
            "bytes": len(sealed.data),
            "pixels_sha256": sealed.marked.picture.sha256,
            "mark": sealed.marked.payload.hex(),
            "mark_weak": sealed.detection.weak,
            "labels": labelled(labels, sealed.marked.picture),
            "manifest": sealed.seal.manifest,
            "signer": sealed.seal.issuer,
        },
    }


def ended(error: BaseException, stage: str) -> dict[str, JSON]:
    """The fields of a picture that does not leave; the class only, messages may quote."""
    outcome = {"Refused": "refused", "Cancelled": "cancelled"}.get(type(error).__name__, "failed")
    return {"outcome": outcome, "stage": stage, "error": type(error).__name__}


def whole(shared: dict[str, JSON], fields: dict[str, JSON]) -> dict[str, JSON]:
    """Join the parts of a leaf, if they fit into a ledger entry.

    Raises:
        PluginError: parts said more than 65,535 bytes, or what is not JSON.  The ledger would
            refuse it too, but then the refusal itself would leave no receipt.
    """
    joined = shared | fields
    size = len(canonical(joined, asked="write down what the parts said", error=PluginError))
    if size > MAX_ENTRY:
        raise PluginError(
            f"asked to write down what the parts said, found {size:,} bytes, at most {MAX_ENTRY:,} "
            "fit into a receipt; have auditors return fewer findings"
        )
    return joined


def _plugin(plugin: PluginId) -> JSON:
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "sha256": plugin.sha256,
    }
