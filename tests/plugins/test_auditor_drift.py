"""The drift monitor on real estimates of emoji art."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the emoji estimator needs onnxruntime")

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_auditor
from sdk.pixels import admit_pixels

REQUEST = Request(prompt="a person")
TARGET = {"perceived_gender": {"woman": 0.5, "man": 0.5}}


@pytest.fixture
def women():
    """Drawings that the estimator calls women."""
    estimator = Registry().make("auditor", "emoji")
    with np.load(Path(__file__).parent / "emoji_drawings.npz") as kept:
        pictures = [Picture(admit_pixels(pixels)) for pixels in kept["pixels"]]
    found = [p for p in pictures if estimator.estimate(p.pixels)[0].value == "woman"]
    assert len(found) >= 3
    return found


def settings(tmp_path, **more):
    return {
        "estimator": "emoji", "target": TARGET, "state": str(tmp_path / "drift.db"), **more,
    }  # fmt: skip


def drift_of(findings):
    return next((f for f in findings if f.category == "drift.perceived_gender"), None)


def test_the_monitor_keeps_the_contract_of_auditors(tmp_path):
    check_auditor("drift", settings(tmp_path))


def test_pictures_of_women_alone_raise_the_score_to_an_alarm_that_outlives_the_process(
    tmp_path, women
):
    scores = []
    for start in range(0, 60, 20):
        part = Registry().make("auditor", "drift", settings(tmp_path))
        for i in range(start, start + 20):
            finding = drift_of(part.audit(women[i % len(women)], REQUEST))
            scores.append(finding.score)
    assert scores == sorted(scores)
    assert scores[0] < 0.1
    assert scores[-1] >= 0.95
    assert finding.distribution == {"woman": 1.0, "man": 0.0}
    assert finding.detector == "drift 1 alpha=0.05 n=60"


def test_what_the_target_does_not_name_is_not_counted(tmp_path):
    part = Registry().make("auditor", "drift", settings(tmp_path))
    apple = np.full((128, 128, 3), 255, np.uint8)
    apple[40:90, 40:90] = (200, 20, 30)
    assert drift_of(part.audit(Picture(admit_pixels(apple)), REQUEST)) is None


def test_a_state_that_is_taken_away_is_said_and_the_picture_still_measured(tmp_path, women):
    part = Registry().make("auditor", "drift", settings(tmp_path))
    for file in tmp_path.glob("drift.db*"):
        file.unlink()
    finding = drift_of(part.audit(women[0], REQUEST))
    assert finding.detector.endswith("not counted")
    assert finding.score == 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"estimator": "copies"}, "estimates nothing"),
        ({"target": {"height": {"tall": 1.0}}}, "nothing of that name"),
        ({"target": {"perceived_gender": {"woman": 1.0}}}, "at least two"),
        ({"target": {"perceived_gender": {"woman": 0.9, "man": 0.9}}}, "sum 1"),
        ({"alpha": 2.0}, "alpha"),
        ({"target": {}}, "at least one"),
    ],
)
def test_a_watch_that_cannot_be_kept_is_refused_at_start(tmp_path, wrong, why):
    with pytest.raises(PluginError, match=why):
        Registry().make("auditor", "drift", settings(tmp_path, **wrong))
