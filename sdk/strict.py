"""What a manifest must keep under `sdk verify --strict`, beyond verifying.

    for complaint in complaints(source):
        complaint.code, complaint.found, complaint.section

Three rules of the specification that c2pa-rs 0.91.3 does not hold manifests to, in the active
manifest and in every ancestor: padding is zero, soft bindings are of registered algorithms, and
nothing deprecated is used.  What cannot be told is a complaint.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sdk.cose import unprotected
from sdk.jumbf import manifest_store
from sdk.manifests import as_list, as_object
from sdk.report import harmless
from sdk.source import Source
from sdk.types import JSON

RULES = ("strict.pad", "strict.soft-binding", "strict.deprecated")
"""The codes of all complaints."""
PADS = ("pad", "pad2")
"""Unprotected headers that only fill up space (C2PA 2.2, 10.4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A rule that a manifest breaks."""

    code: str
    """`strict.pad`, `strict.soft-binding` or `strict.deprecated`."""
    found: str
    """What was found, harmless."""
    manifest: str
    """Label of the manifest, harmless."""
    section: str
    """Where the rule stands."""

    def to_json(self) -> dict[str, JSON]:
        """Return it as it stands in the report."""
        return {
            "code": self.code,
            "found": self.found,
            "manifest": self.manifest,
            "section": self.section,
        }


@cache
def lists() -> dict[str, list[str]]:
    """Return `soft_bindings`, and the deprecated `assertions` and `actions`."""
    return tomllib.loads((files("sdk") / "strict.toml").read_text("utf-8"))


def complaints(source: Source, allowed: Sequence[str] = ()) -> tuple[Complaint, ...] | None:
    """Return every rule that the manifests of a file break; None where none can be read.

    `allowed` are soft binding algorithms that count beside the registered ones.
    """
    document = source.crjson(b"")
    if document is None:
        return None
    manifests = [as_object(entry) for entry in as_list(document.get("manifests"))]
    known = {*lists()["soft_bindings"], *allowed}
    found = [*_padding(source)]
    for manifest in manifests:
        found += _soft_bindings(manifest, known)
        found += _deprecated(manifest)
    return tuple(dict.fromkeys(found))


def _padding(source: Source) -> Iterator[Complaint]:
    section = "C2PA 2.2, 10.4.2"
    try:
        if not source.is_whole:
            raise ValueError("the file is too large to look at")
        read = [*unprotected(manifest_store(source.data, source.media_type))]
    except ValueError as exc:
        why = harmless(f"the padding cannot be told: {exc}")
        yield Complaint(code="strict.pad", found=why, manifest="", section=section)
        return
    for label, headers in read:
        for name in PADS:
            pad = headers.get(name, b"")
            if not isinstance(pad, bytes):
                why = f"{name} is no byte string"
            elif any(pad):
                why = f"{sum(map(bool, pad)):,} of {len(pad):,} bytes of {name} are not zero"
            else:
                continue
            yield Complaint(code="strict.pad", found=why, manifest=harmless(label), section=section)


def _soft_bindings(manifest: dict[str, JSON], known: set[str]) -> Iterator[Complaint]:
    for label, data in as_object(manifest.get("assertions")).items():
        name = as_object(data).get("alg")
        if label.split("__")[0] == "c2pa.soft-binding" and name not in known:
            yield Complaint(
                code="strict.soft-binding",
                found=f"{harmless(name)} is not on the list of soft binding algorithms",
                manifest=harmless(manifest.get("label")),
                section="C2PA 2.2, 9.3.2 and 18.10.4",
            )


def _deprecated(manifest: dict[str, JSON]) -> Iterator[Complaint]:
    where = harmless(manifest.get("label"))
    names = [*as_object(manifest.get("assertions"))]
    old = [name for name in names if is_deprecated(name)]
    if "claim" in manifest:
        old.append("c2pa.claim")
    for name in old:
        yield Complaint(
            code="strict.deprecated",
            found=f"assertion {harmless(name)}" if name != "c2pa.claim" else "claim c2pa.claim",
            manifest=where,
            section="C2PA 2.2, 6.3 and appendix C.1",
        )
    for data in map(as_object, as_object(manifest.get("assertions")).values()):
        for action in map(as_object, as_list(data.get("actions"))):
            if action.get("action") in lists()["actions"]:
                yield Complaint(
                    code="strict.deprecated",
                    found=f"action {harmless(action.get('action'))}",
                    manifest=where,
                    section="C2PA 2.2, 18.14.11 and appendix C.1",
                )


def is_deprecated(label: str) -> bool:
    """Whether an assertion of this label was deprecated."""
    plain = label.split("__")[0]
    return any(
        plain.startswith(known) if known.endswith(".") else plain == known
        for known in lists()["assertions"]
    )
