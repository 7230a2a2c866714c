"""Gathers what a file says and shows: the facts that legal rules ask about.

    facts = gather(Path("apple.png"), ledger=ledger, detectors=[tile])
    facts["manifest.time_stamped"]          # True, False, or None for "could not tell"

Facts come from the file's bytes, its C2PA manifest, the pixels as detectors read them, and the
ledger entry of this very file.  What cannot be known is None, and a rule that needs it is
undetermined.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from sdk.endurance import examined
from sdk.errors import SDKError, VerifyError
from sdk.evidence import Detector, soft_bindings
from sdk.ledger import Entry
from sdk.manifests import ManifestStore, as_list, as_object
from sdk.source import Source, open_file, read_source
from sdk.types import JSON, Presence

Fact = bool | float | str | frozenset[str] | None
Facts = Mapping[str, Fact]


class Finder(Protocol):
    """What is needed of a ledger."""

    def find(self, *, sha256: str) -> Sequence[Entry]:
        """Return the entries that speak of a file."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a fact is."""

    kind: Literal["truth", "number", "text", "set"]
    words: str


def _truth(words: str) -> Known:
    return Known("truth", words)


def _text(words: str) -> Known:
    return Known("text", words)


FACTS: Mapping[str, Known] = {
    "file.icon": _truth("the shorter side is below 128 pixels: icon-scale graphics"),
    "ai.declared": _truth("manifest, IPTC or AIGC label say that AI drew it or a part of it"),
    "ai.edited": _truth("manifest or IPTC say that an existing picture was changed by AI"),
    "marks.contradict": _truth("manifest and IPTC disagree whether AI drew it"),
    "layers": Known("number", "machine-readable layers that are there and say or carry AI origin: "
                    "an intact manifest, a watermark that reads back"),
    "manifest.present": _truth("a C2PA manifest is in the file"),
    "manifest.intact": _truth("signature and hashes of file, manifest and ancestors verify"),
    "manifest.says_ai": _truth("the manifest declares an AI source type"),
    "manifest.first_action": _text("first action, such as c2pa.created"),
    "manifest.source_type": _text("digitalSourceType of the first action"),
    "manifest.system": _text("name of the AI system: softwareAgent of the first action"),
    "manifest.version": _text("version of the AI system"),
    "manifest.time": _text("when it was made, by an action or a time-stamp"),
    "manifest.time_stamped": _truth("the signature carries an RFC 3161 time-stamp"),
    "manifest.id": _text("label of the manifest, a URN"),
    "manifest.parent": _truth("an input picture is kept as parent ingredient"),
    "manifest.soft_binding": _text("algorithm of the watermark that the manifest names"),
    "provider": _text("who answers for the picture: evidence of the manifest, else its signer"),
    "xmp.source_type": _text("IPTC DigitalSourceType, as it stands in the XMP packet"),
    "xmp.prompt": _truth("the metadata holds a prompt or who wrote it"),
    "aigc.count": Known("number", "AIGC labels of China in the file"),
    "aigc.readable": _truth("the AIGC label is a JSON object"),
    "aigc.in_xmp": _truth("the AIGC label stands in XMP"),
    "aigc.namespace": _text("namespace of the AIGC label in XMP"),
    "aigc.label": _text("Label of the AIGC label"),
    "aigc.producer": _text("ContentProducer of the AIGC label"),
    "aigc.produce_id": _text("ProduceID of the AIGC label"),
    "aigc.ascii": _truth("values of the AIGC label are ASCII without spaces"),
    "aigc.known_fields": _truth("the AIGC label has no field that the standard does not know"),
    "watermark.present": _truth("a detector reads a mark in the pixels"),
    "watermark.bound": _truth("the mark is the one that the manifest names"),
    "watermark.weak": _truth("ordinary re-encoding would probably erase the mark"),
    "labels.kinds": Known("set", "visible labels in the pixels, as an intact manifest says"),
    "labels.any": _truth("there is a visible label, as an intact manifest says"),
    "labels.share": Known("number", "height of the smallest label, share of the shortest side"),
    "receipt.present": _truth("the ledger has the receipt of this very file"),
    "receipt.prompt_screened": _truth("a prompt filter ran and allowed"),
    "receipt.image_screened": _truth("an image filter ran and allowed"),
    "receipt.categories": Known("set", "categories that were looked for before release"),
    "receipt.asked": Known("set", "categories that prompt filters looked for in the request"),
    "receipt.shown": Known("set", "categories that image filters looked for in the picture"),
    "receipt.waived": Known("set", "controls that the policy went without"),
    "receipt.keep_months": Known("number", "how long the policy keeps receipts at least"),
    "receipt.packs": Known("set", "packs that the policy was made of"),
}  # fmt: skip
"""Every fact a rule may ask about."""

_AI = frozenset(
    {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"}
)
_EDITED = frozenset({"compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
_XMP = re.compile(rb"<x:xmpmeta.{0,262144}?</x:xmpmeta>", re.DOTALL)
_AIGC_TEXT = re.compile(rb'\{[^{}]{0,64}"Label"[^{}]{0,2048}\}')
_AIGC_FIELDS = frozenset(
    {"Label", "ContentProducer", "ProduceID", "ContentPropagator", "PropagateID"}
    | {"ReservedCode1", "ReservedCode2"}
)
_EVIDENCE = re.compile(r"[\w.-]+\.evidence")


def gather(
    path: str | Path, *, ledger: Finder | None = None, detectors: Sequence[Detector] = ()
) -> dict[str, Fact]:
    """Return all facts about one file; nothing is fetched.

    Raises:
        VerifyError: not a regular file, empty, of no known format, or it cannot be read.
        LedgerError: the ledger cannot be asked.
    """
    with open_file(path) as file:
        source = read_source(file, str(path))
        if not source.media_type:
            raise VerifyError(f"asked to check {source.name}, found no picture format; give one")
        store = source.manifests(b"")
    facts: dict[str, Fact] = dict.fromkeys(FACTS)
    facts |= _manifest(store)
    facts |= _metadata(source.data)
    facts |= _pixels(source, store, detectors)
    facts |= _receipt(ledger, source.sha256)
    xmp, said = _code(facts["xmp.source_type"]), facts["manifest.says_ai"]
    label = facts["aigc.count"]
    facts["ai.declared"] = bool(said) or xmp in _AI or bool(label)
    facts["ai.edited"] = _code(facts["manifest.source_type"]) in _EDITED or xmp in _EDITED
    facts["marks.contradict"] = bool(store and xmp and bool(said) != (xmp in _AI))
    signed = bool(facts["manifest.intact"] and said)
    facts["layers"] = float(signed + bool(facts["watermark.present"]))
    return facts


def _manifest(store: ManifestStore | None) -> dict[str, Fact]:
    if store is None:
        return {"manifest.present": False, "manifest.intact": False, "manifest.says_ai": False}
    actions = _actions(store)
    first = actions[0] if actions else {}
    agent = as_object(first.get("softwareAgent"))
    signature = as_object(dict(store.signatures.get(store.active, {})))
    stamp = as_object(signature.get("timeStampInfo")).get("timestamp")
    kinds = [_code(str(action.get("digitalSourceType", ""))) for action in actions]
    bindings = store.assertions("c2pa.soft-binding")
    parents = as_list(store.manifest.get("ingredients"))
    subject = as_object(as_object(signature.get("certificateInfo")).get("subject"))
    said = _evidence(store)
    intact = bool(store.manifests) and not store.broken
    return {
        "manifest.present": True,
        "manifest.intact": intact,
        "manifest.says_ai": any(kind in _AI for kind in kinds),
        "manifest.first_action": str(first.get("action", "")),
        "manifest.source_type": str(first.get("digitalSourceType", "")),
        "manifest.system": str(agent.get("name", "")),
        "manifest.version": str(agent.get("version", "")),
        "manifest.time": str(first.get("when") or stamp or ""),
        "manifest.time_stamped": bool(stamp),
        "manifest.id": store.active,
        "manifest.parent": any(as_object(one).get("relationship") == "parentOf" for one in parents),
        "manifest.soft_binding": str(bindings[0].get("alg", "")) if bindings else "",
        "provider": str(said.get("provider") or subject.get("O") or subject.get("CN") or ""),
        **(_labels(said) if intact and "labels" in said else {}),
    }


def _actions(store: ManifestStore) -> list[dict[str, JSON]]:
    found = store.assertions("c2pa.actions")
    return [as_object(a) for one in found for a in as_list(as_object(dict(one)).get("actions"))]


def _evidence(store: ManifestStore) -> dict[str, JSON]:
    """What this SDK wrote about the call; empty in the manifests of others."""
    for entry in map(as_object, as_list(store.manifest.get("assertions"))):
        if _EVIDENCE.fullmatch(str(entry.get("label"))):
            return as_object(entry.get("data"))
    return {}


def _labels(said: dict[str, JSON]) -> dict[str, Fact]:
    labels = [as_object(label) for label in as_list(said.get("labels"))]
    shares = [share for one in labels if isinstance(share := one.get("share"), (int, float))]
    return {
        "labels.kinds": frozenset(str(label.get("kind")) for label in labels),
        "labels.any": bool(labels),
        "labels.share": float(min(shares, default=0.0)),
    }


def _metadata(data: bytes) -> dict[str, Fact]:
    packets = [packet.decode("utf-8", "replace") for packet in _XMP.findall(data)[:4]]
    text = "\n".join(packets)
    in_xmp = [html.unescape(v) for v in re.findall(r"<[\w-]+:AIGC(?:\s[^<>]*)?>([^<]*)</", text)]
    in_xmp += [html.unescape(v) for v in re.findall(r"[\w-]+:AIGC\s*=\s*\"([^\"<]*)\"", text)]
    outside = [m.decode("utf-8", "replace") for m in _AIGC_TEXT.findall(_XMP.sub(b"", data))]
    spaces = re.findall(r"xmlns:TC260=[\"']([^\"']*)[\"']", text)
    found = re.search(
        r"<[\w-]+:DigitalSourceType(?:\s[^<>]*)?>([^<]*)</"
        r"|[\w-]+:DigitalSourceType(?:\srdf:resource)?\s*=\s*[\"']([^\"'<]*)[\"']",
        text,
    )
    return {
        "xmp.source_type": html.unescape(found[1] or found[2] or "").strip() if found else "",
        "xmp.prompt": bool(re.search(r":AIPrompt(?:Information|WriterName)\b", text)),
        "aigc.count": float(len(in_xmp) + len(outside)),
        **({"aigc.in_xmp": bool(in_xmp)} if in_xmp or outside else {}),
        **({"aigc.namespace": spaces[0] if spaces else ""} if in_xmp else {}),
        **(_aigc((in_xmp + outside)[0]) if in_xmp or outside else {}),
    }


def _aigc(text: str) -> dict[str, Fact]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict) and isinstance(read.get("AIGC"), dict):
        read = read["AIGC"]  # Annex B wraps it
    if not isinstance(read, dict):
        return {"aigc.readable": False}
    values = [str(value) for value in read.values()]
    return {
        "aigc.readable": True,
        "aigc.label": str(read.get("Label", "")),
        "aigc.producer": str(read.get("ContentProducer", "")),
        "aigc.produce_id": str(read.get("ProduceID", "")),
        "aigc.ascii": all(re.fullmatch(r"[\x21-\x7e]*", value) for value in values),
        "aigc.known_fields": set(read) <= _AIGC_FIELDS,
    }


def _pixels(
    source: Source, store: ManifestStore | None, detectors: Sequence[Detector]
) -> dict[str, Fact]:
    """What the pixels show; unknown where nobody was asked or nobody could tell."""
    from sdk.encode import decode

    try:
        pixels = decode(source.data)
        seen = [(one.algorithm, examined(one, pixels)) for one in detectors]
    except SDKError:
        return {}
    facts: dict[str, Fact] = {"file.icon": min(pixels.shape[:2]) < 128}
    present = [(name, found) for name, found in seen if found.presence is Presence.PRESENT]
    if seen and all(found.presence is not Presence.INCONCLUSIVE for _, found in seen):
        facts["watermark.present"] = bool(present)
    if present:
        bound = soft_bindings(store) if store else {}
        facts["watermark.present"] = True
        facts["watermark.weak"] = all(found.weak for _, found in present)
        facts["watermark.bound"] = any(
            found.payload in bound.get(name, set()) for name, found in present
        )
    return facts


def _receipt(ledger: Finder | None, sha256: str) -> dict[str, Fact]:
    if ledger is None:
        return {}
    entries = [e for e in ledger.find(sha256=sha256) if e.leaf.get("outcome") == "released"]
    if not entries:
        return {"receipt.present": False}
    leaf: dict[str, JSON] = json.loads(json.dumps(dict(entries[0].leaf)))
    kinds = {str(as_object(p).get("name")): str(as_object(p).get("kind"))
             for p in as_list(leaf.get("plugins"))}  # fmt: skip
    rows = [as_object(row) for row in as_list(leaf.get("verdicts"))]
    looked = [(kinds.get(str(row.get("by"))), str(row.get("category"))) for row in rows
              if row.get("rule") != "unsafe"]  # fmt: skip
    asked = frozenset(category for kind, category in looked if kind == "prompt_filter")
    shown = frozenset(category for kind, category in looked if kind == "image_filter")
    packs = as_list(as_object(leaf.get("policy")).get("packs"))
    keep = leaf.get("keep_months")
    return {
        "receipt.present": True,
        "receipt.prompt_screened": bool(asked),
        "receipt.image_screened": bool(shown),
        "receipt.categories": frozenset(category for _, category in looked),
        "receipt.asked": asked,
        "receipt.shown": shown,
        "receipt.waived": frozenset(str(w) for w in as_list(leaf.get("unsafe_without"))),
        "receipt.keep_months": float(keep) if isinstance(keep, int) else 0.0,
        "receipt.packs": frozenset(str(as_object(pack).get("name")) for pack in packs),
    }


def _code(uri: Fact) -> str:
    return str(uri or "").rsplit("/", 1)[-1]
