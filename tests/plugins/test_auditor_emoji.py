"""The estimator of emoji art, on 40 drawings of roles that it never saw (Noto and Fluent)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the emoji estimator needs onnxruntime")

import sdk_auditor_emoji
from sdk_auditor_emoji.drawings import Drawings, read_own
from sdk_auditor_emoji.labels import GENDER, TONE, TONES, gender_of, part_of, tone_of
from sdk_auditor_emoji.own_art import prompts
from sdk_auditor_emoji.train import tabled

from sdk import AttributeEstimator, Picture, PluginError, Registry, Request, TrainError
from sdk.audits.estimates import ModelEstimator
from sdk.colour import lab_of
from sdk.contract import check_auditor, sample
from sdk.pixels import admit_pixels

REQUEST = Request(prompt="a person")
ROLES = (
    "baker",
    "dancer",
    "farmer",
    "gardener",
    "hiker",
    "lecturer",
    "painter",
    "plumber",
    "singer",
)


@pytest.fixture(scope="module")
def estimator():
    return sdk_auditor_emoji.Emoji()


@pytest.fixture(scope="module")
def drawings():
    with np.load(Path(__file__).parent / "emoji_drawings.npz") as kept:
        return {name: kept[name] for name in kept.files}


def test_the_estimator_keeps_the_contract_of_auditors():
    check_auditor("emoji")
    check_auditor("emoji", {"sample_rate": 0.5, "budget_ms": 100})


def test_it_says_what_it_is_and_how_often_it_errs(estimator):
    assert isinstance(estimator, AttributeEstimator)
    assert estimator.licence == "Apache-2.0"
    for attribute, values in estimator.attributes.items():
        matrix = estimator.confusion[attribute]
        assert matrix.labels == values
        assert matrix.n > 1000
        assert "never seen" in matrix.measured_on


def test_tone_is_right_for_97_of_100_persons_and_gender_for_90_where_it_answers(estimator):
    """Of the persons that were called persons, over the counts measured on unseen roles."""
    for attribute, persons, least in ((TONE, 6, 0.97), (GENDER, 3, 0.90)):
        counts = np.array(estimator.confusion[attribute].counts)[:persons, :persons]
        assert np.trace(counts) / counts.sum() >= least


def test_it_answers_for_three_in_four_persons_of_unseen_roles(estimator):
    matrix = estimator.confusion[GENDER]
    answered, silent = np.array(matrix.counts)[:3].sum(), sum(matrix.abstained[:3])
    assert answered / (answered + silent) >= 0.75


def test_an_audit_of_the_embedded_model_is_corrected_by_what_was_counted_on_its_pictures(estimator):
    """The digest is the one that receipts of the starter model name."""
    ((model, matrices),) = estimator.confusion_by_model.items()
    assert model == "fae3cb5b10be354ecc05fd9acfb6f6d4473533824e149eefab57b985f36e5cce"
    assert isinstance(estimator, ModelEstimator)
    for attribute, persons, share in ((GENDER, 3, 0.6), (TONE, 6, 0.6)):
        matrix = matrices[attribute]
        answered, silent = np.array(matrix.counts)[:persons].sum(), sum(matrix.abstained[:persons])
        assert answered >= 200
        assert answered / (answered + silent) >= share
        assert "embedded model" in matrix.measured_on


def test_pictures_asked_of_the_model_say_gender_and_tone_and_keep_roles_apart(tmp_path):
    english = tmp_path / "emojibase-data" / "en"
    english.mkdir(parents=True)
    tones = [f"{tone} skin tone" for tone in TONES[:5]]
    rows = [
        {
            "label": f"{who}{role}",
            "hexcode": f"{n}",
            "group": 1,
            "tags": [],
            "skins": [
                {"label": f"{who}{role}: {tone}", "hexcode": f"{n}-{tone}"} for tone in tones
            ],
        }
        for n, (who, role) in enumerate((w, r) for w in ("woman ", "man ", "") for r in ROLES)
    ] + [{"label": f"thing {n}", "hexcode": f"t{n}", "group": 4, "tags": []} for n in range(40)]
    (english / "data.json").write_text(json.dumps(rows))
    asked = prompts(tmp_path, 200)
    assert asked[:50] == prompts(tmp_path, 50)
    assert {one.gender for one in asked} == {"woman", "man", "unspecified", "none"}
    for one in asked:
        assert (one.gender in ("woman", "man")) == bool({"woman", "man"} & {*one.prompt.split()})
        assert one.tone in ("", "unspecified") or f"{one.tone} skin tone" in one.prompt
        assert one.gender != "unspecified" or one.style in ("noto", "twemoji", "fluent")
    parts = {(r, one.part) for one in asked for r in ROLES if r in one.prompt}
    assert len(parts) == len({role for role, _ in parts})


def test_it_names_what_drawings_of_unseen_roles_present(estimator, drawings):
    right = answered = 0
    for pixels, gender, tone in zip(
        drawings["pixels"], drawings["gender"], drawings["tone"], strict=True
    ):
        found = {e.attribute: e.value for e in estimator.estimate(admit_pixels(pixels))}
        for attribute, truth in ((GENDER, gender), (TONE, tone or "none")):
            answered += bool(found[attribute])
            right += found[attribute] == truth
    assert answered >= 50
    assert right / answered >= 0.9


def test_a_mirror_image_and_a_larger_picture_get_the_same_answer(estimator, drawings):
    pixels = admit_pixels(drawings["pixels"][0])
    first = estimator.estimate(pixels)
    mirrored = estimator.estimate(admit_pixels(pixels[:, ::-1]))
    larger = estimator.estimate(Picture(pixels).resized(512))
    wide = np.full((128, 200, 3), 255, np.uint8)
    wide[:, 36:164] = pixels
    for other in (mirrored, larger, estimator.estimate(admit_pixels(wide))):
        assert [e.value for e in other] == [e.value for e in first]


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (sample(256, 256), "white"),
        (sample(300, 100), "not"),
        (np.full((64, 64, 3), 255, np.uint8), "nothing is drawn"),
        (np.zeros((1, 1, 3), np.uint8), "white"),
    ],
)
def test_what_is_no_drawing_on_white_is_refused_with_a_reason(estimator, pixels, why):
    for estimate in estimator.estimate(admit_pixels(pixels)):
        assert why in estimate.abstained
        assert not estimate.probabilities


def test_photographs_are_refused(estimator):
    datasets = pytest.importorskip("sklearn.datasets", reason="the train extra is not installed")
    for photo in datasets.load_sample_images().images:
        for cut in (photo, photo[:200, :200], photo[100:400, 150:500]):
            found = estimator.estimate(admit_pixels(np.ascontiguousarray(cut)))
            assert all(estimate.abstained for estimate in found)


def test_a_receipt_gets_the_distribution_and_the_digest(estimator, drawings):
    part = Registry().make("auditor", "emoji")
    found = part.audit(Picture(admit_pixels(drawings["pixels"][0])), REQUEST)
    assert {f.category for f in found} <= {GENDER, TONE}
    assert found
    for finding in found:
        assert sum(finding.distribution.values()) == pytest.approx(1, abs=1e-3)
        assert finding.weights_sha256 == estimator.weights_sha256
        assert finding.detector == "emoji 2"


def test_a_picture_that_is_not_sampled_is_not_measured(drawings):
    part = sdk_auditor_emoji.Emoji(sample_rate=1e-9)
    assert part.audit(Picture(admit_pixels(drawings["pixels"][0])), REQUEST) == []


def test_weights_that_are_not_there_or_damaged_are_said(tmp_path):
    with pytest.raises(PluginError, match=r"gender\.onnx"):
        sdk_auditor_emoji.Emoji(weights=str(tmp_path))
    weights = Path(sdk_auditor_emoji.__file__).parent / "weights"
    for name in ("gender.onnx", "palette.npz"):
        (tmp_path / name).write_bytes((weights / name).read_bytes())
    (tmp_path / "card.json").write_text(json.dumps({"least": {}}))
    with pytest.raises(PluginError, match=r"sdk_auditor_emoji\.train"):
        sdk_auditor_emoji.Emoji(weights=str(tmp_path))


@pytest.mark.parametrize(
    ("concept", "labels", "gender", "tone"),
    [
        ("woman firefighter", {"group": "person", "skin_tone": "dark"}, "woman", "dark"),
        ("man: beard", {"group": "person"}, "man", "unspecified"),
        ("firefighter", {"group": "person", "style": "noto"}, "unspecified", "unspecified"),
        ("firefighter", {"group": "person", "style": "blob"}, "", "unspecified"),
        ("kiss: woman, man", {"group": "person", "skin_tone": "mixed"}, "unclear", ""),
        ("lungs", {"group": "person"}, "none", ""),
        ("red apple", {"group": "food"}, "none", ""),
    ],
)
def test_labels_come_from_the_unicode_names(concept, labels, gender, tone):
    labels = {"style": "noto", **labels}
    assert (gender_of(concept, labels), tone_of(concept, labels)) == (gender, tone)


def test_all_drawings_of_a_role_stay_on_one_side_of_the_split():
    for role in ("firefighter", "teacher", "running", "with veil"):
        parts = {part_of(f"{who} {role}".strip()) for who in ("man", "woman", "person", "")}
        assert len(parts) == 1


def test_colours_are_converted_as_the_standard_says():
    """Pure red, green and blue, from IEC 61966-2-1 and CIE 15 with D65."""
    found = lab_of(np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8))
    known = [[53.24, 80.09, 67.2], [87.73, -86.18, 83.18], [32.3, 79.19, -107.86], [100, 0, 0]]
    assert np.abs(found - known).max() < 0.05


def test_an_abstention_stands_beside_the_matrix():
    table = tabled(["x", "y"], [("x", "x"), ("x", "y"), ("y", ""), ("y", "y")])
    assert table == {"labels": ["x", "y"], "counts": [[1, 1], [0, 1]], "abstained": [0, 1]}


def test_half_of_a_batch_are_sets_that_differ_in_gender_alone(tmp_path):
    """Of icons; what the model drew is added by weight, and training without it is refused."""
    genders = ["woman", "man", "unspecified"] * 4 + ["none"] * 8
    icons = Drawings(
        pixels=np.full((20, 128, 128, 3), 255, np.uint8),
        gender=np.array(genders),
        tone=np.array(["dark", "dark", "dark", "light", "light", "light"] * 2 + [""] * 8),
        part=np.array(["train"] * 20),
        style=np.array(["noto"] * 20),
        role=np.array(["cook"] * 6 + ["singer"] * 6 + ["thing"] * 8),
    )
    alone = icons.material(icons.rows("train"))
    assert [one.tolist() for one in alone.sets] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    both = alone.joined(alone, 0.25)
    assert both.weights[20:].sum() == pytest.approx(0.25 * both.weights.sum())
    chosen = both.batch(np.random.default_rng(0))
    assert len(chosen) == 64
    assert [genders[i] for i in chosen[:36]] == ["woman", "man", "unspecified"] * 12
    with pytest.raises(TrainError, match=r"sdk_auditor_emoji\.own_art"):
        read_own(tmp_path)
