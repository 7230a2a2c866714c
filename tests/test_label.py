"""Visible labels: readable on anything, as large as said, and the mark is still read back."""

import numpy as np
import pytest
from small_parts import SIDE

from sdk.encode import decode
from sdk.errors import MarkError
from sdk.label import PLACES, TEXTS, Label, burn, labels_for
from sdk.request import Request

KINDS = sorted(TEXTS)


def ground(kind, side=256):
    if kind == "noise":
        return np.random.default_rng(7).integers(0, 256, (side, side, 3), dtype=np.uint8)
    if kind == "ramp":
        row = np.linspace(0, 255, side).astype(np.uint8)
        return np.repeat(np.tile(row, (side, 1))[:, :, None], 3, axis=2)
    return np.full((side, side, 3), {"black": 0, "grey": 128, "white": 255}[kind], np.uint8)


def changed(before, after):
    """Rows and columns of the smallest box that holds every changed pixel."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def contrast(one, other):
    """WCAG 2.1 contrast ratio of two grey levels."""

    def luminance(level):
        share = level / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("on", ["black", "grey", "white", "noise", "ramp"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_label_is_readable_on_any_ground(kind, on):
    """Plate and characters are black and white, and there is enough of both."""
    before = ground(on, 512)
    (label,) = labels_for((kind,), 0.06, edited=False, width=512, height=512)
    after = burn(before, [label])
    top, foot, left, right = changed(before, after)
    inner = after[top + 4 : foot - 4, left + 6 : right - 6].reshape(-1, 3).astype(int)
    dark, light = (inner.max(1) < 40).mean(), (inner.min(1) > 215).mean()
    assert min(dark, light) > 0.08
    assert dark + light > 0.75
    assert contrast(np.percentile(inner, 5), np.percentile(inner, 95)) > 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(512, 512), (1024, 256), (300, 900)])
def test_characters_are_at_least_the_share_of_the_shortest_side(kind, size):
    """Measured in the pixels: the height of the ink, not of the font's box."""
    width, height = size
    before = np.full((height, width, 3), 255, np.uint8)
    (label,) = labels_for((kind,), 0.05, edited=False, width=width, height=height)
    after = burn(before, [label])
    top, foot, left, right = changed(before, after)
    plate = after[top:foot, left:right].min(2)
    tall = foot - top
    ink = (plate > 200)[:, tall // 2 : -tall // 2].any(1)  # without the rounded corners
    rows = np.nonzero(ink[3:-3])[0]
    assert rows.max() - rows.min() + 1 >= 0.05 * min(size)
    assert label.share(width, height) >= 0.05


def test_a_label_stands_in_its_corner_and_two_do_not_meet():
    before = ground("grey", 512)
    for kind, place in PLACES.items():
        label = labels_for((kind,), 0.06, edited=False, width=512, height=512)
        top, foot, left, right = changed(before, burn(before, label))
        assert (top < 256) == place.startswith("top")
        assert (right > 500) == place.endswith("right")
        assert 0 < top < foot < 512
        assert 0 < left < right < 512
    both = labels_for(("ai", "cn"), 0.06, edited=False, width=512, height=512)
    assert (burn(before, both) != before).any(axis=2).sum() > 1000


def test_an_edited_picture_says_modified():
    (label,) = labels_for(("ai-kind",), 0.06, edited=True, width=512, height=512)
    assert label.text == "AI MODIFIED"


def test_nothing_else_of_the_picture_changes_and_the_input_stays():
    before = ground("noise", 512)
    kept = before.copy()
    after = burn(before, labels_for(("ai",), 0.06, edited=False, width=512, height=512))
    assert (before == kept).all()
    assert (after[100:] == before[100:]).all()
    assert burn(before, ()) is before


def test_a_picture_too_small_for_its_label_is_refused():
    label = Label(kind="ai", text="AI", place="top-right", text_height=40)
    with pytest.raises(MarkError, match=r"label needs \d+x\d+ of its own; draw larger"):
        burn(ground("grey", 48), [label])
    pair = [
        Label(kind="ai", text="AI", place="top-right", text_height=20),
        Label(kind="cn", text="AI生成", place="bottom-right", text_height=20),
    ]
    with pytest.raises(MarkError, match="draw larger"):
        burn(ground("grey", 75)[:, :, :], pair)


def test_a_released_picture_shows_its_label_and_the_mark_is_read_back(house):
    studio = house.studio(marking={"labels": ["ai"], "label_share": 0.06})
    request = Request(prompt="a red apple", seed=7, width=256, height=256)
    (image,) = studio.generate(request).images
    plain = house.studio().generate(request).image
    shown, without = decode(image.data), decode(plain.data)
    assert (shown[:60, 128:] != without[:60, 128:]).any(axis=2).mean() > 0.1
    assert image.sealed.detection.payload == image.sealed.marked.payload
    assert house.leaves()[0]["output"]["labels"] == [{"kind": "ai", "text": "AI", "share": 0.0625}]
    assert house.leaves()[1]["output"]["labels"] == []


def test_a_picture_that_has_no_room_for_its_label_is_not_released(house):
    studio = house.studio(marking={"labels": ["cn-long"]})
    with pytest.raises(MarkError, match="draw larger"):
        studio.generate(Request(prompt="x", width=SIDE, height=SIDE))
    assert house.pictures() == []


@pytest.mark.parametrize("labels", [["ai", "ai-kind"], ["cn", "cn"], ["eu"]])
def test_labels_that_contradict_are_refused_at_load(house, labels):
    with pytest.raises(ValueError, match="labels"):
        house.studio(marking={"labels": labels})
