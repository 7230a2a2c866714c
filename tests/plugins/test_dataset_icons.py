"""The icons data set, on a little node_modules made here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("resvg_py", reason="the icons data set draws with resvg-py")

import sdk_dataset_icons

from sdk import DataError, Item, PluginError, Registry
from sdk.contract import Quiet, make
from sdk.pixels import admit_pixels

APPLE = {"label": "red apple", "hexcode": "1F34E", "tags": ["fruit"], "group": 4}
FLAG = {"label": "flag: Norway", "hexcode": "1F1F3-1F1F4", "tags": [], "group": 9}
ASTRONAUT = {
    "label": "woman astronaut",
    "hexcode": "1F469-200D-1F680",
    "tags": ["rocket"],
    "group": 1,
    "skins": [
        {"label": "woman astronaut: dark skin tone", "hexcode": "1F469-1F3FF-200D-1F680"},
    ],
}
CIRCLE = {"body": '<circle cx="64" cy="64" r="40" fill="red"/>'}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noto with code points, FxEmoji with names only, and emojibase."""
    icons = dict.fromkeys(("red-apple", "norway", "woman-astronaut-dark", "acme-logo"), CIRCLE)
    chars = {
        "1f34e": "red-apple",
        "1f1f3-1f1f4": "norway",
        "1f469-1f3ff-200d-1f680-fe0f": "woman-astronaut-dark",
    }
    write(tmp_path / "@iconify-json/noto/icons.json", {"icons": icons, "width": 128, "height": 128})
    write(tmp_path / "@iconify-json/noto/chars.json", chars)
    plain = {"icons": {"redapple": {**CIRCLE, "width": 256, "height": 256}}}
    write(tmp_path / "@iconify-json/fxemoji/icons.json", plain)
    write(tmp_path / "emojibase-data/en/data.json", [APPLE, FLAG, ASTRONAUT])
    return tmp_path


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def items(folder: Path, **settings: object) -> dict[str, Item]:
    registry = Registry()
    registry.add(sdk_dataset_icons, "icons")
    given = {"folder": str(folder), "sets": ["noto", "fxemoji"], **settings}
    part = make("dataset", "icons", given, registry)
    return {item.id: item for item in part.items(Quiet())}


def test_every_picture_comes_with_its_licence_and_source(folder: Path) -> None:
    apple = items(folder)["noto:red-apple"]
    assert (apple.caption, apple.concept) == ("red apple", "red apple")
    assert (apple.licence, apple.source) == ("Apache-2.0", "@iconify-json/noto")
    assert "Google" in apple.attribution
    assert apple.labels["words"] == "apple"
    assert apple.labels["everyday"] == "yes"


def test_pictures_are_drawn_on_white_at_the_asked_side(folder: Path) -> None:
    pixels = admit_pixels(items(folder, side=64)["noto:red-apple"].pixels)
    assert pixels.shape == (64, 64, 3)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[32, 32].tolist() == [255, 0, 0]


def test_an_icon_of_its_own_size_fills_its_own_box(folder: Path) -> None:
    pixels = admit_pixels(items(folder)["fxemoji:redapple"].pixels)
    assert pixels[32, 32].tolist() == [255, 0, 0]  # 64 of 256 is 32 of 128
    assert pixels[90, 90].tolist() == [255, 255, 255]


def test_flags_and_unknown_drawings_are_excluded_with_a_reason(folder: Path) -> None:
    found = items(folder)
    assert found["noto:norway"].excluded == "flag"
    assert found["noto:acme-logo"].excluded == "no name in emojibase"
    assert found["noto:norway"].pixels is None
    assert found["noto:acme-logo"].pixels is None


def test_skin_tones_are_labels_and_captions_of_one_concept(folder: Path) -> None:
    astronaut = items(folder)["noto:woman-astronaut-dark"]
    assert astronaut.caption == "woman astronaut, dark skin tone"
    assert astronaut.concept == "woman astronaut"
    assert astronaut.labels["skin_tone"] == "dark"


def test_a_set_that_is_not_installed_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="twemoji"):
        items(folder, sets=["twemoji"])


def test_a_set_without_a_clear_licence_cannot_be_switched_on(folder: Path) -> None:
    with pytest.raises((DataError, PluginError), match="openmoji"):
        items(folder, sets=["openmoji"])


def test_a_damaged_package_is_a_data_error(folder: Path) -> None:
    (folder / "emojibase-data/en/data.json").write_text("[{}]")
    with pytest.raises(DataError, match="emojibase"):
        items(folder)
