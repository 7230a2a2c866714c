"""Concludes from the evidence what the manifest axes say: provenance to AI declaration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdk.evidence import Evidence, is_content, moment, stamp
from sdk.lineage import ancestry, generator, links, titled
from sdk.manifests import ManifestStore, State, as_list, as_object
from sdk.report import Axis, harmless
from sdk.types import JSON

_AI = {
    "trainedAlgorithmicMedia": "generated",
    "compositeWithTrainedAlgorithmicMedia": "edited-with-AI",
    "compositeSynthetic": "edited-with-AI",
}


def provenance(found: Evidence) -> Axis:
    """Where the manifest was found."""
    if found.recovered is not None and found.store is not None:
        how = found.recovered.by
        return Axis(
            state=f"recovered:{how}",
            reason=f"the file carries no manifest; the repository knows one by its {how}",
            more={"signed_sha256": found.recovered.sha256},
        )
    if found.store is None:
        problem = f"; {harmless(found.repository_problem)}" if found.repository_problem else ""
        if found.unread:
            reason = f"manifests in files of this kind ({harmless(found.unread)}) are not read"
            return Axis(state="absent", reason=reason + problem)
        if found.damaged:
            reason = f"nothing of C2PA is in the file, which is damaged ({harmless(found.damaged)})"
            return Axis(state="absent", reason=reason + problem)
        return Axis(state="absent", reason=f"the file carries no C2PA manifest{problem}")
    if found.store.remote_url:
        return Axis(
            state="remote",
            reason="the file names a manifest elsewhere, which is never fetched",
            more={"url": harmless(found.store.remote_url)},
        )
    return Axis(
        state="embedded",
        reason="the file carries a C2PA manifest",
        more={"manifest": harmless(found.store.active)},
    )


def integrity(found: Evidence) -> Axis:
    """Whether file and manifest are what was signed."""
    store = found.store
    if store is None:
        return Axis(state="unchecked", reason="without a manifest nothing says what it should be")
    if store.remote_url:
        return Axis(state="unchecked", reason="the manifest lies elsewhere and is not fetched")
    if store.state is State.UNREADABLE:
        why = harmless(store.statuses[0].explanation)
        return Axis(state="unreadable", reason=f"the manifest cannot be read ({why})")
    own = found.own
    codes: list[JSON] = [*sorted({harmless(s.code) for s in own})]
    if any(is_content(s) for s in own):
        reason = "the file is not the one that was signed"
        return Axis(state="content-changed", reason=reason, more={"codes": codes})
    unexplained = store.state is State.INVALID and not store.failures
    if own or unexplained:
        reason = "the manifest does not verify: " + (", ".join(map(str, codes)) or "no code given")
        return Axis(state="manifest-changed", reason=reason, more={"codes": codes})
    if found.recovered is None:
        return Axis(state="intact", reason="signature and hashes of file and manifest verify")
    if found.recovered.match == "bytes":
        return Axis(
            state="restorable",
            reason="with its metadata put back (sdk restore) it is byte for byte the signed file, "
            "which verifies",
        )
    reason = "the recovered manifest verifies, but it was signed for another encoding"
    return Axis(state="not-embedded", reason=reason)


def content_match(found: Evidence) -> Axis:
    """How a recovered manifest fits the file."""
    if found.recovered is None:
        return Axis(state="not-needed", reason="no manifest had to be recovered")
    reasons = {
        "bytes": "what was stripped, put back, gives the signed file byte for byte",
        "pixels": "the pixels are those that were signed; the file was written anew",
        "similar": "the picture looks like the one that was signed; its pixels differ",
        "unclear": "the mark is that of the signed picture; cut or turned, it cannot be compared",
        "different": "the picture does not look like the one that was signed",
    }
    match = found.recovered.match
    if match == "unclear" and not found.recovered.alone:
        reasons["unclear"] = "one frame was compared; the others may be anything"
    return Axis(state=match, reason=reasons[match], more={"score": round(found.recovered.score, 4)})


def signer(found: Evidence) -> Axis:
    """Who signed, and whether the user's list vouches for them."""
    store = found.store
    if store is None or store.state is State.UNREADABLE:
        return Axis(state="none", reason="there is no signature to judge")
    info = as_object(store.manifest.get("signature_info"))
    who = signer_name(store)
    until = found.valid_until
    more: dict[str, JSON] = {
        "name": who,
        "algorithm": harmless(info.get("alg")),
        "certificate_until": until.isoformat() if until else None,
    }
    listed = found.trust.signers
    if listed is not None:
        more["trust_list"] = listed.described()
        more["trust_list_next_update"] = (
            listed.next_update.isoformat() if listed.next_update else None
        )
    state, reason = _signer_state(found, who)
    return Axis(state=state, reason=reason, more=more)


def signer_name(store: ManifestStore) -> str:
    """Return organization and common name of the active signer, harmless."""
    info = as_object(store.manifest.get("signature_info"))
    names = [info.get("issuer"), info.get("common_name")]
    return harmless(" / ".join(str(n) for n in names if n) or "nobody named")


def _signer_state(found: Evidence, who: str) -> tuple[str, str]:
    listed = found.trust.signers
    end = found.valid_until
    if found.has("claimSignature.mismatch") or found.has("claimSignature.missing"):
        return "invalid", "the signature does not fit the manifest"
    if found.has("signingCredential.invalid"):
        return "invalid", f"the certificate of {who} is not one that may sign manifests"
    if found.has("signingCredential.ocsp.revoked") or found.has("signingCredential.revoked"):
        return "revoked", f"the certificate of {who} was revoked"
    if found.early:
        return "expired", f"the certificate of {who} is valid only from {found.valid_from:%F}"
    if found.expired:
        date = f"{end:%F}" if end else "an unknown date"
        return "expired", (
            f"the certificate of {who} was valid until {date}, and no trusted time-stamp says that "
            "the signature is older"
        )
    if listed is None:
        return "unchecked", f"signed as {who}; no trust list is loaded, so nobody vouches for that"
    if found.lapsed and not found.chained:
        return "unchecked", f"the certificate of {who} was valid then, but its chain cannot be read"
    overdue = ", which is past its next update" if listed.overdue(found.at) else ""
    if found.vouched or found.chained == "yes":
        return "trusted", f"{who} is vouched for by {listed.described()}{overdue}"
    return "untrusted", f"signed as {who}, whom {listed.described()} does not vouch for{overdue}"


def time(found: Evidence) -> Axis:
    """When it was signed, and who says so."""
    store = found.store
    if store is None or store.state is State.UNREADABLE:
        return Axis(state="none", reason="there is no signature to date")
    until = found.valid_until
    ends = f"; verifies until {until:%F}" if until else ""
    if not stamp(store):
        return Axis(state="none", reason=f"the signature has no time-stamp{ends}")
    said = moment(stamp(store).get("timestamp"))
    by = as_object(as_object(stamp(store).get("certificateInfo")).get("subject"))
    more: dict[str, JSON] = {
        "signed_at": said.isoformat() if said else None,
        "authority": harmless(by.get("CN") or "not named"),
    }
    if found.has("timeStamp.mismatch") or found.has("timeStamp.malformed"):
        return Axis(state="invalid", reason="the time-stamp does not fit the signature", more=more)
    if found.stamped_at is not None:
        return Axis(state="trusted", reason="time-stamped by an authority on the list", more=more)
    lists = found.trust.tsas
    reason = "no list of time-stamp authorities is loaded" if lists is None else "not on the list"
    return Axis(state="untrusted", reason=f"time-stamped, but {reason}{ends}", more=more)


def chain(found: Evidence) -> Axis:
    """The weakest of the pictures that this one was made from."""
    store = found.store
    if store is None or store.state is State.UNREADABLE:
        return Axis(state="none", reason="there is no manifest to follow")
    ancestors = len(ancestry(store)) - 1
    more: dict[str, JSON] = {
        "manifests": len(store.manifests),
        "ancestors": ancestors,
        "generator": generator(store, store.active),
        "links": links(store),
    }
    broken = found.inherited
    if broken:
        more["codes"] = [*sorted({harmless(s.code) for s in broken})]
        more["weakest"] = harmless(broken[0].manifest)
        when = "when it was used" if all(s.recorded for s in broken) else "now"
        title = titled(store, broken[0].manifest)
        reason = f"{title}, a file it was made from, did not verify {when} ({broken[0].code})"
        return Axis(state="changed", reason=harmless(reason), more=more)
    if ancestors == 0:
        return Axis(state="single", reason="no ancestor carries a manifest", more=more)
    reason = f"{ancestors} ancestor{'s' if ancestors > 1 else ''} verified"
    weak = found.unvouched
    if weak and found.trust.signers is not None:
        more["weakest"] = harmless(weak[0])
        reason += f"; weakest is {titled(store, weak[0])}, whose signer is not on the list"
    return Axis(state="intact", reason=reason, more=more)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    state: str
    manifest: str
    parent_path: bool
    model: str


def ai(found: Evidence) -> Axis:
    """What is declared about AI, in the manifest or any of its ancestors."""
    store = found.store
    declared = [] if store is None else [*_declarations(store)]
    unsigned: list[JSON] = [harmless(f"{c.kind}: {c.says}") for c in found.claims if c.is_ai]
    if not declared:
        if unsigned:
            reason = "only unsigned metadata says that AI was used; anybody can write that"
            return Axis(state="claimed", reason=reason, more={"unsigned": unsigned})
        reason = "nothing declares AI; that does not mean that none was used"
        return Axis(state="not-declared", reason=reason)
    first = declared[0]
    assert store is not None
    own = first.manifest == store.active
    state = first.state if own or first.parent_path else "edited-with-AI"
    where = "the manifest" if own else "an ancestor's manifest"
    drawn = "generated by AI" if state == "generated" else "made or changed in part by AI"
    changed = "; that was said before the change" if found.own else ""
    return Axis(
        state=state,
        reason=f"{where} declares it {drawn}{changed}",
        more={"model": first.model, "manifest": harmless(first.manifest), "unsigned": unsigned},
    )


def _declarations(store: ManifestStore) -> Iterator[_Declared]:
    """Yield what each manifest declares, the active one first, then nearest ancestors."""
    for label, parent_path in ancestry(store).items():
        for data in store.assertions("c2pa.actions", label):
            for action in map(as_object, as_list(data.get("actions"))):
                code = str(action.get("digitalSourceType")).rsplit("/", 1)[-1]
                if code in _AI:
                    agent = action.get("softwareAgent")
                    named = agent.get("name") if isinstance(agent, dict) else agent
                    yield _Declared(
                        state=_AI[code],
                        manifest=label,
                        parent_path=parent_path,
                        model=harmless(named or "not named"),
                    )
