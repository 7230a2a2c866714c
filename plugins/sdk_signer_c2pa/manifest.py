"""What a manifest says, as the definition that c2pa-python takes.

Rules kept here, each of which cost somebody a file that failed the conformance rubric (C2PA
conformance programme 0.2, asset rubric for specification 2.4):

1. Every assertion has `created: true`; the default puts it among the gathered ones.
2. The first action is c2pa.created with a digitalSourceType, or c2pa.opened without one.
3. `allActionsIncluded` is set, and the generator names its specVersion as full SemVer.
4. A soft binding has `alg` and blocks of `scope` and `value` only; more is claim.malformed.
5. A perceptible action has a digitalSourceType, so every refiner's action gets one.
6. Training and mining is `cawg.training-mining`; the c2pa label is deprecated.
"""

from __future__ import annotations

import base64
import binascii
import re

from sdk import JSON, Claim, ManifestStore, SealError

EVIDENCE = "io.github.responsible-generation-sdk.evidence"
"""Label of the assertion with policy digest, controls and verdicts (docs/provenance.md)."""
MODEL = "io.github.responsible-generation-sdk.model"
"""Prefix of the model ingredient's metadata."""
SPEC_VERSION = "2.4.0"
MINING = (
    "cawg.ai_training",
    "cawg.ai_generative_training",
    "cawg.ai_inference",
    "cawg.data_mining",
)
"""Entries of the CAWG training and data mining assertion 1.1."""
_ACTION = re.compile(r"[A-Za-z0-9][\w-]*(\.[A-Za-z0-9][\w-]*)+")
_ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
_MILD = frozenset({"c2pa.resized", "c2pa.resized.proportional", "c2pa.adjustedColor"})
_RENAMED = {"c2pa.color_adjustments": "c2pa.adjustedColor"}  # C2PA 2.2, 18.14.11
_SOURCE_TYPE = re.compile(r"https?://[!-~]+/digitalsourcetype/\w+")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_INPUT, _WEIGHTS = "input", "model"

Object = dict[str, JSON]


def definition(claim: Claim, *, mining: str) -> Object:
    """Return the manifest definition of a claim; `mining` is `allowed` or `notAllowed`.

    What an input picture forbids stays forbidden.

    Raises:
        SealError: the claim contradicts itself.
    """
    _check(claim)
    mining = "notAllowed" if claim.data_mining else mining
    assertions: list[JSON] = [
        _assertion("c2pa.actions.v2", {"allActionsIncluded": True, "actions": _actions(claim)}),
        _assertion("cawg.training-mining", {"entries": {e: {"use": mining} for e in MINING}}),
    ]
    if claim.soft_binding_alg:
        value = base64.b64encode(claim.soft_binding_value).decode()
        blocks: list[JSON] = [{"scope": {}, "value": value}]
        binding: Object = {"alg": claim.soft_binding_alg, "blocks": blocks}
        assertions.append(_assertion("c2pa.soft-binding", binding))
    if claim.evidence:
        assertions.append(_assertion(EVIDENCE, dict(claim.evidence)))
    generator: Object = {
        "name": claim.generator,
        "version": claim.generator_version,
        "specVersion": SPEC_VERSION,
    }
    return {
        "claim_generator_info": [generator],
        "title": claim.title,
        "format": claim.media_type,
        "ingredients": [_model(claim)],
        "assertions": assertions,
    }


def parent(claim: Claim) -> Object:
    """Return the ingredient that stands for the input picture."""
    return {
        "title": "input",
        "label": _INPUT,
        "relationship": "parentOf" if claim.edited else "inputTo",
    }


def soft_binding(store: ManifestStore) -> bytes:
    """Return the payload that the manifest names; empty without one."""
    for data in store.assertions("c2pa.soft-binding"):
        blocks = data.get("blocks")
        block = blocks[0] if isinstance(blocks, list) and blocks else None
        value = block.get("value") if isinstance(block, dict) else None
        try:
            return base64.b64decode(str(value), validate=True)
        except (ValueError, binascii.Error):
            return b""
    return b""


def _check(claim: Claim) -> None:
    if claim.edited and claim.parent is None:
        raise SealError(
            "asked to sign an edited picture without the picture it was made from; "
            "give the input's bytes as the claim's parent"
        )
    if bool(claim.soft_binding_alg) != bool(claim.soft_binding_value):
        raise SealError(
            "asked to sign a soft binding with only one of algorithm and payload; give both"
        )
    if not _SOURCE_TYPE.fullmatch(claim.digital_source_type):
        raise SealError(
            f"asked to sign digitalSourceType {claim.digital_source_type!r}; give the full URI of "
            "an IPTC NewsCode"
        )
    if not _RFC3339.fullmatch(claim.created_at):
        raise SealError(
            f"asked to sign the time {claim.created_at!r}; give RFC 3339 in UTC, such as "
            "2026-11-23T00:00:00Z"
        )
    for action in claim.actions:
        if not _ACTION.fullmatch(action):
            raise SealError(
                f"asked to sign the action {action!r}; give a C2PA name such as c2pa.resized"
            )


def _actions(claim: Claim) -> list[JSON]:
    """List what happened, in order: opened or created, drawn, refined, watermarked."""
    agent: Object = {"name": claim.model.name}
    if claim.model.version:
        agent["version"] = claim.model.version
    drawn: Object = {"digitalSourceType": claim.digital_source_type, "softwareAgent": agent}
    actions: list[JSON] = []
    if claim.edited:
        actions.append(_action(claim, "c2pa.opened", {}, _INPUT))
        actions.append(_action(claim, "c2pa.edited", drawn, _WEIGHTS))
    else:
        inputs = (_WEIGHTS, _INPUT) if claim.parent is not None else (_WEIGHTS,)
        actions.append(_action(claim, "c2pa.created", drawn, *inputs))
    refined = [_RENAMED.get(name, name) for name in claim.actions]
    actions += [_action(claim, name, _refined(claim, name)) for name in refined]
    if claim.soft_binding_alg:
        actions.append(_action(claim, "c2pa.watermarked.bound", {}))
    return actions


def _refined(claim: Claim, action: str) -> Object:
    """Say how a refiner worked: rule 5; a strong change is as generated as the picture."""
    mild = action in _MILD
    return {"digitalSourceType": _ENHANCED if mild else claim.digital_source_type}


def _action(claim: Claim, name: str, said: Object, *ingredients: str) -> Object:
    action: Object = {"action": name, "when": claim.created_at, **said}
    if ingredients:
        action["parameters"] = {"ingredientIds": list(ingredients)}
    return action


def _model(claim: Claim) -> Object:
    """Describe the weights: their digest and licence, for people and for audits."""
    model = claim.model
    said = {
        "version": model.version,
        "sha256": model.sha256,
        "licence": model.licence,
        "source": model.source,
    }
    ingredient: Object = {
        "title": model.name,
        "label": _WEIGHTS,
        "format": "application/octet-stream",
        "relationship": "inputTo",
        "data_types": [{"type": "c2pa.types.model"}],
    }
    metadata: Object = {f"{MODEL}.{name}": text for name, text in said.items() if text}
    return ingredient | ({"metadata": metadata} if metadata else {})


def _assertion(label: str, data: Object) -> Object:
    return {"label": label, "created": True, "data": data}
