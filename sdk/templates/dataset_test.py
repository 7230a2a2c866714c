"""The contract first; then what this plugin promises beyond it."""

from pathlib import Path

from PIL import Image

from sdk import Registry
from sdk.contract import Quiet, check_dataset, sample


def pictures(folder: Path) -> dict[str, object]:
    """Two pictures, only the first with a caption, and the settings to read them."""
    for number in range(2):
        Image.fromarray(sample(64, 64, number)).save(folder / f"{number}.png")
    (folder / "0.txt").write_text("a sample")
    return {"folder": str(folder), "licence": "CC0-1.0"}


def test_the_data_set_keeps_the_contract(tmp_path: Path) -> None:
    check_dataset("NAME", pictures(tmp_path))


def test_a_picture_without_a_caption_is_left_out(tmp_path: Path) -> None:
    part = Registry().make("dataset", "NAME", pictures(tmp_path))
    first, second = part.items(Quiet())
    assert (first.caption, first.excluded) == ("a sample", "")
    assert second.excluded
