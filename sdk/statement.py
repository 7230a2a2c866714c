"""What a file says about itself: the claim of its manifest, its metadata, its visible labels.

Ids, digests, decisions and names of code; no words of the request.
"""

from __future__ import annotations

from hashlib import sha256

from sdk import leaf
from sdk.encode import encode
from sdk.inherited import inherited
from sdk.label import CHINESE, Label, labels_for
from sdk.parts import Parts
from sdk.phases import Draft, Marked
from sdk.pixels import Pixels
from sdk.policy import Policy
from sdk.types import JSON, Claim
from sdk.version import GENERATOR, VERSION
from sdk.xmp import EDITED, GENERATED, AigcLabel, xmp_packet


def labels_on(policy: Policy, draft: Draft) -> tuple[Label, ...]:
    """Return the visible labels that the policy puts on a picture."""
    agreed = draft.request.unlabelled_agreement and policy.marking.unlabelled == "agreed"
    return labels_for(
        [kind for kind in policy.marking.labels if not (agreed and kind in CHINESE)],
        policy.marking.label_share,
        edited=bool(draft.request.init_image or draft.request.sketch),
        width=draft.picture.width,
        height=draft.picture.height,
    )


def encode_with_claim(policy: Policy, claim: Claim, pixels: Pixels) -> bytes:
    """Encode once, with everything that unsigned metadata shall say."""
    output = policy.output
    return encode(
        pixels,
        output.media_type,
        xmp=packet_of(policy, claim),
        quality=output.quality,
        chroma=output.chroma,
        lossless=output.lossless,
    )


def packet_of(policy: Policy, claim: Claim) -> bytes:
    """The unsigned metadata: an XMP packet that says what the claim says."""
    producer = policy.output.aigc_producer
    return xmp_packet(
        digital_source_type=claim.digital_source_type,
        ai_system=claim.model.name,
        ai_system_version=claim.model.version,
        creator_tool=f"{GENERATOR} {VERSION}",
        created_at=claim.created_at,
        aigc=_own_label(producer, claim) if producer else claim.input_label,
        data_mining=claim.data_mining,
    )


def _own_label(producer: str, claim: Claim) -> AigcLabel:
    """The producer's label; a file has one, so the label of an input stands in it by its digest."""
    digest = sha256(claim.input_label.encode()).hexdigest() if claim.input_label else ""
    return AigcLabel(content_producer=producer, produce_id=claim.title, reserved_code1=digest)


def claim_of(policy: Policy, parts: Parts, marked: Marked) -> Claim:
    """Return what the signed manifest shall say."""
    draft = marked.audited.cleared.draft
    request = draft.request
    given = request.init_image or request.sketch
    mark = parts.watermark
    took = inherited(picture.data for picture in (request.init_image, request.sketch) if picture)
    return Claim(
        title=f"{draft.admitted.call[:12]}-{draft.index}",
        media_type=policy.output.media_type,
        created_at=leaf.now(),
        digital_source_type=EDITED if given else GENERATED,
        edited=given is not None,
        generator=GENERATOR,
        generator_version=VERSION,
        model=parts.model,
        parent=given.data if given else None,
        parent_media_type=given.media_type if given else "",
        soft_binding_alg=mark.part.algorithm if mark else "",
        soft_binding_value=marked.payload,
        actions=draft.actions,
        evidence=_evidence(policy, parts, marked),
        data_mining=took.data_mining,
        input_label=took.label,
    )


def _evidence(policy: Policy, parts: Parts, marked: Marked) -> dict[str, JSON]:
    """What was checked, for the manifest: ids, digests and decisions, no words of the request."""
    audited = marked.audited
    cleared = audited.cleared
    admitted = cleared.draft.admitted
    verdicts = (*admitted.verdicts, *cleared.verdicts, *audited.verdicts)
    return {
        "call": admitted.call,
        "provider": policy.output.provider,
        "policy": {
            "name": policy.name,
            "sha256": policy.digest,
            "packs": [{"name": pack.name, "sha256": pack.sha256} for pack in policy.chain],
        },
        "unsafeWithout": list(policy.unsafe_without),
        "labels": leaf.labelled(labels_on(policy, cleared.draft), cleared.draft.picture),
        "controls": [
            {"kind": p.kind, "name": p.name, "version": p.version, "sha256": p.sha256}
            for p in parts.ids
        ],
        "verdicts": leaf.decided(verdicts),
        "observations": leaf.measured(audited.findings),
        **({"wordedBy": list(admitted.worded(cleared.draft.index))} if admitted.wordings else {}),
    }
