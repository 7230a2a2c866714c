"""One sentence and one number for eleven answers, and never more than they say."""

from __future__ import annotations

from collections.abc import Mapping

from sdk.axes import signer_name
from sdk.evidence import Evidence
from sdk.report import Axis, Exit

_CHANGED = {
    "integrity": {"content-changed", "manifest-changed", "unreadable"},
    "signer": {"invalid"},
    "time": {"invalid"},
    "identity": {"invalid"},
    "chain": {"changed"},
    "watermark": {"CONFLICT"},
    "content_match": {"different"},
}
_VERIFIES = {"intact", "restorable"}


def exit_code(axes: Mapping[str, Axis]) -> Exit:
    """Return the exit code: the first of changed, rule failed, absent, untrusted that holds."""
    if any(axes[name].state in states for name, states in _CHANGED.items()):
        return Exit.CHANGED
    if axes["policy"].state == "failed":
        return Exit.RULE
    if axes["integrity"].state not in _VERIFIES:
        return Exit.ABSENT
    return Exit.MET if axes["signer"].state == "trusted" else Exit.UNTRUSTED


def headline(found: Evidence, axes: Mapping[str, Axis]) -> str:
    """Return one sentence; a state that it does not mention is in the table."""
    state = axes["integrity"].state
    if state == "unreadable":
        return "Content Credentials are there but cannot be read: nothing they say counts"
    if found.recovered is not None and found.recovered.match == "different":
        return "No Content Credentials, and the mark in the pixels was copied from another picture"
    if found.store is None:
        return _without(axes)
    if axes["provenance"].state == "remote":
        return "Names a manifest that lies elsewhere, which is not fetched: nothing was checked"
    if axes["watermark"].state == "CONFLICT":
        return "The mark in the pixels belongs to another picture than the manifest in the file"
    if state == "content-changed":
        return f"Changed after it was signed {_by(found, axes)}"
    if state == "manifest-changed":
        return "The manifest was changed or is damaged: nothing it says counts"
    if axes["signer"].state == "invalid":
        return "The signature does not hold: nothing the manifest says counts"
    if found.recovered is not None:
        return _recovered(found, axes)
    if axes["chain"].state == "changed":
        return f"Unchanged since it was signed {_by(found, axes)}, but made from a changed file"
    return f"{_origin(axes)}, unchanged since it was signed {_by(found, axes)}{_when(axes)}"


def _without(axes: Mapping[str, Axis]) -> str:
    mark = axes["watermark"].state == "present-unbound"
    found = ["No Content Credentials"]
    if mark:
        found.append("but a watermark in the pixels")
    if axes["ledger"].state == "recorded":
        found.append("and a receipt in the ledger")
    if axes["ai"].state == "claimed":
        found.append("unsigned metadata says that AI was used")
    elif not mark:
        found.append("which says nothing about how it was made")
    return ", ".join(found)


def _recovered(found: Evidence, axes: Mapping[str, Axis]) -> str:
    assert found.recovered is not None
    who = _by(found, axes)
    if found.recovered.match == "bytes":
        return f"Stripped of metadata, otherwise byte for byte the file signed {who}"
    if found.recovered.match == "pixels":
        return f"Recovered: pixels identical to a picture signed {who}; the file was written anew"
    if found.recovered.match == "similar":
        score = f"{found.recovered.score:.2f}"
        return f"Recovered: similar ({score}) to a picture signed {who}; the pixels differ"
    if not found.recovered.alone:
        return f"Recovered: one frame compared with what was signed {who}, not the others"
    return f"Recovered by its mark: a cut or turned copy of a picture signed {who}"


def _origin(axes: Mapping[str, Axis]) -> str:
    model = str(axes["ai"].more.get("model", ""))
    drawn = {"generated": "AI-generated", "edited-with-AI": "Edited with AI"}
    said = drawn.get(axes["ai"].state)
    if said is None:
        return "Origin signed, AI not declared"
    return f"{said} ({model})" if model and model != "not named" else said


def _by(found: Evidence, axes: Mapping[str, Axis]) -> str:
    assert found.store is not None
    name = signer_name(found.store)
    state = axes["signer"].state
    if state == "trusted":
        return f"by {name} (trusted)"
    why = {
        "unchecked": "no trust list loaded",
        "untrusted": "not on the trust list",
        "expired": "certificate not valid yet" if found.early else "certificate expired",
        "revoked": "certificate revoked",
    }
    return f"by someone named {name} ({why.get(state, state)})"


def _when(axes: Mapping[str, Axis]) -> str:
    if axes["time"].state != "trusted":
        return ""
    return f" on {str(axes['time'].more['signed_at'])[:16].replace('T', ' ')} UTC (time-stamped)"
