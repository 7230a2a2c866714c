"""Yields the pictures of a folder, each with a caption in a .txt file beside it.

trainer:  dataset = {plugin = "NAME", settings = {folder = "pictures", licence = "CC0-1.0"}}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdk import DataError, Dataset, InputImage, Item, SDKError, Settings, Watch, hookimpl


class Folder:
    """PNG files under one licence; what has no caption or does not open is left out, and said."""

    name = "NAME"

    def __init__(self, *, folder: str = ".", licence: str = "") -> None:
        self._folder = Path(folder).expanduser()
        self._licence = licence

    def items(self, watch: Watch, /) -> Iterator[Item]:
        """Yield every .png by name."""
        if not self._folder.is_dir():
            raise DataError(f"asked to read {self._folder}, found no folder; check `folder`")
        found = sorted(self._folder.glob("*.png"))
        for done, path in enumerate(found, 1):
            yield self._item(path)
            watch.step(done, len(found))

    def _item(self, path: Path) -> Item:
        try:
            caption = path.with_suffix(".txt").read_text("utf-8").strip()
            pixels = InputImage.open(path).pixels
            excluded = "" if self._licence else "no licence was given"
        except (OSError, UnicodeDecodeError, SDKError) as exc:
            caption, pixels, excluded = "", None, f"no caption or no picture: {exc}"
        return Item(
            id=path.stem,
            pixels=pixels,
            caption=caption,
            licence=self._licence,
            source=self._folder.name,
            excluded=excluded,
        )


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make the data set; settings: `folder`, `licence` (SPDX)."""
    return Folder(**settings)  # type: ignore[arg-type]
