"""The 31 checks of the rubric "C2PA Asset Conformance 0.2, Spec 2.4" of 2026-08-06.

    [found] = [check.breaks(Facts.of(crjson)) for check in CHECKS if check.id == "valid_success"]

Each has the rubric's id, and gives what breaks it; nothing when it is kept.  Written from the
rubric's own words (c2pa-org/conformance-public); its evaluator gives the same verdicts on the
public test files and on what is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sdk.manifests import as_list, as_object
from sdk.rubric.facts import Facts, name, words
from sdk.types import JSON

SPEC = "2.4"
_FORBIDDEN = ("c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference")
_HUMAN = ("humanEntry.anonymous", "humanEntry.credentialed")
_TIFF = ("image/tiff", "image/x-adobe-dng")
_RELATIONSHIPS = ("parentOf", "inputTo", "componentOf")


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the rubric."""

    id: str
    """As the rubric calls it, without `validation:`."""
    says: str
    """What must be true."""
    section: str
    """Where it stands; empty for requirements of the programme alone."""
    find: Callable[[Facts], Iterable[str]]
    warns: bool = False
    """Whether what breaks it is only a warning."""

    def breaks(self, facts: Facts) -> list[str]:
        """Return what breaks it; nothing when it is kept."""
        return [*self.find(facts)]


def _unsourced(facts: Facts) -> Iterable[str]:
    for action in facts.actions:
        seen = name(action).startswith("c2pa.") and name(action) not in words("silent_actions")
        if seen and action.get("digitalSourceType") is None:
            yield name(action)


def _spec_version(facts: Facts) -> Iterable[str]:
    version = facts.generator.get("specVersion")
    if version is None:
        yield "missing"
    elif not isinstance(version, str) or version.split(".")[:2] != SPEC.split("."):
        yield str(version)


def _inception(facts: Facts) -> Iterable[str]:
    lists = [url for url in facts.created if "c2pa.actions" in url]
    if not lists or not lists[0].endswith("c2pa.actions.v2"):
        yield "no actions assertion among the created ones"
    names = [name(action) for action in facts.actions]
    if "c2pa.created" in names and names[0] not in ("c2pa.created", "c2pa.opened"):
        yield f"the first action is {names[0]}"


def _old_assertions(facts: Facts) -> Iterable[str]:
    old = words("deprecated_assertions")
    return (x for x in facts.assertions if x.startswith("stds.") or x in old)


def _foreign_assertions(facts: Facts) -> Iterable[str]:
    known = words("assertions") | words("deprecated_assertions")
    return (x for x in facts.assertions if x.startswith("c2pa.") and x.split("__")[0] not in known)


def _foreign_actions(facts: Facts) -> Iterable[str]:
    names = map(name, facts.actions)
    return (x for x in names if x.startswith("c2pa.") and x not in words("actions"))


def _plain_actions(facts: Facts) -> Iterable[str]:
    names = map(name, facts.actions)
    return (x for x in names if not x.startswith("c2pa.") and "." not in x)


def _parameters(facts: Facts) -> list[tuple[str, dict[str, JSON]]]:
    given = [(name(a), a.get("parameters")) for a in facts.actions]
    return [(which, as_object(found)) for which, found in given if found is not None]


def _plain_parameters(facts: Facts) -> Iterable[str]:
    for _, given in _parameters(facts):
        yield from (x for x in given if x not in words("parameters") and "." not in x)


def _legacy_parameters(facts: Facts) -> Iterable[str]:
    for which, given in _parameters(facts):
        if given.get("description") is not None or given.get("ingredient") is not None:
            yield which or "unknown"


def _alternatives(facts: Facts) -> Iterable[str]:
    for label, data in facts.assertions.items():
        given = as_object(data.get("parameters"))
        if "exif.originalPreservationImage" in (data.get("type"), given.get("type")):
            part = given.get("multiAssetPartIndex") is not None
            inside = given.get("embeddedOriginalPreservationImage") is not None
            if part == inside:
                yield label


def _references(facts: Facts) -> Iterable[str]:
    for data in facts.assertions.values():
        label = data.get("label")
        if label is None or data.get("url") is None or data.get("relationship") is not None:
            continue
        if label in _FORBIDDEN or str(label).startswith(("c2pa.hash", "c2pa.ingredient")):
            yield str(label)


def _resaved(facts: Facts) -> Iterable[str]:
    said = facts.assertions.get("c2pa.actions.v2", {}).get("allActionsIncluded")
    if len(facts.actions) == 1 and said is not True and name(facts.actions[0]) == "c2pa.opened":
        yield "c2pa.opened"


def _opened(facts: Facts) -> Iterable[str]:
    for action in facts.actions:
        given = as_object(action.get("parameters")).get("ingredients")
        if name(action) == "c2pa.opened" and len(as_list(given)) != 1:
            yield f"{len(as_list(given))} ingredients"


def _tiff(facts: Facts) -> Iterable[str]:
    kind = facts.assertions.get("c2pa.asset-type.v2", {}).get("dc:format")
    return ["c2pa.hash.boxes"] if "c2pa.hash.boxes" in facts.assertions and kind in _TIFF else []


def _ingredient(rule: Callable[[Mapping[str, JSON]], bool]) -> Callable[[Facts], Iterable[str]]:
    return lambda facts: (
        str(i.get("title") or i.get("dc:title") or "untitled") for i in facts.ingredients if rule(i)
    )


def _has(data: Mapping[str, JSON], *keys: str) -> bool:
    return all(data.get(key) is not None for key in keys)


def _action(wanted: str, *, sourced: bool) -> Callable[[Facts], Iterable[str]]:
    return lambda facts: (
        name(a)
        for a in facts.actions
        if name(a) == wanted and (a.get("digitalSourceType") is not None) == sourced
    )


def _unjudged(facts: Facts) -> Iterable[str]:
    return [] if facts.manifest.get("validationResults") is not None else ["missing"]


# fmt: off
CHECKS: tuple[Check, ...] = (
    Check("mandatory_dst_for_perceptible_transformations",
          "every action that can be seen has a digitalSourceType", "", _unsourced),
    Check("mandatory_spec_version", f"claim_generator_info says specVersion {SPEC}", "",
          _spec_version),
    Check("mandatory_all_actions_included", "every list of actions says allActionsIncluded", "",
          lambda f: ["missing" for a in f.action_lists if a.get("allActionsIncluded") is None]),
    Check("no_dst_for_opened_action", "c2pa.opened has no digitalSourceType", "",
          _action("c2pa.opened", sourced=True)),
    Check("well_formed_data_present", "the structure was validated", "", _unjudged),
    Check("well_formed_success", "nothing is malformed", "",
          lambda f: (c for c in f.failures if c in words("malformed"))),
    Check("valid_data_present", "the integrity was validated", "", _unjudged),
    Check("valid_success", "nothing was changed", "",
          lambda f: (c for c in f.failures if c in words("mismatched"))),
    Check("inception_action_position", "the first created action opens or creates",
          "2.2, 18.14.2", _inception),
    Check("no_deprecated_assertions", "no deprecated assertion", "2.2, 6.3 and C.1",
          _old_assertions),
    Check("no_unsupported_assertions", "every c2pa assertion is a known one", "2.2, 6.2 and 6.3",
          _foreign_assertions),
    Check("no_deprecated_actions", "no deprecated action", "2.2, 18.14.11 and C.1",
          lambda f: (x for x in map(name, f.actions) if x in words("deprecated_actions"))),
    Check("no_unsupported_actions", "every c2pa action is a known one", "2.2, 18.14 and 18.14.12",
          _foreign_actions),
    Check("no_unrecognized_custom_assertions", "assertions of others have a name space",
          "2.2, 6.2.2",
          lambda f: (x for x in f.assertions if not x.startswith("c2pa.") and "." not in x)),
    Check("no_unrecognized_custom_actions", "actions of others have a name space", "2.2, 18.14",
          _plain_actions),
    Check("no_unrecognized_custom_action_parameters", "parameters of others have a name space",
          "2.2, 18.14.4.7", _plain_parameters),
    Check("discouraged_legacy_action_parameters", "no parameter of the old kind",
          "2.2, 18.14.4.1 and 18.14.12", _legacy_parameters, warns=True),
    Check("active_manifest_urn", "the label begins with urn:c2pa:", "2.2, 8.1 and 10.2.1",
          lambda f: [] if f.label.startswith("urn:c2pa:") else [f.label]),
    Check("review_ratings_datasource", "what people entered has no review ratings", "2.2, 18.3.3",
          lambda f: (x for x, a in f.assertions.items() if a.get("reviewRatings") is not None
                     and as_object(a.get("dataSource")).get("type") in _HUMAN)),
    Check("ingredient_v3_no_active_manifest", "no results for an ingredient without a manifest",
          "2.2, 18.15.12.4.3",
          _ingredient(lambda i: not _has(i, "activeManifest") and _has(i, "validationResults"))),
    Check("ingredient_v3_mandatory_validation_results", "an ingredient with a manifest has results",
          "2.2, 18.15.12.4.3",
          _ingredient(lambda i: _has(i, "activeManifest") and not _has(i, "validationResults"))),
    Check("ingredient_relationship_values", "every relationship is a known one", "2.2, 18.15.3",
          _ingredient(lambda i: i.get("relationship") not in _RELATIONSHIPS)),
    Check("mandatory_dst_for_created_action", "c2pa.created has a digitalSourceType",
          "2.2, 18.14.2 and 18.14.4.5", _action("c2pa.created", sourced=False)),
    Check("no_deprecated_claim_fields", "no deprecated field in the claim",
          "2.4, 10.2.1 and 10.2.3.2",
          lambda f: ["specVersion"] if f.claim.get("specVersion") is not None else []),
    Check("ingredient_v3_choice", "an ingredient has a manifest or a digitalSourceType",
          "2.4, 18.16.12.3",
          _ingredient(lambda i: _has(i, "activeManifest", "digitalSourceType"))),
    Check("alternative_content_representation_choice", "another version is in one place",
          "2.4, 15.10.3.2.7", _alternatives),
    Check("forbidden_labels_in_external_references", "nothing essential lies outside",
          "2.4, 15.10.3.2.2 and 18.24.1", _references),
    Check("no_url_in_hashes", "no url in a hash assertion", "2.4, 18.5 and 18.6",
          lambda f: (x for x in ("c2pa.hash.data", "c2pa.hash.bmff.v3")
                     if f.assertions.get(x, {}).get("url") is not None)),
    Check("all_actions_included_opened", "what was only opened says so", "2.4, 18.15.3", _resaved),
    Check("opened_action_ingredient_reference", "c2pa.opened names one ingredient",
          "2.4, 15.10.3.2.3 and 18.15.4.7", _opened),
    Check("no_box_hash_for_tiff", "TIFF is not bound by boxes", "2.4, 18.7.3.3 and 15.10.1.2",
          _tiff),
)
# fmt: on
