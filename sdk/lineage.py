"""The manifests that a file's manifest was made from, as far as the store holds them.

ancestry(store)         # label → whether only parents lead to it, nearest first
links(store)            # the same as a drawing needs it: who came from whom, and by what
"""

from __future__ import annotations

from sdk.manifests import ManifestStore, as_list, as_object
from sdk.report import harmless
from sdk.types import JSON

MAX_DEPTH = 1000
"""Manifests that are walked; longer chains end here."""
MAX_LINKS = 40
"""Links that a report holds."""


def ancestry(store: ManifestStore) -> dict[str, bool]:
    """Return the manifests that the active one reaches → whether by parents only, nearest first."""
    reached = {store.active: True}
    queue = [store.active]
    while queue and len(reached) < MAX_DEPTH:
        label = queue.pop(0)
        for item in map(as_object, as_list(store.manifests.get(label, {}).get("ingredients"))):
            parent = str(item.get("active_manifest") or "")
            if parent in store.manifests and parent not in reached:
                reached[parent] = reached[label] and item.get("relationship") == "parentOf"
                queue.append(parent)
    return reached


def links(store: ManifestStore) -> list[JSON]:
    """Return every ingredient of the reached manifests, at most `MAX_LINKS`, texts harmless.

    Each has `child` (label of the manifest that names it), `title`, `relationship`, `manifest`
    (its own label, or null when it has none), `generator` and `changed`.
    """
    broken = {status.manifest for status in store.broken}
    found: list[JSON] = []
    for label in ancestry(store):
        for item in map(as_object, as_list(store.manifests.get(label, {}).get("ingredients"))):
            if len(found) == MAX_LINKS:
                return found
            own = str(item.get("active_manifest") or "")
            known = own in store.manifests
            found.append(
                {
                    "child": harmless(label),
                    "title": harmless(item.get("title") or "untitled", 80),
                    "relationship": harmless(item.get("relationship") or "not named", 40),
                    "manifest": harmless(own) if known else None,
                    "generator": generator(store, own) if known else None,
                    "changed": own in broken if known else False,
                }
            )
    return found


def titled(store: ManifestStore, label: str) -> str:
    """Return what the manifest that was made from it calls an ancestor, harmless, in quotes."""
    for manifest in store.manifests.values():
        for item in map(as_object, as_list(manifest.get("ingredients"))):
            if item.get("active_manifest") == label and item.get("title"):
                return repr(harmless(item["title"], 60))
    return repr(harmless(label, 60))


def generator(store: ManifestStore, label: str) -> str:
    """Return the program that made a manifest, harmless."""
    manifest = store.manifests.get(label, {})
    listed = as_list(manifest.get("claim_generator_info"))
    first = as_object(listed[0]) if listed else {}
    return harmless(first.get("name") or manifest.get("claim_generator") or "not named", 80)
