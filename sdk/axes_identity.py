"""Concludes whose name is on a file: CAWG identity assertions, judged by a list of their own."""

from __future__ import annotations

from sdk.evidence import Evidence
from sdk.manifests import ManifestStore, Outcome, Status, as_list, as_object
from sdk.report import Axis, harmless
from sdk.types import JSON

UNTRUSTED = frozenset(
    {
        "cawg.x509.credential.untrusted",
        "cawg.x509.signature.outside_validity",
        "cawg.ica.untrusted_issuer",
        "cawg.ica.did_unavailable",
        "cawg.ica.revocation.unavailable",
        "cawg.ica.valid_until.invalid",
    }
)
"""Failures that say who is not vouched for; every other one says that the assertion is wrong."""
_TRUSTED = frozenset({"cawg.identity.trusted", "cawg.x509.credential.trusted"})
_AGGREGATED = "cawg.ica.credential_valid"


def identity(found: Evidence) -> Axis:
    """Whether a person or organization put their name to it (CAWG identity assertion)."""
    claimed = [] if found.store is None else identities(found.store)
    if found.store is None or not claimed:
        return Axis(state="absent", reason="no identity assertion")
    codes = sorted({harmless(s.code) for s in _own(found.store)})
    names = [*dict.fromkeys(map(_name, claimed))]
    who = ", ".join(names)
    more: dict[str, JSON] = {"codes": [*codes], "names": [*names], "roles": [*_roles(claimed)]}
    state, reason = _state(found, found.store, who)
    listed = found.trust.identities
    if listed is not None:
        more["trust_list"] = listed.described()
    return Axis(state=state, reason=reason, more=more)


def identities(store: ManifestStore) -> list[dict[str, JSON]]:
    """Return the data of the identity assertions of the active manifest."""
    listed = map(as_object, as_list(store.manifest.get("assertions")))
    return [as_object(a.get("data")) for a in listed if _is_identity(str(a.get("label")))]


def _is_identity(label: str) -> bool:
    return label.split("__")[0] == "cawg.identity"


def _state(found: Evidence, store: ManifestStore, who: str) -> tuple[str, str]:
    wrong = [s for s in _failed(store) if s.code not in UNTRUSTED]
    if wrong:
        return "invalid", f"the identity of {who} does not verify: {harmless(wrong[0].code)}"
    listed = found.trust.identities
    if listed is None:
        return "unchecked", f"named as {who}; no list of identity issuers is loaded"
    if found.named is None:
        return "unchecked", f"named as {who}; identities of recovered manifests are not judged"
    unsure = _failed(found.named)
    good = {s.code for s in _own(found.named) if s.outcome is Outcome.SUCCESS}
    if not unsure and (good & _TRUSTED or _AGGREGATED in good):
        return "trusted", f"{who} is vouched for by {listed.described()}"
    why = f" ({harmless(unsure[0].code)})" if unsure else ""
    return "untrusted", f"named as {who}, whom {listed.described()} does not vouch for{why}"


def _own(store: ManifestStore) -> list[Status]:
    """What was found now about the identities in the active manifest."""
    return [
        s
        for s in store.statuses
        if s.code.startswith("cawg.") and not s.recorded and s.manifest == store.active
    ]


def _failed(store: ManifestStore) -> list[Status]:
    return [s for s in _own(store) if s.outcome is Outcome.FAILURE]


def _name(data: dict[str, JSON]) -> str:
    """Return who is named, harmless: the certificate's subject, or the first verified name."""
    info = as_object(data.get("signature_info"))
    names = [info.get("issuer"), info.get("common_name")]
    verified = as_list(data.get("verifiedIdentities"))
    names += [as_object(entry).get("name") for entry in verified[:1]]
    said = dict.fromkeys(str(n) for n in names if n)
    return harmless(" / ".join(said) or "nobody named")


def _roles(claimed: list[dict[str, JSON]]) -> list[str]:
    found = (as_list(as_object(data.get("signer_payload")).get("role")) for data in claimed)
    return [harmless(role, 80) for roles in found for role in roles[:10]]
