"""`sdk conformance`: what is written here keeps all 31 checks, and each check can be broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from every_kind import FORMATS, KINDS, Workshop
from hypothesis import given
from hypothesis import strategies as st
from sample_claim import FULL as CLAIM
from shell import run

from sdk.contract import sample
from sdk.encode import SUFFIXES, encode
from sdk.registry import Registry
from sdk.rubric.checks import CHECKS
from sdk.rubric.verdict import judge, judged
from sdk.source import open_file, read_source
from sdk.xmp import EDITED, ENHANCED

PUBLIC = Path(__file__).parents[2] / "shared/data/c2pa/public-testfiles/image/jpeg"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory):
    return Registry().make("signer", "c2pa", {"home": str(tmp_path_factory.mktemp("home"))})


def checked(path: Path, data: bytes):
    path.write_bytes(data)
    with open_file(path) as file:
        return judge(read_source(file, path.name))


@pytest.mark.parametrize("media_type", SUFFIXES)
@pytest.mark.parametrize("how", ["txt2img", "img2img", "upscale"])
def test_what_is_written_here_keeps_every_check(
    tmp_path: Path, signer, media_type: str, how: str
) -> None:
    claim = replace(CLAIM, media_type=media_type)
    data = signer.seal(encode(sample(96, 64), media_type), claim)
    if how != "txt2img":
        kind = EDITED if how == "img2img" else ENHANCED
        edit = replace(
            claim,
            edited=True,
            digital_source_type=kind,
            parent=data,
            parent_media_type=media_type,
        )
        data = signer.seal(encode(sample(96, 64, 1), media_type), edit)
    found = checked(tmp_path / "x", data)
    assert found.lines()[0].startswith("x: 31 of 31 checks")
    assert found.passed
    assert {entry["result"] for entry in found.to_json()["checks"]} == {"pass"}


DRAWN = [("c2pa.created", "trainedAlgorithmicMedia")]
REDRAWN = [("c2pa.opened", ""), ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia")]
ENLARGED = [("c2pa.resized", "algorithmicallyEnhanced")]
BOUND = [("c2pa.watermarked.bound", "")]
SAID = {
    "txt2img": DRAWN + BOUND,
    "img2img": REDRAWN + BOUND,
    "inpaint": REDRAWN + BOUND,
    "sketch": REDRAWN + BOUND,
    "upscale": DRAWN + ENLARGED + BOUND,
    "upscale-img2img": REDRAWN + ENLARGED + BOUND,
    "style": [*DRAWN, ("c2pa.filtered", "trainedAlgorithmicMedia"), *BOUND],
    "variation": REDRAWN + BOUND,
}
"""Kind → its actions with the codes of their digitalSourceType."""


def source_type(action: dict) -> str:
    return str(action.get("digitalSourceType", "")).rsplit("/", 1)[-1]


def relationships(assertions: dict) -> list[tuple[str, bool]]:
    """What went in, and whether it brought a manifest of its own."""
    listed = [data for label, data in assertions.items() if label.startswith("c2pa.ingredient")]
    return sorted((data["relationship"], "activeManifest" in data) for data in listed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_call_says_rightly_what_happened(tmp_path: Path, kind: str) -> None:
    with Workshop(tmp_path) as workshop:
        for media_type in FORMATS:
            (tmp_path / "x").write_bytes(workshop.make(kind, media_type))
            with open_file(tmp_path / "x") as file:
                document = read_source(file, "x").crjson(b"")
            found = judged("x", document)
            assert (found.kept, found.passed) == (31, True), found.lines()
            assertions = document["manifests"][0]["assertions"]
            actions = assertions["c2pa.actions.v2"]["actions"]
            assert [(a["action"], source_type(a)) for a in actions] == SAID[kind]
            parent = [("parentOf", kind == "variation")] if SAID[kind][0] == REDRAWN[0] else []
            assert relationships(assertions) == [("inputTo", False), *parent]


@pytest.fixture(scope="module")
def crjson(signer, tmp_path_factory: pytest.TempPathFactory) -> dict:
    first = signer.seal(encode(sample(96, 64), "image/png"), CLAIM)
    edit = replace(CLAIM, edited=True, digital_source_type=EDITED, parent=first)
    edit = replace(edit, parent_media_type="image/png")
    path = tmp_path_factory.mktemp("x") / "x.png"
    path.write_bytes(signer.seal(encode(sample(96, 64, 1), "image/png"), edit))
    with open_file(path) as file:
        document = read_source(file, "x").crjson(b"")
    assert judged("x", document).kept == len(CHECKS) == 31
    return document


def put(label: str, /, **data: object) -> Callable[[dict], None]:
    return lambda m: m["assertions"].update({label: data})


def act(**action: object) -> Callable[[dict], None]:
    return lambda m: m["assertions"]["c2pa.actions.v2"]["actions"].append(action)


def first(**changes: object) -> Callable[[dict], None]:
    return lambda m: m["assertions"]["c2pa.actions.v2"]["actions"][0].update(changes)


def fail(code: str) -> Callable[[dict], None]:
    return lambda m: m["validationResults"]["failure"].append({"code": code})


def only(action: dict) -> Callable[[dict], None]:
    return lambda m: m["assertions"].update({"c2pa.actions.v2": {"actions": [action]}})


def preserved(**given: int) -> Callable[[dict], None]:
    return put("org.x", type="exif.originalPreservationImage", parameters=given)


def ingredient(**more: object) -> Callable[[dict], None]:
    return put("c2pa.ingredient.v3__9", **{"relationship": "inputTo", **more})


BREAKS: list[tuple[str, Callable[[dict], None]]] = [
    ("mandatory_dst_for_perceptible_transformations", act(action="c2pa.edited")),
    ("mandatory_spec_version", lambda m: m["claim.v2"]["claim_generator_info"].pop("specVersion")),
    (
        "mandatory_spec_version",
        lambda m: m["claim.v2"]["claim_generator_info"].update(specVersion="2.2.0"),
    ),
    (
        "mandatory_all_actions_included",
        lambda m: m["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    ),
    ("no_dst_for_opened_action", first(digitalSourceType="x")),
    ("well_formed_data_present", lambda m: m.pop("validationResults")),
    ("well_formed_success", fail("claim.malformed")),
    ("valid_data_present", lambda m: m.pop("validationResults")),
    ("valid_success", fail("assertion.dataHash.mismatch")),
    ("inception_action_position", lambda m: m["claim.v2"].update(created_assertions=[])),
    ("no_deprecated_assertions", put("stds.exif")),
    ("no_deprecated_assertions", put("c2pa.actions")),
    ("no_unsupported_assertions", put("c2pa.training-mining")),
    ("no_deprecated_actions", act(action="c2pa.saved", digitalSourceType="x")),
    ("no_unsupported_actions", act(action="c2pa.zzz", digitalSourceType="x")),
    ("no_unrecognized_custom_assertions", put("mine")),
    ("no_unrecognized_custom_actions", act(action="mine")),
    ("no_unrecognized_custom_action_parameters", act(action="a.b", parameters={"mine": 1})),
    ("discouraged_legacy_action_parameters", act(action="a.b", parameters={"ingredient": {}})),
    ("active_manifest_urn", lambda m: m.update(label="urn:uuid:1")),
    (
        "review_ratings_datasource",
        put("org.x", reviewRatings=[1], dataSource={"type": "humanEntry.anonymous"}),
    ),
    ("ingredient_v3_no_active_manifest", ingredient(validationResults={})),
    ("ingredient_v3_mandatory_validation_results", ingredient(activeManifest={})),
    ("ingredient_relationship_values", ingredient(relationship="cousinOf")),
    ("mandatory_dst_for_created_action", act(action="c2pa.created")),
    ("no_deprecated_claim_fields", lambda m: m["claim.v2"].update(specVersion="2.4")),
    (
        "ingredient_v3_choice",
        ingredient(activeManifest={}, validationResults={}, digitalSourceType="x"),
    ),
    ("alternative_content_representation_choice", preserved()),
    (
        "alternative_content_representation_choice",
        preserved(multiAssetPartIndex=1, embeddedOriginalPreservationImage=1),
    ),
    (
        "forbidden_labels_in_external_references",
        put("c2pa.external-reference", label="c2pa.hash.data", url="u"),
    ),
    ("no_url_in_hashes", lambda m: m["assertions"]["c2pa.hash.data"].update(url="u")),
    (
        "all_actions_included_opened",
        only({"action": "c2pa.opened", "parameters": {"ingredients": [{}]}}),
    ),
    ("opened_action_ingredient_reference", first(parameters={"ingredients": []})),
    (
        "no_box_hash_for_tiff",
        lambda m: m["assertions"].update(
            {"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}}
        ),
    ),
]


def test_every_check_is_broken_by_some_case() -> None:
    assert {name for name, _ in BREAKS} == {check.id for check in CHECKS}


@pytest.mark.parametrize(("name", "change"), BREAKS, ids=[name for name, _ in BREAKS])
def test_what_breaks_a_check_is_found(
    crjson: dict, name: str, change: Callable[[dict], None]
) -> None:
    document = copy.deepcopy(crjson)
    change(document["manifests"][0])
    found = judged("x", document)
    results = {entry["id"]: entry["result"] for entry in found.to_json()["checks"]}
    warns = name == "discouraged_legacy_action_parameters"
    assert results[name] == ("warn" if warns else "fail")
    assert found.passed is warns
    assert any(name in line for line in found.lines())


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["assertions", "claim.v2", "label", "validationResults", "actions", "c2pa.actions.v2"]
)


@given(st.dictionaries(_NAMES, _VALUES | st.dictionaries(_NAMES, _VALUES)))
def test_any_document_gets_a_verdict(manifest: dict) -> None:
    found = judged("x", {"manifests": [manifest]})
    assert len(found.found) == 31
    assert json.dumps(found.to_json())
    assert not {"\x1b", "\u202e"} & set("\n".join(found.lines()))


# The command.


def test_the_command_says_what_is_kept_and_broken(place: Path) -> None:
    run("generate", "a red apple", "-o", "a.png", "--seed", "7")
    done = run("conformance", "a.png")
    assert done.exit_code == 0
    assert done.stdout.startswith("a.png: 31 of 31 checks of C2PA Asset Conformance 0.2")
    assert json.loads(run("conformance", "a.png", "--json").stdout)["passed"] is True
    Path("plain.png").write_bytes(encode(sample(8, 8), "image/png"))
    several = run("conformance", "a.png", "plain.png", "ghost.png", "--json")
    assert several.exit_code == 3
    lines = [json.loads(line) for line in several.stdout.splitlines()]
    assert lines[0]["kept"] == 31
    assert lines[1]["manifest"] is None
    assert lines[2]["error"]["type"] == "VerifyError"


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public C2PA test files are not here")
def test_an_old_file_breaks_checks_and_the_exit_code_is_6() -> None:
    done = run("conformance", str(PUBLIC / "adobe-20220124-CA.jpg"))
    assert done.exit_code == 6
    assert "FAIL  no deprecated assertion (2.2, 6.3 and C.1)" in done.stdout
    assert "no_deprecated_assertions: found stds.schema-org.CreativeWork" in done.stdout
